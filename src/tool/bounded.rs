//! Text that is built from arguments: bounded while it grows, since an encoding
//! may repeat a name for every value or write three bytes for one.

use crate::config::units::show_bytes;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::Raw;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use serde_json::value::RawValue;

/// Text of at most so many bytes.
#[derive(Debug)]
pub struct Bounded {
    text: String,
    bytes_max: usize,
    /// What it becomes, for the message: `a URL`.
    what: &'static str,
    /// Bytes of arguments that may still be read for it.
    reads_left: usize,
}

/// How often the bytes of an argument may be read: each level of nesting is read
/// once more than the one around it.
const READS_MAX: usize = 12;
const READS_BASE: usize = 256 << 10;

impl Bounded {
    pub fn new(bytes_max: usize, what: &'static str) -> Self {
        Bounded { text: String::new(), bytes_max, what, reads_left: usize::MAX }
    }

    /// Bounds how much is read of an argument of so many bytes.
    pub fn of(mut self, argument_bytes: usize) -> Self {
        self.reads_left = argument_bytes.saturating_mul(READS_MAX).saturating_add(READS_BASE);
        self
    }

    /// Reads one level of a value.
    pub fn read<'a>(&mut self, raw: &'a RawValue) -> Result<Raw<'a>> {
        let left = self.reads_left.checked_sub(raw.get().len());
        self.reads_left = left.ok_or_else(|| {
            let message = "the arguments are nested too deeply for their size";
            Fault::new(Class::InvalidArguments, message)
        })?;
        super::encode::read(raw)
    }

    /// The same bound, and no text yet.
    pub fn empty_like(&self) -> Self {
        Bounded::new(self.bytes_max, self.what)
    }

    pub fn push_str(&mut self, text: &str) -> Result<()> {
        if text.len() > self.bytes_max - self.text.len() {
            return Err(self.full());
        }
        self.grow(text.len());
        self.text.push_str(text);
        Ok(())
    }

    /// Percent-encodes what is in the set.
    pub fn encode(&mut self, text: &str, set: &'static AsciiSet) -> Result<()> {
        self.grow(text.len().min(self.bytes_max - self.text.len()));
        utf8_percent_encode(text, set).try_for_each(|piece| self.push_str(piece))
    }

    /// Makes room for more, by an eighth or so at a time: doubling would hold
    /// three times a large body for a moment.
    fn grow(&mut self, more: usize) {
        let wanted = self.text.len() + more;
        if wanted > self.text.capacity() {
            let spare = (wanted / 8).max(64).min(self.bytes_max.saturating_sub(wanted));
            self.text.reserve_exact(more + spare);
        }
    }

    /// Goes back to a length it had.
    pub fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn len(&self) -> usize {
        self.text.len()
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn into_string(self) -> String {
        self.text
    }

    pub fn full(&self) -> Fault {
        too_long(self.what, self.bytes_max)
    }
}

pub fn too_long(what: &str, bytes_max: usize) -> Fault {
    let limit = show_bytes(bytes_max);
    Fault::new(Class::InvalidArguments, format!("the arguments make {what} longer than {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::encode::UNRESERVED;

    #[test]
    fn what_is_read_is_bounded_at_it_and_one_past_it() {
        let value: &RawValue = serde_json::from_str("[1,2]").unwrap();
        let mut text = Bounded::new(10, "a body").of(5);
        for _ in 0..(READS_BASE + 5 * READS_MAX) / 5 {
            assert!(text.read(value).is_ok());
        }
        assert!(text.read(value).unwrap_err().message.contains("nested too deeply"));
    }

    #[test]
    fn the_bound_at_it_and_one_past_it() {
        let mut text = Bounded::new(10, "a URL");
        text.push_str("1234").unwrap();
        text.encode("a b", UNRESERVED).unwrap();
        assert_eq!(text.as_str(), "1234a%20b");
        text.push_str("x").unwrap();
        assert!(text.push_str("").is_ok());
        let fault = text.push_str("y").unwrap_err();
        assert!(fault.message.contains("a URL longer than 10"), "{}", fault.message);
        text.truncate(4);
        assert!(text.encode("   ", UNRESERVED).is_err(), "nine bytes for three");
        assert!(text.len() <= 10 && text.text.capacity() <= 10 + 64);
    }
}
