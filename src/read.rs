//! Bytes of a file -> a JSON value, from JSON or YAML, within bounds.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use std::fmt;

/// The largest document, in bytes. The largest real one known has 13 MB.
pub const DOCUMENT_BYTES_MAX: usize = 32 << 20;

/// The deepest nesting of a document. Real ones stay under 60.
const DEPTH_MAX: usize = 256;

/// Values in one document; the largest real one has 0.4 million.
const NODES_MAX: usize = 2_000_000;

/// Why a document cannot be read, with where when that is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub message: String,
    pub line: u64,
    pub column: u64,
}

impl Unreadable {
    fn new(message: impl Into<String>) -> Self {
        Unreadable { message: message.into(), line: 0, column: 0 }
    }
}

/// Reads a document. JSON is tried when it looks like JSON, so that its errors
/// speak of JSON.
pub fn read(bytes: Vec<u8>) -> Result<Value, Unreadable> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Unreadable::new(format!(
            "the document is too long; the limit is {} MiB",
            DOCUMENT_BYTES_MAX >> 20
        )));
    }
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        None => Err(Unreadable::new("the document is empty")),
        Some(b'{') => json(body).or_else(|e| yaml_flow(body, e)),
        Some(_) => yaml(body),
    }
}

/// A document in JSON, by simd-json: documents are the large inputs here.
fn json(body: &[u8]) -> Result<Value, Unreadable> {
    if let Some((at, message)) = past_a_limit(body) {
        return Err(Unreadable { message, ..position(body, at) });
    }
    let mut scratch = body.to_vec();
    match simd_json::serde::from_slice::<Value>(&mut scratch) {
        Ok(value) => Ok(value),
        // serde_json tells where; simd-json is quicker and does not.
        Err(fast) => serde_json::from_slice::<Value>(body).map_err(|e| Unreadable {
            message: format!("not valid JSON: {}", first_words(&e.to_string(), &fast.to_string())),
            line: e.line() as u64,
            column: e.column() as u64,
        }),
    }
}

fn first_words(slow: &str, fast: &str) -> String {
    let plain = slow.split(" at line ").next().unwrap_or(slow);
    if plain.is_empty() { fast.to_owned() } else { plain.to_owned() }
}

/// YAML may start with `{` too; it is only worth a try when JSON failed early
/// for a reason YAML forgives.
fn yaml_flow(body: &[u8], error: Unreadable) -> Result<Value, Unreadable> {
    if body.len() > 1 << 20 || error.message.starts_with("nested") {
        return Err(error);
    }
    yaml(body).map_err(|_| error)
}

/// Where nesting or the number of values passes its limit, if one does. The parsers
/// recurse and make trees, so both are looked at before they run.
fn past_a_limit(body: &[u8]) -> Option<(usize, String)> {
    let (mut depth, mut values) = (0usize, 1usize);
    let (mut in_string, mut escaped, mut opened) = (false, false, false);
    for (at, b) in body.iter().enumerate() {
        if in_string {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        // What opens has one more value than commas, unless it closes at once.
        let just_opened = std::mem::take(&mut opened);
        match b {
            b' ' | b'\n' | b'\r' | b'\t' => opened = just_opened,
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                values += 1;
                opened = true;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                values -= usize::from(just_opened);
            }
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some((at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        // What was opened last may have none.
        if values - usize::from(opened) > NODES_MAX {
            return Some((at, format!("more than {NODES_MAX} values")));
        }
    }
    None
}

fn position(body: &[u8], at: usize) -> Unreadable {
    let before = &body[..at];
    let line = before.iter().filter(|b| **b == b'\n').count() as u64 + 1;
    let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1);
    Unreadable { message: String::new(), line, column: (at - start) as u64 + 1 }
}

fn yaml(body: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(body)
        .map_err(|e| Unreadable::new(format!("the document is not UTF-8: {e}")))?;
    match serde_saphyr::from_str_with_options::<Loose>(text, options()) {
        Ok(Loose(value)) => Ok(value),
        Err(e) => {
            let (line, column) = e.location().map_or((0, 0), |l| (l.line(), l.column()));
            let message = e.without_snippet().to_string();
            Err(Unreadable { message: format!("not valid YAML: {message}"), line, column })
        }
    }
}

/// YAML 1.2 core rules (`y`, `no` and `off` are strings), bounds that stop
/// nested-array and alias bombs, and none of the crate's other guesses.
pub fn options() -> serde_saphyr::Options {
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH_MAX,
        max_nodes: NODES_MAX,
        max_events: 4 * NODES_MAX,
        max_total_scalar_bytes: 256 << 20,
        enforce_alias_anchor_ratio: false,
    };
    serde_saphyr::options! {
        budget: budget,
        strict_booleans: true,
        emit_comments: false,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    }
}

/// A value as documents mean it: keys of any scalar kind are text (`200:`,
/// `y:`), integers past 64 bits are floats.
struct Loose(Value);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(LooseVisitor).map(Loose)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }
    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }
    fn visit_u128<E>(self, n: u128) -> Result<Value, E> {
        Ok(float(n as f64))
    }
    fn visit_i128<E>(self, n: i128) -> Result<Value, E> {
        Ok(float(n as f64))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Value, E> {
        Ok(float(n))
    }
    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.to_owned()))
    }
    fn visit_string<E>(self, s: String) -> Result<Value, E> {
        Ok(Value::String(s))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Loose(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(Loose(key)) = map.next_key()? {
            let Loose(value) = map.next_value()?;
            members.insert(key_text(key), value);
        }
        Ok(Value::Object(members))
    }
}

