//! What a program says is what the jsonschema crate says, within a budget.

use super::{BUDGET, Program};
use crate::schema::instance::{Instance, Limits};
use crate::schema::outline::tests::value;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn check(schema: &Value, value: &Value) -> Result<(), super::Verdict> {
    let text = value.to_string();
    let instance = Instance::parse(&text, &Limits::STRICT).expect("an instance");
    Program::new(schema).expect("a schema").check(&instance)
}

fn reference(schema: &Value, value: &Value) -> bool {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
    options.should_validate_formats(false).build(schema).expect("a schema").is_valid(value)
}

#[test]
fn verdicts_are_those_of_the_reference() {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(-3),
        json!(9_007_199_254_740_993_u64),
        json!(1e300),
        json!(""),
        json!("a"),
        json!("abc"),
        json!("ééé"),
        json!([]),
        json!([1]),
        json!([1, 1.0]),
        json!([1, "a", null]),
        json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}]),
        json!([9_007_199_254_740_992_u64, 9_007_199_254_740_993_u64, 9_007_199_254_740_993_u64]),
        json!({}),
        json!({"a": 1}),
        json!({"a": "x", "b": [1]}),
        json!({"a": {"a": {"a": 1}}}),
        json!({"ab": 1, "b": 2}),
    ];
    for schema in [
        json!(true),
        json!(false),
        json!({"type": "integer"}),
        json!({"type": "number", "minimum": 1, "exclusiveMaximum": 2.5}),
        json!({"exclusiveMinimum": 0, "maximum": 9007199254740992_u64}),
        json!({"multipleOf": 0.5}),
        json!({"multipleOf": 3}),
        json!({"enum": [1, "a", null, [1], {"a": 1}]}),
        json!({"const": 1.0}),
        json!({"const": {"b": 2, "ab": 1}}),
        json!({"minLength": 1, "maxLength": 3, "pattern": "^a"}),
        json!({"pattern": "^(?=a)"}),
        json!({"pattern": "\\w{3}"}),
        json!({"minItems": 1, "maxItems": 2, "uniqueItems": true}),
        json!({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}),
        json!({"contains": {"type": "integer"}, "minContains": 2}),
        json!({"contains": {"type": "integer"}, "maxContains": 1}),
        json!({"contains": {"type": "null"}, "minContains": 0}),
        json!({"minProperties": 1, "maxProperties": 1}),
        json!({"required": ["a", "b"]}),
        json!({"properties": {"a": {"type": "integer"}}, "additionalProperties": false}),
        json!({"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": {"type": "array"}}),
        json!({"properties": {"a": true}, "patternProperties": {"a": {"minimum": 2}}, "required": ["ab"]}),
        json!({"propertyNames": {"maxLength": 1}}),
        json!({"dependentRequired": {"a": ["b"]}}),
        json!({"dependentSchemas": {"a": {"required": ["b"]}}}),
        json!({"allOf": [{"type": "object"}, {"required": ["a"]}]}),
        json!({"anyOf": [{"type": "string"}, {"minimum": 1}]}),
        json!({"oneOf": [{"type": "integer"}, {"minimum": 1}]}),
        json!({"not": {"type": "object"}}),
        json!({"if": {"type": "integer"}, "then": {"minimum": 1}, "else": {"type": "object"}}),
        json!({"if": {"type": "integer"}, "else": false}),
        json!({"$ref": "#/$defs/N", "$defs": {"N": {"properties": {"a": {"$ref": "#/$defs/N"}}, "type": ["object", "integer"]}}}),
        json!({"$ref": "#", "type": "object"}),
        json!({"properties": {"a": {"$ref": "#"}}, "type": "object"}),
        json!({"properties": {"a": true}, "unevaluatedProperties": false}),
        json!({"allOf": [{"properties": {"a": true}}], "unevaluatedProperties": false}),
        json!({"anyOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"patternProperties": {"b": true}}], "unevaluatedProperties": false}),
        json!({"if": {"required": ["b"]}, "then": {"properties": {"b": true, "a": true, "ab": true}}, "unevaluatedProperties": {"type": "integer"}}),
        json!({"additionalProperties": true, "unevaluatedProperties": false}),
        json!({"prefixItems": [true], "unevaluatedItems": false}),
        json!({"contains": {"type": "integer"}, "unevaluatedItems": {"type": "string"}}),
        json!({"not": {"properties": {"a": true}}, "unevaluatedProperties": false}),
    ] {
        for value in &values {
            let got = check(&schema, value);
            assert_eq!(got.is_ok(), reference(&schema, value), "{schema} {value}: {got:?}");
        }
    }
}

fn schema() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec![
        "null", "boolean", "integer", "number", "string", "array", "object",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        kind.clone().prop_map(|t| json!({"type": t})),
        (kind, -3..9i64).prop_map(|(t, min)| json!({"type": t, "minimum": min})),
        (0..3u8, 0..3u8).prop_map(|(min, n)| json!({"minLength": min, "maxItems": n})),
        Just(json!({"enum": ["a", 1, null]})),
        Just(json!({"pattern": "^a", "uniqueItems": true})),
        Just(json!({"$ref": "#/$defs/D"})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let members = prop::collection::btree_map("[abc]", inner.clone(), 0..4);
        let names = prop::collection::vec("[abc]", 0..2);
        let some = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            inner.clone().prop_map(|s| json!({"items": s})),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| json!({"prefixItems": [a], "unevaluatedItems": b})),
            inner.clone().prop_map(|s| json!({"contains": s})),
            some.clone().prop_map(|all| json!({"anyOf": all})),
            some.clone().prop_map(|all| json!({"oneOf": all})),
            (some, inner.clone()).prop_map(|(all, s)| json!({"allOf": all, "unevaluatedProperties": s})),
            inner.clone().prop_map(|s| json!({"not": s})),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| json!({"if": a, "then": b, "else": c})),
            inner.clone().prop_map(|s| json!({"dependentSchemas": {"a": s}})),
            inner.clone().prop_map(|s| json!({"patternProperties": {"^[ab]": s}})),
            (members, names, inner).prop_map(|(properties, required, others)| {
                json!({"properties": properties, "required": required, "additionalProperties": others})
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_schema_and_value_have_the_verdict_of_the_reference(
        root in schema(), definition in schema(), value in value(),
    ) {
        // One that leads back to itself only within a value.
        let definition = match definition.to_string().contains("$ref") {
            true => json!({"type": "object", "additionalProperties": {"$ref": "#/$defs/D"}}),
            false => definition,
        };
        let schema = json!({"items": root, "$defs": {"D": definition}});
        let list = json!([value]);
        let got = check(&schema, &list);
        prop_assert_eq!(got.is_ok(), reference(&schema, &list), "{} {}: {:?}", schema, list, got);
    }
}

/// `Filter = oneOf[And{op, children: [Filter]}, Or{...}, Leaf]`, as query
/// languages have it.
fn filter() -> Value {
    let group = |op: &str| {
        json!({"type": "object", "required": ["op", "children"], "additionalProperties": false,
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Filter"}}, "op": {"const": op}}})
    };
    let leaf = json!({"type": "object", "required": ["field"], "additionalProperties": false,
        "properties": {"field": {"type": "string"}, "value": {}}});
    json!({"$ref": "#/$defs/Filter", "$defs": {"Filter": {"oneOf": [group("and"), group("or"), leaf]}}})
}

/// Alternating groups around a leaf, `levels` deep.
fn filtered(levels: usize, leaf: Value) -> Value {
    (0..levels).fold(
        leaf,
        |inner, n| json!({"op": if n % 2 == 0 { "and" } else { "or" }, "children": [inner]}),
    )
}

#[test]
fn recursive_alternatives_are_checked_once_for_each_value() {
    let schema = filter();
    for levels in [1, 5, 20, 31] {
        assert_eq!(check(&schema, &filtered(levels, json!({"field": "a"}))), Ok(()));
        for wrong in [json!({"field": 7}), json!({"fild": "a"}), json!(null)] {
            let verdict = check(&schema, &filtered(levels, wrong)).unwrap_err();
            assert_ne!(verdict.rule, BUDGET, "{levels}: {verdict:?}");
            let deep = verdict.pointer.matches("/children/0").count();
            assert_eq!(deep, levels, "{levels}: {verdict:?}");
        }
    }
}

#[test]
fn a_chain_that_doubles_is_walked_once() {
    let mut defs = Map::new();
    for i in 0..100 {
        let next = json!({"$ref": format!("#/$defs/n{}", i + 1)});
        defs.insert(format!("n{i}"), json!({"dependentSchemas": {"a": {"allOf": [next, next]}}}));
    }
    defs.insert("n100".to_owned(), json!({"required": ["b"]}));
    let schema = json!({"$ref": "#/$defs/n0", "$defs": defs});
    assert_eq!(check(&schema, &json!({"a": 1, "b": 1})), Ok(()));
    assert!(check(&schema, &json!({"a": 1})).is_err());
}

#[test]
fn circles_in_place_end() {
    let circle = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}});
    for value in [json!(1), json!([1])] {
        // What it means is nobody's to say; that it ends is.
        let _ = check(&circle, &value);
    }
    let own = json!({"allOf": [{"$ref": "#"}], "type": "array"});
    assert_eq!(check(&own, &json!([])), Ok(()));
}

#[test]
fn too_much_work_is_refused_and_says_so() {
    // A value for every schema, each a list with something in it.
    let branches: Vec<Value> =
        (0..2000).map(|n| json!({"contains": {"const": n}, "minItems": 1})).collect();
    let schema = json!({"items": {"anyOf": branches}});
    let few = json!(vec![vec![1999]; 10]);
    assert_eq!(check(&schema, &few), Ok(()));
    let many = json!(vec![vec![-1]; 2000]);
    let verdict = check(&schema, &many).unwrap_err();
    assert!(verdict.message.contains("/") || verdict.rule == "anyOf" || verdict.rule == BUDGET);
    let all_last = json!(vec![vec![1999]; 2000]);
    assert_eq!(check(&schema, &all_last).unwrap_err().rule, BUDGET);
}

#[test]
fn nesting_is_bounded_and_the_stack_bears_it() {
    let mut defs = Map::new();
    for i in 0..2000 {
        let next = format!("#/$defs/n{}", i + 1);
        defs.insert(format!("n{i}"), json!({"allOf": [{"$ref": next}]}));
    }
    defs.insert("n2000".to_owned(), json!({"type": "array"}));
    for (from, want) in [(1800, true), (0, false)] {
        let schema = json!({"$ref": format!("#/$defs/n{from}"), "$defs": defs});
        assert_eq!(check(&schema, &json!([])).is_ok(), want, "{from}");
    }
}

#[test]
fn patterns_are_tried_on_texts_they_can_bear() {
    for (pattern, max) in [
        ("^a*$", 1 << 20),
        ("^(?=a)a*$", 1 << 10),
        ("^a{1,60}(a{1,60})*$", 4 << 10),
        ("^(a{1,40}){1,20}a*$", 1 << 10),
    ] {
        let schema = json!({ "pattern": pattern });
        assert_eq!(check(&schema, &json!("a".repeat(max))), Ok(()), "{pattern}");
        let verdict = check(&schema, &json!("a".repeat(max + 1))).unwrap_err();
        assert_eq!(verdict.rule, BUDGET, "{pattern}");
    }
}

/// Two kinds of objects that a member tells apart.
fn pets() -> Value {
    json!({"oneOf": [
        {"type": "object", "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}, "required": ["kind", "lives"]},
        {"type": "object", "properties": {"kind": {"type": "string", "const": "dog"}, "lives": {}, "tail": {}}, "required": ["kind", "tail"]},
    ]})
}

#[test]
fn a_pattern_of_too_many_states_is_refused() {
    for pattern in ["(a{1,300}){1,30}b", "(a{1,1000}){1,1000}b", "a{1,9000}b"] {
        assert!(Program::new(&json!({ "pattern": pattern })).is_err(), "{pattern}");
    }
}

#[test]
fn what_is_cheap_is_asked_first() {
    let schema = json!({"pattern": "^(?=a)a*$", "uniqueItems": true, "maxLength": 5});
    assert_eq!(check(&schema, &json!("a".repeat(5000))).unwrap_err().rule, "maxLength");
}

#[test]
fn words_name_what_to_change() {
    for (schema, value, want) in [
        (
            json!({"maximum": 50}),
            json!(51),
            ("", "maximum", "51 is greater than the maximum of 50"),
        ),
        (
            json!({"type": ["string", "integer"]}),
            json!([1]),
            ("", "type", "a list is not of type \"integer\" or \"string\""),
        ),
        (
            json!({"enum": ["novel", 2]}),
            json!("nov"),
            ("", "enum", "\"nov\" is not one of \"novel\", 2"),
        ),
        (
            json!({"properties": {"a/b": {"items": {"minLength": 2}}}}),
            json!({"a/b": ["xx", "y"]}),
            ("/a~1b/1", "minLength", "shorter than 2"),
        ),
        (json!({"required": ["id"]}), json!({}), ("", "required", "\"id\" is a required property")),
        (
            json!({"properties": {"name": true}, "additionalProperties": false}),
            json!({"nmae": 1}),
            ("", "additionalProperties", "did you mean 'name'"),
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {"type": "string"}}}]}),
            json!({"a": 7}),
            ("/a", "type", "7 is not of type \"string\""),
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
            json!({}),
            ("", "anyOf", "not valid under any"),
        ),
        (
            json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}),
            json!(3),
            ("", "oneOf", "more than one"),
        ),
        (
            json!({"propertyNames": {"maxLength": 1}}),
            json!({"abc": 1}),
            ("", "propertyNames", "longer than 1 character"),
        ),
        (json!({"minLength": 200}), json!("x".repeat(150)), ("", "minLength", "…")),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            json!("x"),
            ("", "anyOf", "any of the given schemas: \"integer\", or \"null\""),
        ),
        (
            pets(),
            json!({"kind": "lion", "lives": 1}),
            ("", "oneOf", "an object with \"kind\": \"cat\", or an object with \"kind\": \"dog\""),
        ),
        (pets(), json!({"kind": "dog", "lives": 1}), ("", "required", "\"tail\"")),
        (pets(), json!(7), ("", "oneOf", "7 is not valid under any")),
    ] {
        let verdict = check(&schema, &value).unwrap_err();
        assert_eq!((verdict.pointer.as_str(), verdict.rule.as_str()), (want.0, want.1), "{schema}");
        assert!(verdict.message.contains(want.2), "{schema}: {}", verdict.message);
    }
}
