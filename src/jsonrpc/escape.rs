//! Bytes into a JSON string literal, whole or in chunks.

use std::io::Write;

/// Text is escaped in pieces of so many bytes: the escaper asks for room for the
/// worst case, six bytes for one.
const PIECE_BYTES: usize = 32 << 10;

/// Appends `text` as the inside of a JSON string: no quotes around it.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while rest.len() > PIECE_BYTES {
        let mut end = PIECE_BYTES;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        escape_piece(out, piece);
        rest = after;
    }
    escape_piece(out, rest);
}

/// The escaper always writes the quotes: the one before goes where the last byte
/// stands, which is put back.
fn escape_piece(out: &mut Vec<u8>, piece: &str) {
    let last = out.pop();
    let start = out.len();
    json_escape_simd::escape_into(piece, out);
    out.pop();
    match last {
        Some(last) => out[start] = last,
        None => drop(out.remove(start)),
    }
}

/// Appends `text` as a whole JSON string, quotes included.
pub fn string_into(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape_into(out, text);
    out.push(b'"');
}

/// Appends a number in decimal.
pub fn integer_into(out: &mut Vec<u8>, n: u64) {
    let mut buffer = itoa::Buffer::new();
    let _ = out.write_all(buffer.format(n).as_bytes());
}

/// Text that arrives in chunks which may split a character. Bytes that are not
/// UTF-8 become U+FFFD, as browsers do (WHATWG Encoding, "replacement").
#[derive(Default)]
pub struct TextChunks {
    /// For text that is not UTF-8.
    decoder: Option<encoding_rs::Decoder>,
    /// The first bytes of a character whose rest is in the next chunk.
    pending: [u8; 4],
    pending_len: usize,
}

impl TextChunks {
    /// Text in a charset by its label (WHATWG Encoding); UTF-8 without one, or
    /// with one that nobody knows.
    pub fn of_charset(label: Option<&str>) -> Self {
        let encoding = label.and_then(|l| encoding_rs::Encoding::for_label(l.as_bytes()));
        let decoder = encoding.filter(|e| *e != encoding_rs::UTF_8).map(|e| e.new_decoder());
        TextChunks { decoder, ..TextChunks::default() }
    }

    fn decode(&mut self, chunk: &[u8], last: bool, out: &mut Vec<u8>) -> bool {
        let Some(decoder) = &mut self.decoder else { return false };
        let room = decoder.max_utf8_buffer_length(chunk.len()).unwrap_or(chunk.len() * 3);
        let mut text = String::with_capacity(room);
        let _ = decoder.decode_to_string(chunk, &mut text, last);
        escape_into(out, &text);
        true
    }

    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.decode(chunk, false, out) {
            return;
        }
        let mut rest = chunk;
        while self.pending_len > 0 && !rest.is_empty() {
            self.pending[self.pending_len] = rest[0];
            self.pending_len += 1;
            rest = &rest[1..];
            let head = &self.pending[..self.pending_len];
            match std::str::from_utf8(head) {
                Ok(text) => {
                    escape_into(out, text);
                    self.pending_len = 0;
                }
                Err(e) if e.error_len().is_none() && self.pending_len < 4 => {}
                Err(_) => {
                    let lossy = String::from_utf8_lossy(head).into_owned();
                    escape_into(out, &lossy);
                    self.pending_len = 0;
                }
            }
        }
        self.push_aligned(rest, out);
    }

    fn push_aligned(&mut self, mut rest: &[u8], out: &mut Vec<u8>) {
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => return escape_into(out, text),
                Err(e) => {
                    let (good, bad) = rest.split_at(e.valid_up_to());
                    escape_into(out, &String::from_utf8_lossy(good));
                    let Some(len) = e.error_len() else {
                        self.pending[..bad.len()].copy_from_slice(bad);
                        self.pending_len = bad.len();
                        return;
                    };
                    out.extend_from_slice("\u{fffd}".as_bytes());
                    rest = &bad[len..];
                }
            }
        }
    }

    /// Writes what a cut character left behind.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.decode(b"", true, out);
        if self.pending_len > 0 {
            out.extend_from_slice("\u{fffd}".as_bytes());
            self.pending_len = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_reads_back() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let long = "é\"".repeat(PIECE_BYTES);
        for text in ["", "a", "\"", "\\\u{0}\u{1f}\u{7f}", &all, &long, "🎉\u{2028}"] {
            for before in ["", "x"] {
                let mut out = before.as_bytes().to_vec();
                escape_into(&mut out, text);
                let inside = String::from_utf8(out.split_off(before.len())).unwrap();
                assert_eq!(out, before.as_bytes());
                let read: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap();
                assert_eq!(read, text);
                let mut whole = Vec::new();
                string_into(&mut whole, text);
                assert_eq!(whole, format!("\"{inside}\"").as_bytes());
            }
        }
    }

    #[test]
    fn chunks_cut_anywhere_give_the_same_text() {
        let text = "a\"b\\c\n\u{1}é世🎉 end";
        let mut want = Vec::new();
        escape_into(&mut want, text);
        for cut in 0..=text.len() {
            for second in cut..=text.len() {
                let (mut t, mut got) = (TextChunks::default(), Vec::new());
                let b = text.as_bytes();
                t.push(&b[..cut], &mut got);
                t.push(&b[cut..second], &mut got);
                t.push(&b[second..], &mut got);
                t.end(&mut got);
                assert_eq!(got, want, "cut at {cut} and {second}");
            }
        }
    }

    #[test]
    fn charsets_by_their_labels() {
        for (label, chunks, want) in [
            (Some("iso-8859-1"), vec![&b"caf\xe9"[..]], "café"),
            (Some("Shift_JIS"), vec![&b"\x93\xfa\x96"[..], b"\x7b"], "日本"),
            (Some("utf-16le"), vec![&b"a\x00\x16"[..], b"\x4e"], "a世"),
            (Some("UTF-8"), vec![&b"caf\xc3\xa9"[..]], "café"),
            (Some("no-such"), vec![&b"caf\xc3\xa9"[..]], "café"),
            (None, vec![&b"x"[..]], "x"),
        ] {
            let (mut t, mut got) = (TextChunks::of_charset(label), Vec::new());
            chunks.iter().for_each(|c| t.push(c, &mut got));
            t.end(&mut got);
            assert_eq!(String::from_utf8_lossy(&got), want, "{label:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        for (chunks, want) in [
            (vec![&b"a\xffb"[..]], "a\u{fffd}b"),
            (vec![&b"a\xe4"[..], b"b"], "a\u{fffd}b"),
            (vec![&b"a\xe4\xb8"[..]], "a\u{fffd}"),
        ] {
            let (mut t, mut got) = (TextChunks::default(), Vec::new());
            for c in &chunks {
                t.push(c, &mut got);
            }
            t.end(&mut got);
            assert_eq!(String::from_utf8_lossy(&got), want, "{chunks:?}");
        }
    }
}