fn float(n: f64) -> Value {
    Number::from_f64(n).map_or(Value::Null, Value::Number)
}

fn key_text(key: Value) -> String {
    match key {
        Value::String(s) => s,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_and_yaml() {
        for (text, want) in [
            (r#"{"a": 1}"#, json!({"a": 1})),
            ("\u{feff}{\"a\": 1}", json!({"a": 1})),
            ("a: 1\n", json!({"a": 1})),
            ("{a: 1}", json!({"a": 1})),
            ("y: no\nn: off\n", json!({"y": "no", "n": "off"})),
            ("200:\n  a: true\n", json!({"200": {"a": true}})),
            ("true: 1\nnull: 2\n", json!({"true": 1, "null": 2})),
            ("a: -9223372036854776000\n", json!({"a": -9.223372036854776e18})),
            ("a: &x {b: 1}\nc: *x\n", json!({"a": {"b": 1}, "c": {"b": 1}})),
        ] {
            assert_eq!(read(text.as_bytes().to_vec()).as_ref(), Ok(&want), "{text}");
        }
    }

    #[test]
    fn what_is_refused_says_why_and_where() {
        let bomb = format!(
            "a0: &a0 [x,x]\n{}",
            (1..40).map(|i| format!("a{i}: &a{i} [*a{p}, *a{p}]\n", p = i - 1)).collect::<String>()
        );
        for (text, why, line) in [
            ("", "empty", 0),
            ("{\"a\": 1,\n\"b\" 2}", "not valid JSON", 2),
            ("a: 1\na: 2\n", "not valid YAML", 2),
            ("a:\n\t- b\n", "not valid YAML", 2),
            (&("[".repeat(100_000)), "not valid YAML", 1),
            (&format!("{{\"a\":{}", "[".repeat(100_000)), "nested deeper", 1),
            (&bomb, "not valid YAML", 0),
        ] {
            let e = read(text.as_bytes().to_vec()).unwrap_err();
            assert!(e.message.contains(why), "{}: {e:?}", &text[..text.len().min(30)]);
            assert!(line == 0 || e.line == line, "{e:?}");
        }
    }

    #[test]
    fn values_are_counted_at_the_limit_and_one_past_it() {
        // The object, its list, and what is in it.
        let with = |n: usize| format!("{{\"a\":[0{}]}}", ",0".repeat(n - 3)).into_bytes();
        assert!(past_a_limit(&with(NODES_MAX)).is_none());
        let e = read(with(NODES_MAX + 1)).unwrap_err();
        assert!(e.message.contains("values"), "{e:?}");
    }

    #[test]
    fn the_size_limit_at_it_and_one_past_it() {
        let sized = |n: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(n - 8)).into_bytes();
        assert!(read(sized(DOCUMENT_BYTES_MAX)).is_ok());
        let e = read(sized(DOCUMENT_BYTES_MAX + 1)).unwrap_err();
        assert!(e.message.contains("limit"), "{e:?}");
    }
}
