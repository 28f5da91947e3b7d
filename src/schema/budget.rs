//! A schema within a budget of bytes, for the eyes of a model: a few real
//! documents have input schemas of hundreds of kilobytes, which no model reads
//! and every model pays for. The full schema stays the validator.

use serde_json::{Map, Value, json};

/// Levels of nesting that remain in the last steps, one after the other.
const DEPTHS: [usize; 6] = [8, 6, 4, 3, 2, 1];

/// Levels of shortening, from none: without examples, then without nested
/// descriptions, then bearing parts that are left open, then with deep parts left
/// open.
pub const LEVELS: u8 = 4 + DEPTHS.len() as u8;

/// A schema without its definitions, as it is at a level.
pub fn root_at(root: &Value, level: u8) -> Value {
    let mut short = root.clone();
    at_level(&mut short, level, 0);
    if let Some(depth) = depth_of(level) {
        let Some(object) = short.as_object_mut() else { return short };
        for (key, value) in object.iter_mut() {
            below(key, value, depth);
        }
    }
    short
}

/// A definition as it is at a level. It stands two levels below the root.
pub fn definition_at(definition: &Value, level: u8) -> Value {
    let mut short = definition.clone();
    at_level(&mut short, level, 2);
    if let Some(depth) = depth_of(level) {
        open(&mut short, depth.saturating_sub(1));
    }
    short
}

fn at_level(schema: &mut Value, level: u8, depth: usize) {
    if level >= 1 {
        drop_keys(schema, &["examples"], 0, depth);
    }
    if level >= 2 {
        // The root's properties keep theirs: they are what is filled in.
        drop_keys(schema, &["description", "title"], 3, depth);
    }
    if level >= 3 {
        loosen(schema);
    }
}

fn depth_of(level: u8) -> Option<usize> {
    DEPTHS.get(usize::from(level.checked_sub(4)?)).copied()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::closure::Closures;

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

    /// The first form of a schema and its definitions that fits.
    fn shorten(full: &Value, max: usize) -> (u8, Value) {
        let mut root = full.clone();
        let defs = root.as_object_mut().unwrap().shift_remove("$defs").unwrap();
        let mut closures = Closures::default();
        let fitting = (0..LEVELS).find_map(|level| {
            let define = &mut |name: &str| defs.get(name).map(|d| definition_at(d, level));
            let closed = closures.close(&root_at(&root, level), level, max, define)?;
            Some((level, serde_json::from_slice(&closed.to_vec()).unwrap()))
        });
        fitting.unwrap()
    }

    #[test]
    fn steps_are_taken_until_it_fits() {
        let full = large();
        let size = full.to_string().len();
        assert_eq!(shorten(&full, size), (0, full.clone()));
        for max in [size / 2, 9000, 3000, 300] {
            let (level, short) = shorten(&full, max);
            let text = short.to_string();
            assert!(level > 0 && text.len() <= max + 1000, "{} of {max}", text.len());
            assert_eq!(short["properties"]["a"]["description"], "first");
            assert!(!text.contains("examples"));
            assert!(crate::schema::validators::compiles(&short).is_ok(), "{text}");
        }
        let (_, middle) = shorten(&full, 9000);
        assert_eq!(middle["$defs"]["d0"]["properties"]["description"], json!({"type": "string"}));
    }
}
