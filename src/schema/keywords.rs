//! Single keywords of OpenAPI's dialects in words of 2020-12.

use serde_json::{Map, Value, json};
use std::collections::HashSet;

type Object = Map<String, Value>;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

pub fn renamed<'k>(key: &'k str, schema: &Object) -> &'k str {
    match key {
        "items" if schema.get("items").is_some_and(Value::is_array) => "prefixItems",
        key => key,
    }
}

pub fn says_nullable(schema: &Object) -> bool {
    ["nullable", "x-nullable"].iter().any(|k| schema.get(*k) == Some(&Value::Bool(true)))
}

/// `nullable: true` in words of 2020-12. Generators leave it in 3.1 too.
pub fn allow_null(mut schema: Object) -> Object {
    match schema.get_mut("type") {
        Some(Value::String(t)) if t != "null" => {
            let t = std::mem::take(t);
            schema.insert("type".to_owned(), json!([t, "null"]));
        }
        Some(Value::Array(types)) => {
            if !types.iter().any(|t| t == "null") {
                types.push(json!("null"));
            }
        }
        Some(_) => {}
        None => {
            let composed = ["allOf", "oneOf", "anyOf", "enum", "const", "not"];
            if composed.iter().any(|k| schema.contains_key(*k)) {
                return null_beside(schema);
            }
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    schema
}

fn null_beside(mut schema: Object) -> Object {
    let mut outer = Object::new();
    for key in ["title", "description", "default", "deprecated"] {
        if let Some(value) = schema.shift_remove(key) {
            outer.insert(key.to_owned(), value);
        }
    }
    outer.insert("anyOf".to_owned(), json!([schema, {"type": "null"}]));
    outer
}

pub fn types(value: &Value) -> Option<Value> {
    match value {
        Value::String(t) if t == "file" => Some(json!("string")),
        Value::String(t) => TYPES.contains(&t.as_str()).then(|| value.clone()),
        Value::Array(types) => {
            let mut known: Vec<&str> = Vec::new();
            for t in types.iter().filter_map(Value::as_str) {
                if TYPES.contains(&t) && !known.contains(&t) {
                    known.push(t);
                }
            }
            (!known.is_empty()).then(|| json!(known))
        }
        _ => None,
    }
}

/// 3.0 says `exclusiveMinimum: true` beside `minimum`; 2020-12 gives the number.
pub fn exclusive(schema: &Object, key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::Bool(true) => {
            let bound = if key == "exclusiveMinimum" { "minimum" } else { "maximum" };
            schema.get(bound).filter(|b| b.is_number()).cloned()
        }
        _ => None,
    }
}

pub fn required(value: &Value, hidden: &HashSet<&str>) -> Option<Value> {
    let mut names: Vec<&str> = Vec::new();
    for name in value.as_array()?.iter().filter_map(Value::as_str) {
        if !hidden.contains(name) && !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| json!(names))
}

/// Takes out the keywords that would refuse more once something within them was
/// left out: the schema may become wider by it, never narrower.
pub fn without_what_turns(schema: &mut Object) {
    for key in ["not", "if", "then", "else", "unevaluatedProperties", "unevaluatedItems"] {
        schema.shift_remove(key);
    }
    if let Some(branches) = schema.shift_remove("oneOf") {
        let branches = json!({ "anyOf": branches });
        match schema.get_mut("allOf").and_then(Value::as_array_mut) {
            Some(all) => all.push(branches),
            None => drop(schema.insert("allOf".to_owned(), json!([branches]))),
        }
    }
}

pub fn enumeration(value: &Value) -> Option<Value> {
    let mut seen = HashSet::new();
    let values: Vec<&Value> =
        value.as_array()?.iter().filter(|v| seen.insert(v.to_string())).collect();
    (!values.is_empty()).then(|| json!(values))
}

/// A branch of a discriminated union says which tag it stands for, since
/// 2020-12 has no `discriminator`.
pub fn tagged(converted: Value, branch: &Value, discriminator: &Object) -> Value {
    let Some(property) = discriminator.get("propertyName").and_then(Value::as_str) else {
        return converted;
    };
    let Some(reference) = branch.get("$ref").and_then(Value::as_str) else { return converted };
    let name = reference.rsplit('/').next().unwrap_or(reference);
    let tags: Vec<&str> = match discriminator.get("mapping").and_then(Value::as_object) {
        Some(mapping) => mapping
            .iter()
            .filter(|(_, target)| *target == reference || *target == name)
            .map(|(tag, _)| tag.as_str())
            .collect(),
        None => vec![name],
    };
    // A branch that the mapping does not name goes by its own.
    let tags = if tags.is_empty() { vec![name] } else { tags };
    let constraint = match tags[..] {
        [tag] => json!({"const": tag}),
        _ => json!({"enum": tags}),
    };
    json!({"allOf": [converted], "properties": {property: constraint}, "required": [property]})
}
