//! A schema within a budget of bytes, for the eyes of a model: a few real
//! documents have input schemas of hundreds of kilobytes, which no model reads
//! and every model pays for. The full schema stays the validator.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Levels of nesting that remain in the last steps, one after the other.
const DEPTHS: [usize; 6] = [8, 6, 4, 3, 2, 1];

/// A shorter form of a schema that is over the budget: without examples, then
/// without nested descriptions, then with deep parts left open. `None` when it
/// is within the budget as it is.
pub fn shorten(schema: &Value, bytes_max: usize) -> Option<Value> {
    let length = |v: &Value| v.to_string().len();
    if length(schema) <= bytes_max {
        return None;
    }
    let mut short = schema.clone();
    drop_keys(&mut short, &["examples"], 0, 0);
    if length(&short) > bytes_max {
        // The root's properties keep theirs: they are what is filled in.
        drop_keys(&mut short, &["description", "title"], 3, 0);
    }
    if length(&short) > bytes_max {
        loosen(&mut short);
    }
    for depth in DEPTHS {
        if length(&short) <= bytes_max {
            break;
        }
        open_below(&mut short, depth);
        drop_unreached(&mut short);
    }
    Some(short)
}

/// Removes annotations from all levels of values deeper than `keep`. A member
/// of `properties` may have the name of an annotation; it stays.
fn drop_keys(value: &mut Value, keys: &[&str], keep: usize, depth: usize) {
    match value {
        Value::Object(object) => {
            if depth >= keep {
                for key in keys {
                    if object.get(*key).is_some_and(|v| !v.is_object()) {
                        object.shift_remove(*key);
                    }
                }
            }
            for (key, value) in object {
                if !matches!(key.as_str(), "enum" | "const" | "default" | "required") {
                    drop_keys(value, keys, keep, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|v| drop_keys(v, keys, keep, depth + 1));
        }
        _ => {}
    }
}

/// Makes a schema bear parts that are left open: branches that become alike must
/// not exclude each other, and what is not looked at is not refused.
fn loosen(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["unevaluatedProperties", "unevaluatedItems"] {
                object.shift_remove(key);
            }
            if object.get("oneOf").is_some_and(Value::is_array)
                && let Some(branches) = object.shift_remove("oneOf")
            {
                object.entry("anyOf").or_insert(branches);
            }
            object.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        _ => {}
    }
}

/// Leaves open what is nested deeper than `depth` schemas.
fn open_below(root: &mut Value, depth: usize) {
    let Some(object) = root.as_object_mut() else { return };
    if let Some(Value::Object(defs)) = object.get_mut("$defs") {
        defs.values_mut().for_each(|d| open(d, depth.saturating_sub(1)));
    }
    for (key, value) in object.iter_mut().filter(|(k, _)| *k != "$defs") {
        below(key, value, depth);
    }
}

fn open(schema: &mut Value, depth: usize) {
    let Some(object) = schema.as_object_mut() else { return };
    if depth > 0 {
        for (key, value) in object.iter_mut() {
            below(key, value, depth - 1);
        }
        return;
    }
    let kept: Map<String, Value> = ["type", "description"]
        .iter()
        .filter_map(|k| Some(((*k).to_owned(), object.get(*k)?.clone())))
        .collect();
    *schema = Value::Object(kept);
}

/// Goes into the schemas that a keyword holds.
fn below(key: &str, value: &mut Value, depth: usize) {
    match (key, value) {
        ("properties" | "patternProperties" | "dependentSchemas", Value::Object(members)) => {
            members.values_mut().for_each(|v| open(v, depth));
        }
        ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(items)) => {
            items.iter_mut().for_each(|v| open(v, depth));
        }
        ("items" | "additionalProperties" | "contains" | "propertyNames", value) => {
            open(value, depth);
        }
        // Without the rest these would say something else.
        ("not" | "if" | "then" | "else", value) => *value = json!({}),
        _ => {}
    }
}

fn drop_unreached(root: &mut Value) {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&Value> = root
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(k, _)| *k != "$defs")
        .map(|(_, v)| v)
        .collect();
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(object) => {
                if let Some(name) = object
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|r| r.strip_prefix("#/$defs/"))
                    && reached.insert(name.to_owned())
                    && let Some(definition) = root.get("$defs").and_then(|d| d.get(name))
                {
                    waiting.push(definition);
                }
                waiting.extend(object.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    let Some(object) = root.as_object_mut() else { return };
    if let Some(Value::Object(defs)) = object.get_mut("$defs") {
        defs.retain(|name, _| reached.contains(name));
        if defs.is_empty() {
            object.shift_remove("$defs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large() -> Value {
        let mut defs = Map::new();
        for i in 0..50 {
            let next = format!("#/$defs/d{}", i + 1);
            defs.insert(
                format!("d{i}"),
                json!({"type": "object", "description": "words ".repeat(20), "examples": ["e".repeat(50)],
                    "properties": {"description": {"type": "string"}, "next": {"type": "object", "properties": {"deep": {"$ref": next}}}}}),
            );
        }
        defs.insert("d50".to_owned(), json!({"type": "string"}));
        json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0", "description": "first"}}, "required": ["a"], "$defs": defs})
    }

    #[test]
    fn steps_are_taken_until_it_fits() {
        let full = large();
        let size = full.to_string().len();
        assert_eq!(shorten(&full, size), None);
        for max in [size - 1, 9000, 3000, 300] {
            let short = shorten(&full, max).unwrap();
            let text = short.to_string();
            assert!(text.len() <= max, "{} of {max}", text.len());
            assert_eq!(short["properties"]["a"]["description"], "first");
            assert!(!text.contains("examples"));
            assert!(crate::schema::validators::compiles(&short).is_ok(), "{text}");
        }
        let middle = shorten(&full, 9000).unwrap();
        assert_eq!(middle["$defs"]["d0"]["properties"]["description"], json!({"type": "string"}));
    }
}
