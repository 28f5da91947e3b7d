//! An output schema that good answers fit even when the document lies a little.
//!
//! Upstreams leave out required members, add enum values and send null; strict
//! clients then throw a good answer away. The tolerant form keeps the structure
//! (what members there are and of which type) and drops what only constrains.

use serde_json::{Map, Value, json};

/// Keywords that only narrow.
const CONSTRAINTS: [&str; 32] = [
    "required",
    "enum",
    "const",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "propertyNames",
    "patternProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contentEncoding",
];

/// The tolerant form of a converted schema.
pub fn tolerate(schema: &Value) -> Value {
    let Value::Object(object) = schema else {
        return json!({});
    };
    let mut out = Map::new();
    for (key, value) in object {
        if CONSTRAINTS.contains(&key.as_str()) {
            continue;
        }
        match (key.as_str(), value) {
            ("additionalProperties", Value::Bool(_)) => {}
            ("type", _) => {
                out.insert(key.clone(), with_null(value));
            }
            ("items" | "additionalProperties" | "contentSchema", _) => {
                out.insert(key.clone(), tolerate(value));
            }
            ("properties" | "$defs" | "definitions", Value::Object(members)) => {
                let members = members.iter().map(|(k, v)| (k.clone(), tolerate(v))).collect();
                out.insert(key.clone(), Value::Object(members));
            }
            // Branches that lost their constraints overlap, so "exactly one"
            // would refuse what fits two.
            ("oneOf" | "anyOf", Value::Array(items)) => {
                add_any_of(&mut out, items.iter().map(tolerate).collect());
            }
            ("allOf", Value::Array(items)) => add_all_of(&mut out, items.iter().map(tolerate)),
            ("prefixItems", Value::Array(items)) => {
                out.insert(key.clone(), items.iter().map(tolerate).collect());
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

fn add_any_of(out: &mut Map<String, Value>, branches: Vec<Value>) {
    if out.contains_key("anyOf") {
        add_all_of(out, [json!({ "anyOf": branches })]);
    } else {
        out.insert("anyOf".to_owned(), Value::Array(branches));
    }
}

fn add_all_of(out: &mut Map<String, Value>, parts: impl IntoIterator<Item = Value>) {
    if let Value::Array(all) = out.entry("allOf").or_insert_with(|| json!([])) {
        all.extend(parts);
    }
}

fn with_null(value: &Value) -> Value {
    match value {
        Value::String(t) if t == "null" => value.clone(),
        // An integer member that arrives as 1.5 is a lie told every day.
        Value::String(t) if t == "integer" => json!(["number", "null"]),
        Value::String(t) => json!([t, "null"]),
        Value::Array(types) => {
            let mut types = types.clone();
            if !types.iter().any(|t| t == "null") {
                types.push(json!("null"));
            }
            Value::Array(types)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_stays_and_constraints_go() {
        for (schema, want) in [
            (
                json!({"type": "object", "required": ["a"], "additionalProperties": false, "properties": {"a": {"type": "integer", "minimum": 1, "description": "d"}}}),
                json!({"type": ["object", "null"], "properties": {"a": {"type": ["number", "null"], "description": "d"}}}),
            ),
            (
                json!({"oneOf": [{"const": 1}, {"type": "string", "enum": ["a"]}]}),
                json!({"anyOf": [{}, {"type": ["string", "null"]}]}),
            ),
            (
                json!({"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "string", "format": "uuid"}}}),
                json!({"type": ["array", "null"], "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": ["string", "null"]}}}),
            ),
            (
                json!({"oneOf": [{"type": "string"}], "anyOf": [{"type": "object"}], "allOf": [{"type": "array"}]}),
                json!({"anyOf": [{"type": ["string", "null"]}], "allOf": [{"anyOf": [{"type": ["object", "null"]}]}, {"type": ["array", "null"]}]}),
            ),
            (json!(true), json!({})),
        ] {
            assert_eq!(tolerate(&schema), want, "{schema}");
        }
    }
}
