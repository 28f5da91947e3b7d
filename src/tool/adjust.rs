//! What the configuration changes of a tool's arguments: descriptions, values
//! that are always sent, defaults, and arguments that agents do not see.

use crate::config::{ArgumentRule, Override};
use crate::jsonrpc::raw::Entries;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// A value that a call has without the agent giving it.
#[derive(Debug)]
pub struct Standing {
    argument: Box<str>,
    value: Box<RawValue>,
}

/// Applies the rules of an override to an input schema. `close` attaches the
/// definitions that a schema refers to.
pub fn apply(
    schema: &mut Value,
    over: &Override,
    close: &dyn Fn(Map<String, Value>) -> Map<String, Value>,
) -> Result<Vec<Standing>, String> {
    let mut standing = Vec::new();
    for (argument, rule) in &over.arguments {
        let known = schema.pointer("/properties").and_then(|p| p.get(argument)).is_some();
        if !known && rule.where_present {
            continue;
        }
        if !known {
            return Err(format!("`arguments` names `{argument}`, which is no argument"));
        }
        let value = rule.set.as_ref().or(rule.default.as_ref());
        if let Some(value) = value {
            fits(schema, argument, value, close)?;
            let value = to_raw_value(value).map_err(|e| format!("`arguments.{argument}`: {e}"))?;
            standing.push(Standing { argument: argument.as_str().into(), value });
            forget(schema, "required", argument);
            always_given(schema, argument);
        }
        match rule.set.is_some() || rule.hide {
            true => hide(schema, argument)?,
            false => describe(schema, argument, rule),
        }
    }
    Ok(standing)
}

/// Adds the standing values that the call does not have.
pub fn complete<'a>(standing: &'a [Standing], entries: &mut Entries<'a>) {
    for s in standing {
        if !entries.iter().any(|(name, _)| *name == *s.argument) {
            entries.push((Cow::Borrowed(&s.argument), &s.value));
        }
    }
}

/// A value that the schema refuses would make every call fail.
fn fits(
    schema: &Value,
    argument: &str,
    value: &Value,
    close: &dyn Fn(Map<String, Value>) -> Map<String, Value>,
) -> Result<(), String> {
    let mut one = Map::new();
    if let Some(properties) = schema.get("properties") {
        one.insert("properties".to_owned(), properties.clone());
    }
    let one = close(one);
    let call = json!({ argument: value });
    crate::schema::validators::fits(&Value::Object(one), &call)
        .map_err(|e| format!("the value given for `{argument}` does not fit: {e}"))
}

fn hide(schema: &mut Value, argument: &str) -> Result<(), String> {
    let dependent = schema.get("dependentRequired").and_then(Value::as_object);
    let lists =
        schema.get("required").into_iter().chain(dependent.into_iter().flat_map(Map::values));
    if lists.filter_map(Value::as_array).flatten().any(|n| n == argument) {
        return Err(format!("`{argument}` is required: give it a `set` value to hide it"));
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.shift_remove(argument);
    }
    if let Some(dependent) = schema.get_mut("dependentRequired").and_then(Value::as_object_mut) {
        dependent.shift_remove(argument);
    }
    Ok(())
}

/// What is needed beside `argument`, a member of a flattened body, is needed in
/// every call then.
fn always_given(schema: &mut Value, argument: &str) {
    let Some(object) = schema.as_object_mut() else { return };
    let Some(Value::Object(dependent)) = object.get("dependentRequired") else { return };
    let needed: Vec<Value> =
        dependent.values().filter_map(Value::as_array).flatten().cloned().collect();
    if !dependent.contains_key(argument) && !needed.iter().any(|n| n == argument) {
        return;
    }
    object.shift_remove("dependentRequired");
    if let Value::Array(required) = object.entry("required").or_insert_with(|| json!([])) {
        for name in needed.into_iter().filter(|n| n != argument) {
            if !required.contains(&name) {
                required.push(name);
            }
        }
        if required.is_empty() {
            object.shift_remove("required");
        }
    }
}

fn forget(schema: &mut Value, list: &str, argument: &str) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(names)) = object.get_mut(list) {
        names.retain(|n| n != argument);
        if names.is_empty() {
            object.shift_remove(list);
        }
    }
}

fn describe(schema: &mut Value, argument: &str, rule: &ArgumentRule) {
    let property = schema
        .get_mut("properties")
        .and_then(|p| p.get_mut(argument))
        .and_then(Value::as_object_mut);
    let Some(property) = property else { return };
    if let Some(text) = &rule.description {
        property.insert("description".to_owned(), json!(super::describe::clean(text)));
    }
    if let Some(value) = &rule.default {
        property.insert("default".to_owned(), value.clone());
    }
}

