//! Bytes into a JSON string literal, whole or in chunks.

use fearless_simd::{Level, Select, Simd, SimdBase, SimdFrom, SimdMask, dispatch, u8x16};
use std::io::Write;

/// Bytes that are looked at together.
const LANES: usize = 16;

/// Escaped bytes are gathered up to so many, and two blocks more.
const HELD: usize = 1024;

/// What the shortest escape of a control character ends with (RFC 8259 §7), or
/// zero where there is none.
const LETTERS: [u8; LANES] = *b"\0\0\0\0\0\0\0\0btn\0fr\0\0";

/// For each set of eight bytes that need a backslash: which lanes of the bytes,
/// each followed by a backslash, are written.
static SPREAD: [[u8; LANES]; 256] = spread();

const fn spread() -> [[u8; LANES]; 256] {
    /// Where the first backslash stands.
    const BACKSLASH: u8 = 1;
    let mut table = [[0; LANES]; 256];
    let mut set = 0;
    while set < 256 {
        let (mut at, mut byte) = (0, 0);
        while byte < 8 {
            if set >> byte & 1 == 1 {
                table[set][at] = BACKSLASH;
                at += 1;
            }
            table[set][at] = 2 * byte;
            (at, byte) = (at + 1, byte + 1);
        }
        set += 1;
    }
    table
}

/// Appends `text` as the inside of a JSON string: no quotes around it.
///
/// No crate of JSON is used: those look for the next byte to escape, which is slow
/// where every fifth is one, as in JSON within JSON.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    escape_at(Level::new(), out, text);
}

fn escape_at(level: Level, out: &mut Vec<u8>, text: &str) {
    dispatch!(level, simd => escape(simd, out, text.as_bytes()));
}

// Without `inline(always)` the instructions of a level are not used.
#[inline(always)]
fn escape<S: Simd>(simd: S, out: &mut Vec<u8>, text: &[u8]) {
    let (mut held, mut len) = ([0; HELD + 2 * LANES], 0);
    let (blocks, rest) = text.as_chunks::<LANES>();
    for block in blocks {
        len = one_block(simd, block, LANES, &mut held, len, out);
    }
    if !rest.is_empty() {
        let mut block = [b' '; LANES];
        block[..rest.len()].copy_from_slice(rest);
        len = one_block(simd, &block, rest.len(), &mut held, len, out);
    }
    out.extend_from_slice(&held[..len]);
}

/// The first `count` bytes of a block, whose others need no escape. Takes and
/// gives how much of `held` counts.
#[inline(always)]
fn one_block<S: Simd>(
    simd: S,
    block: &[u8; LANES],
    count: usize,
    held: &mut [u8; HELD + 2 * LANES],
    mut len: usize,
    out: &mut Vec<u8>,
) -> usize {
    if len > HELD {
        out.extend_from_slice(&held[..len]);
        len = 0;
    }
    let mut bytes = u8x16::simd_from(simd, *block);
    let control = bytes.simd_lt(u8x16::splat(simd, 0x20));
    let backslash = u8x16::splat(simd, b'\\');
    let quoted = bytes.simd_eq(u8x16::splat(simd, b'"')) | bytes.simd_eq(backslash);
    let set = (control | quoted).to_bitmask() as usize;
    if set == 0 {
        bytes.store_slice(&mut held[len..len + LANES]);
        return len + count;
    }
    if control.any_true() {
        let letters = u8x16::simd_from(simd, LETTERS).swizzle_dyn_precise(bytes);
        if (control & letters.simd_eq(u8x16::splat(simd, 0))).any_true() {
            out.extend_from_slice(&held[..len]);
            one_by_one(out, &block[..count]);
            return 0;
        }
        bytes = control.select(letters, bytes);
    }
    for (half, set) in
        [(bytes.zip_low(backslash), set & 0xff), (bytes.zip_high(backslash), set >> 8 & 0xff)]
    {
        let written = half.swizzle_dyn(u8x16::simd_from(simd, SPREAD[set]));
        written.store_slice(&mut held[len..len + LANES]);
        len += LANES / 2 + set.count_ones() as usize;
    }
    len - (LANES - count)
}

/// For blocks with control characters that take six bytes, which are rare.
fn one_by_one(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        let letter = LETTERS.get(usize::from(*byte)).copied().unwrap_or_default();
        match *byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x20.. => out.push(*byte),
            _ if letter != 0 => out.extend_from_slice(&[b'\\', letter]),
            low => {
                let digit = |n: u8| b"0123456789abcdef"[usize::from(n & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(low >> 4), digit(low)]);
            }
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
    use proptest::prelude::*;

    #[test]
    fn what_is_escaped_reads_back() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let long = "é\"".repeat(1000);
        let plain = "x".repeat(LANES * 3 + 1);
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

    proptest! {
        #[test]
        fn escapes_are_those_of_serde_json(text in "([ -~]{0,9}[\"\\\\\t\n\r\u{8}\u{c}\u{0}-\u{1f}é🎉]{0,3}){0,90}") {
            let theirs = serde_json::to_string(&text).unwrap();
            for level in [Level::new(), Level::baseline()] {
                let mut ours = Vec::new();
                escape_at(level, &mut ours, &text);
                prop_assert_eq!(ours, &theirs.as_bytes()[1..theirs.len() - 1]);
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
