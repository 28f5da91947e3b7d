//! A JSON reader for input from strangers: bounded, and without a second
//! meaning. Duplicate keys, lone surrogates and numbers out of range are
//! refused, so that the raw text and the parsed tree say the same.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// What one value may hold. The defaults are SECURITY-tested: deep enough for
/// every schema in use, small enough that a tree stays near its text in size.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of nesting.
    pub depth_max: usize,
    /// Values of any kind, members and elements included.
    pub nodes_max: usize,
    /// Bytes of one key.
    pub key_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth_max: 64, nodes_max: 100_000, key_bytes_max: 1024 }
    }
}

/// Parses `text`, or says which limit or rule it breaks.
pub fn parse(text: &str, limits: &Limits) -> serde_json::Result<Value> {
    let nodes = Cell::new(0);
    let mut d = serde_json::Deserializer::from_str(text);
    let value = Seed { limits, nodes: &nodes, depth: 0 }.deserialize(&mut d)?;
    d.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Seed<'l> {
    limits: &'l Limits,
    nodes: &'l Cell<usize>,
    depth: usize,
}

impl<'l> Seed<'l> {
    fn deeper<E: Error>(self) -> Result<Seed<'l>, E> {
        if self.depth >= self.limits.depth_max {
            return Err(E::custom(format_args!(
                "nested deeper than {} levels",
                self.limits.depth_max
            )));
        }
        Ok(Seed { depth: self.depth + 1, ..self })
    }

    fn count<E: Error>(&self) -> Result<(), E> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > self.limits.nodes_max {
            return Err(E::custom(format_args!("more than {} values", self.limits.nodes_max)));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        self.count()?;
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Number(n.into()))
    }
    fn visit_f64<E: Error>(self, n: f64) -> Result<Value, E> {
        Number::from_f64(n).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }
    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.to_owned()))
    }
    fn visit_string<E>(self, s: String) -> Result<Value, E> {
        Ok(Value::String(s))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if key.len() > self.limits.key_bytes_max {
                return Err(A::Error::custom(format_args!(
                    "a key longer than {} bytes",
                    self.limits.key_bytes_max
                )));
            }
            match members.entry(key) {
                Entry::Vacant(free) => drop(free.insert(map.next_value_seed(inner)?)),
                Entry::Occupied(taken) => {
                    let key = taken.key();
                    return Err(A::Error::custom(format_args!("the key {key:?} stands twice")));
                }
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_and_what_is_not() {
        for (text, ok) in [
            (r#"{"a":[1,-2,3.5,"x",null,true]}"#, true),
            (r#"{"a":1,"a":2}"#, false),
            (r#"{"a":{"b":1,"b":1}}"#, false),
            (r#"["\ud800"]"#, false),
            (r#"["\ud83c\udf89"]"#, true),
            ("[1e400]", false),
            ("[NaN]", false),
            ("[01]", false),
            ("[1,]", false),
            ("{} {}", false),
            ("[\"\t\"]", false),
        ] {
            assert_eq!(parse(text, &Limits::default()).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn every_limit_at_it_and_one_past_it() {
        let limits = Limits { depth_max: 3, nodes_max: 5, key_bytes_max: 4 };
        for (text, ok) in [
            ("[[[]]]", true),
            ("[[[[]]]]", false),
            ("[1,2,3,4]", true),
            ("[1,2,3,4,5]", false),
            (r#"{"abcd":1}"#, true),
            (r#"{"abcde":1}"#, false),
        ] {
            assert_eq!(parse(text, &limits).is_ok(), ok, "{text}");
        }
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(&deep(64), &Limits::default()).is_ok());
        assert!(parse(&deep(65), &Limits::default()).is_err());
        assert!(parse(&deep(10_000), &Limits::default()).is_err());
    }
}
