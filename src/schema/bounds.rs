//! How much work a schema can make a validator do.
//!
//! A chain of `allOf: [$ref next, $ref next]` doubles at every level, so a few
//! lines of a document can cost minutes for one value (MCP 2026-07-28, basic,
//! "Composition-Keyword Resource Use"). Counted when a tool is compiled.

use serde_json::Value;
use std::collections::HashMap;

/// The most evaluations that one value may cause in one place. Above it a
/// value takes longer than 5 ms to check on 2020s hardware.
pub const EVALUATIONS_MAX: u64 = 100_000;

/// Schemas within each other that are counted: a chain of references may be as long
/// as the document, and the stack is not.
const NESTING_MAX: usize = 400;

/// The number of schemas a validator applies in place to one value, the
/// product over compositions. A recursive reference counts once.
pub fn evaluations(root: &Value) -> u64 {
    let defs = root.get("$defs");
    let mut counted = HashMap::new();
    count(root, &|name| defs?.get(name), &mut counted, 0)
}

/// The same of a schema whose definitions are elsewhere. `counted` is kept from one
/// schema of a document to the next.
pub fn evaluations_with<'a>(
    root: &Value,
    definition: &dyn Fn(&str) -> Option<&'a Value>,
    counted: &mut HashMap<String, u64>,
) -> u64 {
    count(root, definition, counted, 0)
}

fn count<'a>(
    schema: &Value,
    defs: &dyn Fn(&str) -> Option<&'a Value>,
    counted: &mut HashMap<String, u64>,
    depth: usize,
) -> u64 {
    let Value::Object(object) = schema else { return 1 };
    if depth > NESTING_MAX {
        return u64::MAX;
    }
    let depth = depth + 1;
    let mut here: u64 = 1;
    let mut below: u64 = 0;
    for (key, value) in object {
        match key.as_str() {
            "$ref" => {
                let name = value.as_str().and_then(|r| r.strip_prefix("#/$defs/"));
                here = here.saturating_add(name.map_or(1, |n| referred(n, defs, counted, depth)));
            }
            "allOf" | "anyOf" | "oneOf" => {
                for item in value.as_array().into_iter().flatten() {
                    here = here.saturating_add(count(item, defs, counted, depth));
                }
            }
            "not" | "if" | "then" | "else" => {
                here = here.saturating_add(count(value, defs, counted, depth));
            }
            "properties" | "patternProperties" | "dependentSchemas" => {
                for item in value.as_object().into_iter().flat_map(|o| o.values()) {
                    below = below.max(count(item, defs, counted, depth));
                }
            }
            "items"
            | "additionalProperties"
            | "contains"
            | "propertyNames"
            | "unevaluatedProperties"
            | "unevaluatedItems" => {
                below = below.max(count(value, defs, counted, depth));
            }
            "prefixItems" => {
                for item in value.as_array().into_iter().flatten() {
                    below = below.max(count(item, defs, counted, depth));
                }
            }
            _ => {}
        }
    }
    here.max(below)
}

fn referred<'a>(
    name: &str,
    defs: &dyn Fn(&str) -> Option<&'a Value>,
    counted: &mut HashMap<String, u64>,
    depth: usize,
) -> u64 {
    if let Some(n) = counted.get(name) {
        return *n;
    }
    counted.insert(name.to_owned(), 1);
    let n = defs(name).map_or(1, |d| count(d, defs, counted, depth));
    counted.insert(name.to_owned(), n);
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn chain(levels: usize) -> Value {
        let mut defs = Map::new();
        for i in 0..levels {
            let next = json!({"$ref": format!("#/$defs/n{}", i + 1)});
            defs.insert(format!("n{i}"), json!({"allOf": [next, next]}));
        }
        defs.insert(format!("n{levels}"), json!({"type": "string"}));
        json!({"$ref": "#/$defs/n0", "$defs": defs})
    }

    #[test]
    fn a_doubling_chain_is_seen() {
        assert!(evaluations(&chain(10)) < EVALUATIONS_MAX);
        assert!(evaluations(&chain(20)) > EVALUATIONS_MAX);
        assert!(evaluations(&chain(200)) > EVALUATIONS_MAX);
    }

    #[test]
    fn a_chain_without_end_is_too_expensive() {
        let mut defs = Map::new();
        for i in 0..20_000 {
            defs.insert(format!("n{i}"), json!({"$ref": format!("#/$defs/n{}", i + 1)}));
        }
        let long = json!({"$ref": "#/$defs/n0", "$defs": defs});
        assert!(evaluations(&long) > EVALUATIONS_MAX);
        let short = json!({"$ref": "#/$defs/n19900", "$defs": defs});
        assert!(evaluations(&short) < EVALUATIONS_MAX);
        // Nor does an outline of it take more of the stack than there is.
        assert!(!super::super::outline::Outline::new(&long).accepts("1"));
    }

    #[test]
    fn recursion_and_width_are_cheap() {
        let recursive = json!({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}});
        assert!(evaluations(&recursive) < 10);
        let wide: Map<String, Value> =
            (0..1000).map(|i| (format!("p{i}"), json!({"type": "string"}))).collect();
        assert!(evaluations(&json!({ "properties": wide })) < 10);
    }
}
