//! Tables for the conversion of schemas.

use super::*;

fn convert(dialect: Dialect, direction: Direction, root: Value, schema: Value) -> Value {
    let library = Library::new(root);
    let mut c = Converter::new(&library, dialect, direction);
    match c.convert(&schema) {
        Ok(Value::Object(o)) => Value::Object(c.close(o)),
        Ok(other) => other,
        Err(e) => json!({ "error": e }),
    }
}

#[test]
fn keywords_of_3_0() {
    for (schema, want) in [
        (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
        (
            json!({"type": "string", "nullable": true, "enum": ["a"]}),
            json!({"type": ["string", "null"], "enum": ["a", null]}),
        ),
        (
            json!({"nullable": true, "allOf": [{"type": "object"}], "description": "d"}),
            json!({"description": "d", "anyOf": [{"allOf": [{"type": "object"}]}, {"type": "null"}]}),
        ),
        (
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true}),
            json!({"type": "integer", "exclusiveMinimum": 1}),
        ),
        (
            json!({"type": "integer", "maximum": 9, "exclusiveMaximum": false}),
            json!({"type": "integer", "maximum": 9}),
        ),
        (
            json!({"type": "string", "format": "byte"}),
            json!({"type": "string", "format": "byte", "contentEncoding": "base64"}),
        ),
        (json!({"type": "any"}), json!({})),
        (json!({"type": "string", "enum": ["a", "a"]}), json!({"type": "string", "enum": ["a"]})),
        (json!({"type": "object", "required": true}), json!({"type": "object"})),
        (json!({"type": "string", "example": "x"}), json!({"type": "string", "examples": ["x"]})),
        (
            json!({"type": "string", "xml": {}, "x-y": 1, "x-mcp-header": "A"}),
            json!({"type": "string"}),
        ),
        (json!({"items": []}), json!({})),
        (json!({"type": "string", "pattern": null}), json!({"type": "string"})),
    ] {
        let got = convert(Dialect::OpenApi30, Direction::Input, json!({}), schema.clone());
        assert_eq!(got, want, "{schema}");
    }
}

#[test]
fn references_become_definitions_recursion_included() {
    let root = json!({"components": {"schemas": {
        "Node": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}},
        "Unused": {"type": "string"},
    }}});
    let got = convert(
        Dialect::OpenApi31,
        Direction::Input,
        root,
        json!({"type": "object", "properties": {"n": {"$ref": "#/components/schemas/Node", "description": "first"}}}),
    );
    assert_eq!(
        got,
        json!({
            "type": "object",
            "properties": {"n": {"$ref": "#/$defs/Node", "description": "first"}},
            "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        })
    );
}

#[test]
fn siblings_of_a_reference_depend_on_the_version() {
    let root = json!({"components": {"schemas": {"A": {"type": "string"}}}});
    let schema = json!({"$ref": "#/components/schemas/A", "minLength": 2, "nullable": true, "description": "d"});
    let old = convert(Dialect::OpenApi30, Direction::Input, root.clone(), schema.clone());
    assert_eq!(old["anyOf"], json!([{"$ref": "#/$defs/A"}, {"type": "null"}]));
    assert_eq!(old.get("minLength"), None);
    assert_eq!(old["description"], "d");
    let new = convert(Dialect::OpenApi31, Direction::Input, root, schema);
    assert_eq!((&new["anyOf"], &new["minLength"]), (&old["anyOf"], &json!(2)));
}

#[test]
fn read_only_and_write_only_follow_the_direction() {
    let root = json!({"components": {"schemas": {"Id": {"type": "integer", "readOnly": true}}}});
    let schema = json!({
        "type": "object",
        "required": ["id", "name", "password"],
        "properties": {
            "id": {"$ref": "#/components/schemas/Id"},
            "name": {"type": "string"},
            "password": {"type": "string", "writeOnly": true},
        },
    });
    let keys = |v: &Value| {
        v["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(",")
    };
    let input = convert(Dialect::OpenApi31, Direction::Input, root.clone(), schema.clone());
    assert_eq!(
        (keys(&input).as_str(), &input["required"]),
        ("name,password", &json!(["name", "password"]))
    );
    let output = convert(Dialect::OpenApi31, Direction::Output, root, schema);
    assert_eq!((keys(&output).as_str(), &output["required"]), ("id,name", &json!(["id", "name"])));
}

#[test]
fn a_discriminator_becomes_a_tag_on_each_branch() {
    let root =
        json!({"components": {"schemas": {"Cat": {"type": "object"}, "Dog": {"type": "object"}}}});
    let got = convert(
        Dialect::OpenApi31,
        Direction::Input,
        root,
        json!({
            "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
            "discriminator": {"propertyName": "kind", "mapping": {"meow": "#/components/schemas/Cat", "woof": "Dog"}},
        }),
    );
    assert_eq!(got["oneOf"][0]["properties"]["kind"], json!({"const": "meow"}));
    assert_eq!(got["oneOf"][1]["properties"]["kind"], json!({"const": "woof"}));
    assert!(got.get("discriminator").is_none());
}

#[test]
fn what_cannot_be_converted_says_why() {
    for (schema, why) in [
        (json!({"$ref": "#/components/schemas/Gone"}), "points at nothing"),
        (json!({"$ref": "other.yaml#/A"}), "outside the document"),
        (json!({"$dynamicRef": "#x"}), "$dynamicRef"),
        (json!({"properties": {"a": 7}}), "not an object"),
    ] {
        let got = convert(Dialect::OpenApi31, Direction::Input, json!({}), schema.clone());
        let error = got["error"].as_str().unwrap_or_default();
        assert!(error.contains(why), "{schema}: {error}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        (0..levels)
            .fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}))
    };
    for (levels, ok) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
        let got = convert(Dialect::OpenApi31, Direction::Input, json!({}), nested(levels));
        assert_eq!(got.get("error").is_none(), ok, "{levels}");
    }
}

