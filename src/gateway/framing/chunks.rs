//! A body in chunks (RFC 9112 §7.1), byte by byte.

/// The longest line with the size of a chunk and its extensions, in bytes.
pub const SIZE_LINE_BYTES_MAX: usize = 1 << 10;

/// The longest trailer section, in bytes.
pub const TRAILERS_BYTES_MAX: usize = 8 << 10;

/// Digits of a chunk's size: 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;

/// What became of bytes.
pub enum Taken {
    All,
    /// The body ended after so many.
    Ended(usize),
    /// The next one may not stand where it is.
    Broken(usize),
}

/// A body in chunks (RFC 9112 §7.1).
#[derive(Debug, Default)]
pub struct Chunks {
    state: Chunk,
    /// The size that is being read.
    size: u64,
    digits: u8,
    /// Bytes of the size line, or of the trailers.
    line: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Chunk {
    #[default]
    Size,
    /// White space that an extension must follow.
    BeforeExtension,
    /// After a semicolon.
    Extension,
    Name,
    AfterName,
    /// After `=`.
    Value,
    Token,
    Quoted,
    QuotedPair,
    AfterQuoted,
    SizeEnd,
    Data(u64),
    DataCr,
    DataLf,
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    End,
}

impl Chunks {
    pub fn take(&mut self, bytes: &[u8]) -> Taken {
        let mut at = 0;
        while at < bytes.len() {
            if let Chunk::Data(left) = self.state {
                let taken = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                at += taken;
                let left = left - taken as u64;
                self.state = if left == 0 { Chunk::DataCr } else { Chunk::Data(left) };
                continue;
            }
            match self.next(bytes[at]) {
                Some(Chunk::End) if matches!(self.state, Chunk::End) => {
                    return Taken::Ended(at + 1);
                }
                Some(state) => self.state = state,
                None => return Taken::Broken(at),
            }
            at += 1;
        }
        Taken::All
    }

    /// The state after a byte; `None` where it may not stand. `End` out of `End`
    /// is the end.
    fn next(&mut self, byte: u8) -> Option<Chunk> {
        use Chunk as C;
        let blank = matches!(byte, b' ' | b'\t');
        self.line += 1;
        let line_max = match self.state {
            C::Trailer | C::TrailerName | C::TrailerValue | C::TrailerLf | C::End => {
                TRAILERS_BYTES_MAX
            }
            _ => SIZE_LINE_BYTES_MAX,
        };
        if self.line > line_max {
            return None;
        }
        Some(match (self.state, byte) {
            (C::Size, b) if b.is_ascii_hexdigit() && self.digits < SIZE_DIGITS_MAX => {
                let digit = char::from(b).to_digit(16)?;
                self.size = (self.size << 4) | u64::from(digit);
                self.digits += 1;
                C::Size
            }
            (C::Size, _) if self.digits == 0 => return None,
            (C::Size | C::Name | C::Token | C::AfterQuoted, b'\r') => C::SizeEnd,
            (C::Size | C::Token | C::AfterQuoted | C::BeforeExtension, b';') => C::Extension,
            (C::Size | C::Token | C::AfterQuoted | C::BeforeExtension, _) if blank => {
                C::BeforeExtension
            }
            (C::Name | C::AfterName, b';') => C::Extension,
            (C::Name | C::AfterName, b'=') => C::Value,
            (C::Name | C::AfterName, _) if blank => C::AfterName,
            (C::Extension, _) if blank => C::Extension,
            (C::Extension | C::Name, b) if is_token(b) => C::Name,
            (C::Value, _) if blank => C::Value,
            (C::Value, b'"') => C::Quoted,
            (C::Value | C::Token, b) if is_token(b) => C::Token,
            (C::Quoted, b'"') => C::AfterQuoted,
            (C::Quoted, b'\\') => C::QuotedPair,
            (C::Quoted | C::QuotedPair, b) if is_text(b) => C::Quoted,
            (C::SizeEnd, b'\n') => {
                let size = std::mem::take(&mut self.size);
                (self.digits, self.line) = (0, 0);
                if size == 0 { C::Trailer } else { C::Data(size) }
            }
            (C::DataCr, b'\r') => C::DataLf,
            (C::DataLf, b'\n') => {
                self.line = 0;
                C::Size
            }
            (C::Trailer, b'\r') => C::End,
            (C::Trailer | C::TrailerName, b) if is_token(b) => C::TrailerName,
            (C::TrailerName, b':') => C::TrailerValue,
            (C::TrailerValue, b'\r') => C::TrailerLf,
            (C::TrailerValue, b) if is_text(b) => C::TrailerValue,
            (C::TrailerLf, b'\n') => C::Trailer,
            (C::End, b'\n') => C::End,
            _ => return None,
        })
    }
}

/// `tchar` of RFC 9110 §5.6.2.
pub fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// What quoted strings and field values may hold (RFC 9110 §5.5, §5.6.4).
fn is_text(b: u8) -> bool {
    b == b'\t' || (b >= 0x20 && b != 0x7f)
}