/// The members of a body that may stand as arguments of their own: an object
/// with named members, nothing composed, nothing open. `None` where they may
/// not, and the body stays one argument.
pub fn flat<'s>(
    body: &'s Value,
    definition: impl Fn(&str) -> Option<&'s Value>,
    taken: &Map<String, Value>,
) -> Option<&'s Map<String, Value>> {
    const REFERENCES_MAX: usize = 20;
    let mut body = body;
    for _ in 0..REFERENCES_MAX {
        match body.get("$ref").and_then(Value::as_str) {
            Some(reference) => body = definition(reference)?,
            None => break,
        }
    }
    let object = body.as_object()?;
    let plain = [
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "patternProperties",
        "propertyNames",
        "minProperties",
    ];
    let closed = matches!(object.get("additionalProperties"), None | Some(Value::Bool(false)));
    if !closed
        || plain.iter().any(|k| object.contains_key(*k))
        || object.get("type") != Some(&json!("object"))
    {
        return None;
    }
    let members = object.get("properties").and_then(Value::as_object).filter(|m| !m.is_empty())?;
    let good = |name: &String| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            && !taken.contains_key(name)
    };
    let required = object.get("required").and_then(Value::as_array).into_iter().flatten();
    let known = required.filter_map(Value::as_str).all(|name| members.contains_key(name));
    (known && members.keys().all(good)).then_some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(hide: bool, set: Option<Value>, default: Option<Value>) -> ArgumentRule {
        ArgumentRule { hide, set, default, ..ArgumentRule::default() }
    }

    fn schema() -> Value {
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]})
    }

    #[test]
    fn rules_change_the_schema_and_complete_the_call() {
        for (argument, rule, properties, required, value) in [
            ("a", rule(false, Some(json!("x")), None), "b", None, Some("\"x\"")),
            ("b", rule(true, None, None), "a", Some("a"), None),
            ("b", rule(false, None, Some(json!(7))), "a,b", Some("a"), Some("7")),
            ("a", rule(false, None, Some(json!("d"))), "a,b", None, Some("\"d\"")),
        ] {
            let mut schema = schema();
            let over =
                Override { arguments: vec![(argument.to_owned(), rule)], ..Override::default() };
            let standing = apply(&mut schema, &over, &|root| root).unwrap();
            let keys: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys.join(","), properties);
            assert_eq!(schema.pointer("/required/0").and_then(Value::as_str), required);
            let mut entries = Vec::new();
            complete(&standing, &mut entries);
            assert_eq!(entries.first().map(|(_, v)| v.get()), value);
        }
    }

    #[test]
    fn a_standing_member_of_an_optional_body_makes_it_given() {
        let apart = json!({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "dependentRequired": {"a": ["b"], "b": ["a"], "d": ["a"]}});
        let x = || Some(json!("x"));
        for (rules, required, dependent) in [
            (vec![("a", rule(false, x(), None))], json!(["b"]), false),
            (vec![("c", rule(false, x(), None))], Value::Null, true),
            (
                vec![("a", rule(false, x(), None)), ("b", rule(false, x(), None))],
                Value::Null,
                false,
            ),
        ] {
            let mut schema = apart.clone();
            let arguments = rules.into_iter().map(|(n, r)| (n.to_owned(), r)).collect();
            apply(&mut schema, &Override { arguments, ..Override::default() }, &|root| root)
                .unwrap();
            assert_eq!(schema["required"], required);
            assert_eq!(schema.get("dependentRequired").is_some(), dependent);
        }
        let hidden = vec![("a".to_owned(), rule(true, None, None))];
        let over = Override { arguments: hidden, ..Override::default() };
        assert!(apply(&mut apart.clone(), &over, &|root| root).unwrap_err().contains("required"));
    }

    #[test]
    fn what_cannot_be_changed_says_why() {
        for (argument, rule, why) in [
            ("a", rule(true, None, None), "required"),
            ("zzz", rule(true, None, None), "no argument"),
            ("b", rule(false, Some(json!("seven")), None), "does not fit"),
        ] {
            let over =
                Override { arguments: vec![(argument.to_owned(), rule)], ..Override::default() };
            assert!(apply(&mut schema(), &over, &|root| root).unwrap_err().contains(why));
        }
    }

    #[test]
    fn bodies_that_may_be_flat() {
        for (body, want) in [
            (json!({"type": "object", "properties": {"x": {}, "y": {}}}), Some(2)),
            (json!({"$ref": "#/$defs/B"}), Some(1)),
            (json!({"type": "object", "properties": {"a": {}}}), None),
            (json!({"type": "object", "properties": {"x[]": {}}}), None),
            (json!({"type": "object", "properties": {"x": {}}, "additionalProperties": {}}), None),
            (json!({"type": "object", "properties": {"x": {}}, "allOf": []}), None),
            (json!({"type": "object", "properties": {}}), None),
            (json!({"type": "object", "properties": {"x": {}}, "required": ["x"]}), Some(1)),
            (json!({"type": "object", "properties": {"x": {}}, "required": ["x", "z"]}), None),
            (json!({"type": "array"}), None),
        ] {
            let b =
                json!({"type": "object", "properties": {"x": {}}, "additionalProperties": false});
            let taken = Map::from_iter([("a".to_owned(), json!({}))]);
            let got = flat(&body, |r| (r == "#/$defs/B").then_some(&b), &taken).map(Map::len);
            assert_eq!(got, want, "{body}");
        }
    }
}