#[test]
fn a_reference_at_the_root_brings_its_definition() {
    let root = json!({"components": {"schemas": {"A": {"type": "object"}}}});
    let schema = json!({"$ref": "#/components/schemas/A"});
    let got = convert(Dialect::OpenApi31, Direction::Output, root, schema);
    assert_eq!(got, json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object"}}}));
}

#[test]
fn what_is_left_out_makes_a_schema_wider_only() {
    for (schema, want) in [
        (json!({"not": {"pattern": "(?i)^con$"}, "type": "string"}), json!({"type": "string"})),
        (
            json!({"oneOf": [{"pattern": "(?i)a"}, {"pattern": "^b$"}]}),
            json!({"allOf": [{"anyOf": [{}, {"pattern": "^b$"}]}]}),
        ),
        (
            json!({"if": {"pattern": "(?i)a"}, "then": {"maxLength": 1}, "minLength": 1}),
            json!({"minLength": 1}),
        ),
        (
            json!({"allOf": [{"patternProperties": {"(?i)^x-": {}}}], "unevaluatedProperties": false}),
            json!({"allOf": [{}]}),
        ),
        (json!({"not": {"pattern": "^a$"}}), json!({"not": {"pattern": "^a$"}})),
    ] {
        let got = convert(Dialect::OpenApi31, Direction::Input, json!({}), schema.clone());
        assert_eq!(got, want, "{schema}");
    }
}

#[test]
fn what_a_definition_lost_counts_where_it_is_used() {
    let word = json!({"type": "string", "pattern": "(?i)^con$"});
    let list = json!({"type": "array", "items": {"$ref": "#/components/schemas/Word"}});
    let root = json!({"components": {"schemas": {"Word": word, "List": list}}});
    let library = Library::new(root);
    let mut c = Converter::new(&library, Dialect::OpenApi31, Direction::Input);
    // The first time it is converted, and the second, when it is known.
    for name in ["List", "Word", "List"] {
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        let got = c.convert(&json!({"not": reference, "title": "t"})).unwrap();
        assert_eq!(got, json!({"title": "t"}), "{name}");
    }
}

#[test]
fn hidden_names_are_required_nowhere_in_an_object() {
    let base = json!({"properties": {"id": {"readOnly": true}, "n": {}}, "required": ["id"]});
    let root = json!({"components": {"schemas": {"Base": base}}});
    let reference = json!({"$ref": "#/components/schemas/Base"});
    for (schema, want) in [
        (json!({"allOf": [reference, {"required": ["id", "n"]}]}), json!({"required": ["n"]})),
        // It says what `id` is, so it has it.
        (
            json!({"allOf": [reference, {"properties": {"id": {}}, "required": ["id"]}]}),
            json!({"properties": {"id": {}}, "required": ["id"]}),
        ),
    ] {
        let got = convert(Dialect::OpenApi31, Direction::Input, root.clone(), schema.clone());
        assert_eq!(got["allOf"][1], want, "{schema}");
    }
    // Branches are apart: one without its rule would fit together with another.
    let schema = json!({"properties": {"id": {"readOnly": true}}, "oneOf": [{"required": ["id"]}, {"required": ["n"]}]});
    let got = convert(Dialect::OpenApi31, Direction::Input, json!({}), schema.clone());
    assert_eq!(got["oneOf"], schema["oneOf"]);
}

#[test]
fn what_cannot_be_converted_leaves_nothing_that_refers_to_it() {
    let root = json!({"components": {"schemas": {
        "A": {"properties": {"b": {"$ref": "#/components/schemas/B"}, "x": {"$dynamicRef": "#y"}}},
        "B": {"properties": {"a": {"$ref": "#/components/schemas/A"}}},
    }}});
    let library = Library::new(root);
    let mut c = Converter::new(&library, Dialect::OpenApi31, Direction::Input);
    for name in ["A", "B", "A"] {
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        assert!(c.convert(&reference).is_err(), "{name}");
    }
}
