//! Bytes into a JSON string literal, whole or in chunks.

use std::io::Write;

/// Bytes that are looked at together: all of them at once where none needs an
/// escape, else one after the other.
const BLOCK: usize = 32;
/// Escaped bytes are gathered up to so many. A power of two, so that an index
/// within it needs no check.
const HELD: usize = 256;

/// For each byte what is written (bytes 0 and 1), how much of that counts (byte
/// 2), and whether it takes six bytes instead (byte 3), which the shortest
/// escapes of RFC 8259 §7 leave for rare control characters.
static WRITTEN: [u32; 256] = written();

const fn written() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let short = match byte as u8 {
            b'"' => b'"',
            b'\\' => b'\\',
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            _ => 0,
        };
        table[byte] = match (byte < 0x20, short) {
            (true, 0) => 1 << 24,
            (false, 0) => 1 << 16 | byte as u32,
            _ => 2 << 16 | (short as u32) << 8 | b'\\' as u32,
        };
        byte += 1;
    }
    table
}

/// Appends `text` as the inside of a JSON string: no quotes around it.
///
/// No crate is used: those that look for the next byte to escape are slow where
/// every fifth is one, as in JSON within JSON.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut held = [0; HELD + 1];
    let mut len = 0;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let plain = plain_blocks(rest);
        if plain > 0 {
            let (copied, after) = rest.split_at(plain);
            out.extend_from_slice(&held[..len]);
            out.extend_from_slice(copied);
            (len, rest) = (0, after);
        }
        let (block, after) = rest.split_at(rest.len().min(BLOCK));
        rest = after;
        if len > HELD - 2 * BLOCK {
            out.extend_from_slice(&held[..len]);
            len = 0;
        }
        let before = len;
        let mut all = 0;
        for byte in block {
            let word = WRITTEN[usize::from(*byte)];
            let at = len & (HELD - 1);
            held[at..at + 2].copy_from_slice(&[word as u8, (word >> 8) as u8]);
            len += (word >> 16 & 3) as usize;
            all |= word;
        }
        if all >> 24 != 0 {
            out.extend_from_slice(&held[..before]);
            escape_slowly(out, block);
            len = 0;
        }
    }
    out.extend_from_slice(&held[..len]);
}

/// How many bytes of `text`, in whole blocks, need no escape.
fn plain_blocks(text: &[u8]) -> usize {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    blocks.iter().take_while(|block| is_plain(block)).count() * BLOCK
}

/// Written so that it becomes vector instructions.
fn is_plain(bytes: &[u8; BLOCK]) -> bool {
    !bytes.iter().fold(false, |found, b| found | (*b < 0x20) | (*b == b'"') | (*b == b'\\'))
}

fn escape_slowly(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        let word = WRITTEN[usize::from(*byte)];
        match word >> 16 {
            1 => out.push(*byte),
            2 => out.extend_from_slice(&[word as u8, (word >> 8) as u8]),
            // Writing to memory does not fail.
            _ => drop(write!(out, "\\u{byte:04x}")),
        }
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
        let long = "é\"".repeat(1000);
        let plain = "x".repeat(BLOCK * 3 + 1);
        let rare = format!("{plain}\u{1}{plain}\n{plain}\u{1f}\"");
        for text in ["", "a", "\"", "\\\u{0}\u{1f}\u{7f}", &all, &long, &plain, &rare, "🎉\u{2028}"]
        {
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
