//! An outline accepts what the validator accepts, and nothing else.

use super::{HOPS_MAX, NODES_MAX, Outline};
use crate::schema::validators::fits;
use proptest::prelude::*;
use serde_json::{Value, json};

fn item() -> Value {
    json!({
        "type": "object",
        "description": "An item",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer", "minimum": 1, "maximum": 9},
            "name": {"type": ["string", "null"], "minLength": 2, "maxLength": 3},
            "kind": {"enum": ["a", "b"]},
            "price": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            "parent": {"anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}]},
            "other": {"allOf": [{"$ref": "#/$defs/Item"}], "title": "Other"},
            "sku": {"type": "string", "pattern": "^x"},
            "free": {},
            "never": false,
        },
        "additionalProperties": {"type": "boolean"},
    })
}

#[test]
fn what_is_taken_and_what_is_left_to_the_validator() {
    let outline = Outline::new(&json!({"$ref": "#/$defs/Item", "$defs": {"Item": item()}}));
    for (text, taken, strictly) in [
        (r#"{"id":1}"#, true, true),
        (r#" {"id":9,"price":1.5,"tags":["a","b"]} "#, true, true),
        (r#"{"price":2,"id":1}"#, true, true),
        (r#"{"id":0}"#, false, false),
        (r#"{"id":10}"#, false, false),
        (r#"{"id":1.0}"#, false, false),
        (r#"{"name":"ab"}"#, false, false),
        (r#"{"id":1,"name":"ééé"}"#, true, true),
        (r#"{"id":1,"name":"abcd"}"#, false, false),
        (r#"{"id":1,"name":"a"}"#, false, false),
        (r#"{"id":1,"name":null}"#, true, true),
        (r#"{"id":1,"kind":"b"}"#, true, true),
        (r#"{"id":1,"kind":"c"}"#, false, false),
        (r#"{"id":1,"tags":["a","b","c"]}"#, false, false),
        (r#"{"id":1,"tags":[1]}"#, false, false),
        (r#"{"id":1,"parent":null}"#, true, true),
        (r#"{"id":1,"parent":{"id":2,"parent":{"id":3}}}"#, true, true),
        (r#"{"id":1,"parent":{}}"#, false, false),
        (r#"{"id":1,"other":{"id":4}}"#, true, true),
        (r#"{"id":1,"other":null}"#, false, false),
        (r#"{"id":1,"sku":"x1"}"#, false, false),
        (r#"{"id":1,"never":1}"#, false, false),
        (r#"{"id":1,"more":true}"#, true, true),
        (r#"{"id":1,"more":true,"more":true}"#, true, false),
        (r#"{"id":1,"free":{"a":{"b":[1]},"b":2,"\u0061":3}}"#, true, false),
        (r#"{"id":1,"more":7}"#, false, false),
        (r#"{"id":1,"free":[1,["x"],null]}"#, true, true),
        (r#"{"id":1,"free":{"a":1}}"#, true, true),
        (r#"{"id":1,"free":"\ud800"}"#, false, false),
        (r#"{"id":1,"free":1e400}"#, false, false),
        (r#"{"id":1,"id":2}"#, true, false),
        (r#"{"\u0069d":1}"#, true, true),
        (r#"{"id":1"#, false, false),
        (r#"{"id":1} x"#, false, false),
        (r#"{"id":01}"#, false, false),
        ("[]", false, false),
    ] {
        assert_eq!(outline.accepts(text), taken, "{text}");
        assert_eq!(outline.accepts_strictly(text), strictly, "{text}, strictly");
    }
}

#[test]
fn references_in_a_circle_decide_nothing() {
    let circle = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}});
    assert!(!Outline::new(&circle).accepts("1"));
}

#[test]
fn bounds_at_them_and_one_past_them() {
    let list = Outline::new(
        &json!({"$ref": "#/$defs/L", "$defs": {"L": {"items": {"$ref": "#/$defs/L"}}}}),
    );
    for (levels, strictly, loosely) in [(64, true, true), (65, false, true), (10_000, false, false)]
    {
        let text = "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(list.accepts_strictly(&text), strictly, "{levels}");
        assert_eq!(list.accepts(&text), loosely, "{levels}");
    }
    let map = json!({"additionalProperties": {"$ref": "#/$defs/M"}, "$defs": {"M": {"additionalProperties": {"$ref": "#/$defs/M"}}}});
    let map = Outline::new(&map);
    for (levels, strictly) in [(64, true), (65, false)] {
        let text = "{\"a\":".repeat(levels - 1) + "{}" + &"}".repeat(levels - 1);
        assert_eq!(map.accepts_strictly(&text), strictly, "{levels}");
    }
    for (bytes, strictly) in [(100_000, true), (100_001, false)] {
        let text = format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(Outline::new(&json!(true)).accepts_strictly(&text), strictly, "{bytes}");
    }
    for (hops, taken) in [(HOPS_MAX - 1, true), (HOPS_MAX, false)] {
        // Each definition is a hop, and so is the reference to it.
        let refer = |i: usize| json!({"$ref": format!("#/$defs/D{i}")});
        let mut defs: serde_json::Map<_, _> =
            (1..hops / 2).map(|i| (format!("D{i}"), refer(i + 1))).collect();
        defs.insert(format!("D{}", hops / 2), json!({"type": "integer"}));
        let root = if hops % 2 == 0 { refer(1) } else { json!({"allOf": [refer(1)]}) };
        assert_eq!(Outline::new(&json!({"items": root, "$defs": defs})).accepts("[1]"), taken);
    }
    for (nodes, taken) in [(NODES_MAX - 3, true), (NODES_MAX - 2, false)] {
        // Besides the three that every outline has.
        let properties: serde_json::Map<_, _> =
            (0..nodes).map(|i| (format!("m{i:05}"), json!({"type": "integer"}))).collect();
        let last = json!({ format!("m{:05}", nodes - 1): 1 }).to_string();
        assert_eq!(Outline::new(&json!({"properties": properties})).accepts(&last), taken);
    }
    for members in [64, 65] {
        let properties: serde_json::Map<_, _> =
            (0..members).map(|i| (format!("m{i:02}"), json!({"type": "integer"}))).collect();
        let last = json!({ format!("m{:02}", members - 1): 1 }).to_string();
        let outline = Outline::new(&json!({"properties": properties}));
        assert!(outline.accepts(&last));
        assert_eq!(outline.accepts_strictly(&last), members == 64);
    }
}

#[test]
fn names_that_no_schema_has_are_told_apart_up_to_a_number() {
    let any = Outline::new(&json!(true));
    for (names, strictly) in [(super::STRANGERS_MAX, true), (super::STRANGERS_MAX + 1, false)] {
        let object: serde_json::Map<_, _> =
            (0..names).map(|i| (i.to_string(), json!(null))).collect();
        assert_eq!(any.accepts_strictly(&Value::Object(object).to_string()), strictly, "{names}");
    }
    for (bytes, strictly) in [(1024, true), (1025, false)] {
        let text = json!({ "x".repeat(bytes): 1 }).to_string();
        assert_eq!(any.accepts_strictly(&text), strictly, "{bytes}");
    }
}

/// Any small value.
pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3..12i64).prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!(2.0)),
        "[abé]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec![
        "null", "boolean", "integer", "number", "string", "array", "object",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        kind.clone().prop_map(|t| json!({"type": t})),
        (kind, -3..9i64, 0..9i64).prop_map(|(t, min, more)| {
            json!({"type": [t, "integer"], "minimum": min, "maximum": min + more})
        }),
        (0..3u8, 0..3u8).prop_map(|(min, more)| json!({"minLength": min, "maxLength": min + more})),
        (0..3u8, 0..3u8).prop_map(|(min, more)| json!({"minItems": min, "maxItems": min + more})),
        prop::sample::subsequence(vec![json!("a"), json!("b"), json!(1), json!(null)], 1..3)
            .prop_map(|all| json!({"enum": all})),
        Just(json!({"const": "a", "enum": ["b"]})),
        Just(json!({"multipleOf": 2})),
        Just(json!({"pattern": "^a"})),
        Just(json!({"$ref": "#/$defs/D"})),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let members = prop::collection::btree_map("[abc]", inner.clone(), 0..4);
        let names = prop::collection::vec("[abc]", 0..2);
        prop_oneof![
            inner.clone().prop_map(|s| json!({"items": s})),
            inner.clone().prop_map(|s| json!({"anyOf": [s, {"type": "null"}]})),
            inner.clone().prop_map(|s| json!({"anyOf": [{"type": "null"}, s], "type": "string"})),
            inner.clone().prop_map(|s| json!({"allOf": [s]})),
            inner.clone().prop_map(|s| json!({"allOf": [s], "type": ["string", "null"]})),
            Just(json!({"$ref": "#/$defs/D", "type": ["array", "integer"]})),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| json!({"allOf": [a, b]})),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| json!({"oneOf": [a, b]})),
            inner.clone().prop_map(|s| json!({"not": s})),
            (members, names, inner).prop_map(|(properties, required, others)| {
                json!({"properties": properties, "required": required, "additionalProperties": others})
            }),
        ]
    })
}

/// A schema whose definition is used, and does not lead back to itself alone.
fn whole() -> impl Strategy<Value = Value> {
    (schema(), schema()).prop_map(|(root, definition)| {
        let definition = match definition.to_string().contains("$ref") {
            true => json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/D"}}),
            false => definition,
        };
        json!({"items": root, "$defs": {"D": definition}})
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_an_outline_accepts_the_validator_accepts(schema in whole(), value in value()) {
        let (list, text) = (json!([value]), json!([value]).to_string());
        let outline = Outline::new(&schema);
        if outline.accepts(&text) || outline.accepts_strictly(&text) {
            prop_assert_eq!(fits(&schema, &list), Ok(()), "{} takes {}", schema, text);
        }
    }
}
