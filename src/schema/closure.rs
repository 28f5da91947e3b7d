//! A schema as text, closed: with the definitions that it reaches. Many operations
//! of a document reach the same ones, whose text is made once and kept once.

use bytes::Bytes;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Definitions that one schema reaches. Each schema of a document is walked by itself,
/// and a chain of references may be as long as the document.
pub const DEFINITIONS_MAX: usize = 2000;

/// The text of a closed schema in two parts that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its own part, up to its definitions.
    pub head: Bytes,
    /// The definitions and the end, shared with all that reach the same ones.
    pub tail: Bytes,
}

impl Closed {
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn to_vec(&self) -> Vec<u8> {
        [&*self.head, &*self.tail].concat()
    }
}

impl From<String> for Closed {
    fn from(text: String) -> Self {
        Closed { head: text.into(), tail: Bytes::new() }
    }
}

/// The definitions of one document, in the forms that are asked for.
#[derive(Default)]
pub struct Closures {
    formed: HashMap<(u8, String), Formed>,
    tails: HashMap<(u8, Vec<String>), Bytes>,
}

/// A definition in one form.
struct Formed {
    text: String,
    references: Vec<String>,
}

impl Closures {
    /// Closes a schema whose references are all to `#/$defs/`; `None` where it is
    /// longer than so many bytes, or reaches too many definitions. `define` gives a definition in this form by its
    /// name, and is asked once for each.
    pub fn close(
        &mut self,
        root: &Value,
        form: u8,
        bytes_max: usize,
        define: &mut dyn FnMut(&str) -> Option<Value>,
    ) -> Option<Closed> {
        let mut head = root.to_string();
        let mut size = head.len();
        let mut waiting = references(root);
        let mut reached = BTreeSet::new();
        while let Some(name) = waiting.pop() {
            if reached.contains(&name) {
                continue;
            }
            let key = (form, name);
            if !self.formed.contains_key(&key) {
                let Some(schema) = define(&key.1) else { continue };
                let formed = Formed { text: schema.to_string(), references: references(&schema) };
                self.formed.insert(key.clone(), formed);
            }
            let Some(formed) = self.formed.get(&key) else { continue };
            size += key.1.len() + formed.text.len();
            if size > bytes_max || reached.len() >= DEFINITIONS_MAX {
                return None;
            }
            waiting.extend(formed.references.iter().cloned());
            reached.insert(key.1);
        }
        if size > bytes_max {
            return None;
        }
        if reached.is_empty() {
            return Some(head.into());
        }
        let key = (form, reached.into_iter().collect());
        let tail = match self.tails.get(&key) {
            Some(tail) => tail.clone(),
            None => {
                let tail = self.tail(form, &key.1);
                self.tails.insert(key, tail.clone());
                tail
            }
        };
        // Its closing brace, which the tail has.
        head.pop();
        Some(Closed { head: head.into(), tail })
    }

    fn tail(&self, form: u8, names: &[String]) -> Bytes {
        let mut tail = String::from(",\"$defs\":{");
        for name in names {
            if let Some(formed) = self.formed.get(&(form, name.clone())) {
                // Names of definitions need no escapes.
                tail.push_str(&format!("\"{name}\":{},", formed.text));
            }
        }
        tail.pop();
        tail.push_str("}}");
        tail.into()
    }
}

/// The names of the definitions that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    fn walk(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                let target = object.get("$ref").and_then(Value::as_str);
                out.extend(target.and_then(|t| t.strip_prefix("#/$defs/")).map(str::to_owned));
                object.values().for_each(|v| walk(v, out));
            }
            Value::Array(items) => items.iter().for_each(|v| walk(v, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(schema, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn definitions_are_formed_once_and_shared() {
        let mut asked = Vec::new();
        let mut define = |name: &str| {
            asked.push(name.to_owned());
            match name {
                "A" => Some(json!({"items": {"$ref": "#/$defs/B"}})),
                "B" => Some(json!({"items": {"$ref": "#/$defs/A"}, "type": "array"})),
                _ => None,
            }
        };
        let mut closures = Closures::default();
        let root = |n: u8| json!({"minItems": n, "not": {"$ref": "#/$defs/A"}});
        let first = closures.close(&root(1), 0, 1000, &mut define).unwrap();
        let second = closures.close(&root(2), 0, 1000, &mut define).unwrap();
        let text = r##"{"minItems":1,"not":{"$ref":"#/$defs/A"},"$defs":{"A":{"items":{"$ref":"#/$defs/B"}},"B":{"items":{"$ref":"#/$defs/A"},"type":"array"}}}"##;
        assert_eq!(String::from_utf8(first.to_vec()).unwrap(), text);
        assert_eq!(first.tail.as_ptr(), second.tail.as_ptr());
        let plain = closures.close(&json!({"$ref": "#/$defs/none"}), 0, 1000, &mut define).unwrap();
        assert!(plain.tail.is_empty());
        let size = first.len() - r#","$defs":{"":,"":}"#.len();
        assert!(closures.close(&root(1), 0, size, &mut define).is_some());
        assert!(closures.close(&root(1), 0, size - 1, &mut define).is_none());
        assert_eq!(asked, ["A", "B", "none"]);
    }
}
