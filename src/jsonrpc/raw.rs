//! A JSON value read one level at a time, its scalars as they were written.
//!
//! Requests to an API are built from this rather than from a parsed tree, so
//! that `9007199254740993` and `1.10` arrive there unchanged.

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// One level of a value. Only made from text that was checked as an
/// [`Instance`](crate::schema::instance::Instance) within strict limits.
#[derive(Debug)]
pub enum Raw<'a> {
    Null,
    Bool(bool),
    /// The digits as written.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<&'a RawValue>),
    Object(Entries<'a>),
}

/// The members of an object in their order.
pub type Entries<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

impl<'a> Raw<'a> {
    pub fn read(raw: &'a RawValue) -> serde_json::Result<Raw<'a>> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Raw::Null,
            Some(b't') => Raw::Bool(true),
            Some(b'f') => Raw::Bool(false),
            Some(b'"') => Raw::String(string(text)?),
            Some(b'[') => Raw::Array(elements(text)?),
            Some(b'{') => Raw::Object(entries(text)?),
            _ => Raw::Number(text),
        })
    }

    /// The text of a scalar; `None` for null, arrays and objects.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Raw::Bool(true) => Some("true"),
            Raw::Bool(false) => Some("false"),
            Raw::Number(n) => Some(n),
            Raw::String(s) => Some(s),
            Raw::Null | Raw::Array(_) | Raw::Object(_) => None,
        }
    }
}

/// Text that is borrowed when it has no escapes. A `Cow` within an `Option` or
/// as a key never is.
#[derive(Debug, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A string literal, borrowed when it has no escapes.
pub fn string(text: &str) -> serde_json::Result<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(text).map(|b| b.0)
}

/// The elements of an array literal. Their list is allocated once: grown by
/// doubling, it would take three times as much for a moment.
fn elements(text: &str) -> serde_json::Result<Vec<&RawValue>> {
    struct Elements(usize);
    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de RawValue>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::with_capacity(self.0);
            while let Some(element) = seq.next_element()? {
                out.push(element);
            }
            Ok(out)
        }
    }
    let mut d = serde_json::Deserializer::from_str(text);
    let all = serde::Deserializer::deserialize_seq(&mut d, Elements(count(text)))?;
    d.end()?;
    Ok(all)
}

/// How many elements an array literal has, or one more.
fn count(text: &str) -> usize {
    let (mut depth, mut commas, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => commas += 1,
            _ => {}
        }
    }
    commas + 1
}

/// The members of an object literal.
pub fn entries(text: &str) -> serde_json::Result<Entries<'_>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Entries<'de>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut out = Vec::with_capacity(4);
            while let Some((Text(k), v)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                out.push((k, v));
            }
            Ok(out)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(serde::de::Error::custom("expected an object, found an array"))
        }
    }
    let mut d = serde_json::Deserializer::from_str(text);
    let members = serde::Deserializer::deserialize_map(&mut d, Members)?;
    d.end()?;
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_stay_as_written() {
        for (text, want) in [
            ("9007199254740993", Some("9007199254740993")),
            ("1.10", Some("1.10")),
            ("true", Some("true")),
            ("\"a\\u00e9\"", Some("aé")),
            ("null", None),
            ("[1]", None),
        ] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            assert_eq!(Raw::read(raw).unwrap().scalar(), want, "{text}");
        }
    }

    #[test]
    fn elements_are_counted() {
        for (text, want) in [("[]", 1), ("[1]", 1), (r#"[1,"a,]\",",[2,3],{"a":1,"b":2}]"#, 4)] {
            assert_eq!(count(text), want, "{text}");
            assert!(elements(text).unwrap().len() <= want);
        }
    }

    #[test]
    fn members_keep_their_order() {
        let got = entries(r#"{"b":1,"a":[2, 3]}"#).unwrap();
        let got: Vec<_> = got.iter().map(|(k, v)| (k.as_ref(), v.get())).collect();
        assert_eq!(got, [("b", "1"), ("a", "[2, 3]")]);
    }
}
