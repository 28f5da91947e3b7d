//! A document of every style, form and kind of schema.

use serde_json::{Value, json};

fn parameter(style: &str, place: &str, explode: bool, schema: &Value) -> Value {
    json!({"name": "v", "in": place, "required": place == "path", "style": style, "explode": explode, "schema": schema})
}

/// Kinds of schemas that values are checked against.
fn kinds() -> Vec<(&'static str, Value)> {
    let filter = json!({"$ref": "#/components/schemas/Filter"});
    let branches: Vec<Value> = (0..10)
        .map(|n| json!({"type": "object", "properties": {"a": {"const": n}, "b": {"type": "string"}}}))
        .collect();
    let patterns: serde_json::Map<String, Value> =
        (0..300).map(|n| (format!("^x-{n}[a-z0-9-]*$"), json!({"type": "integer"}))).collect();
    let options: Vec<String> = (0..1000).map(|n| format!("option {n}")).collect();
    let properties: serde_json::Map<String, Value> =
        (0..500).map(|n| (n.to_string(), json!({"type": "string"}))).collect();
    vec![
        ("anything", json!({})),
        ("list", json!({"type": "array", "items": {}})),
        ("integers", json!({"type": "array", "items": {"type": "integer", "multipleOf": 2}})),
        ("filter", filter.clone()),
        ("filters", json!({"type": "array", "items": filter})),
        ("branches", json!({"type": "array", "items": {"oneOf": branches}})),
        (
            "any",
            json!({"anyOf": [{"type": "array", "items": {"anyOf": branches}}, {"type": "string", "maxLength": 5}]}),
        ),
        (
            "patterns",
            json!({"type": "object", "patternProperties": patterns, "additionalProperties": false}),
        ),
        (
            "names",
            json!({"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 900}}),
        ),
        ("unique", json!({"type": "array", "uniqueItems": true})),
        ("options", json!({"type": "array", "items": {"enum": options}})),
        ("properties", json!({"type": "object", "properties": properties, "minProperties": 1})),
        ("look", json!({"type": "string", "pattern": "^(?=(a+)+$)(?<!b)a"})),
        ("behind", json!({"type": "string", "pattern": "(?<=(a|aa)+)c"})),
        ("backwards", json!({"type": "string", "pattern": "(a*)*\\1b"})),
        ("pattern", json!({"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"})),
        (
            "contains",
            json!({"type": "array", "contains": {"type": "object", "required": ["x"]}, "minContains": 2}),
        ),
        (
            "unevaluated",
            json!({"allOf": [{"properties": {"a": {}}}, {"patternProperties": {"^p": {}}}], "unevaluatedProperties": {"type": "string"}}),
        ),
        (
            "conditions",
            json!({"items": {"if": {"required": ["a"]}, "then": {"properties": {"a": {"type": "array"}}}, "else": {"not": {"required": ["b"]}}}}),
        ),
        ("trees", json!({"$ref": "#/components/schemas/Tree"})),
    ]
}

fn schemas() -> Value {
    let group = |op: &str| {
        json!({"type": "object", "required": ["op", "children"], "additionalProperties": false, "properties": {
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Filter"}}, "op": {"const": op}}})
    };
    let leaf = json!({"type": "object", "required": ["field"], "additionalProperties": false,
        "properties": {"field": {"type": "string"}, "value": {}}});
    let tree = json!({"$ref": "#/components/schemas/Tree"});
    json!({
        "Filter": {"oneOf": [group("and"), group("or"), leaf]},
        // Every value may be one of several kinds, at each level.
        "Tree": {"anyOf": [
            {"type": "object", "additionalProperties": tree, "maxProperties": 1},
            {"type": "array", "items": tree, "maxItems": 1},
            {"type": "object", "additionalProperties": {"anyOf": [tree, {"type": "null"}]}, "minProperties": 2},
            {"type": "array", "items": {"oneOf": [tree, {"type": "boolean"}]}},
            {"type": "integer"},
        ]},
    })
}

pub fn document() -> Value {
    let mut paths = serde_json::Map::new();
    let free = json!({"type": ["object", "array", "string"], "additionalProperties": true});
    let mut add = |id: String, path: &str, parameters: Vec<Value>, body: Option<Value>| {
        let mut operation = json!({"operationId": id, "responses": {}, "parameters": parameters});
        let method = if body.is_some() { "post" } else { "get" };
        if let Some(content) = body {
            operation["requestBody"] = json!({"content": content});
        }
        paths.insert(path.replace("{id}", &id), json!({ method: operation }));
    };
    for (style, place) in [
        ("form", "query"),
        ("spaceDelimited", "query"),
        ("pipeDelimited", "query"),
        ("deepObject", "query"),
        ("simple", "header"),
        ("form", "cookie"),
        ("simple", "path"),
        ("label", "path"),
        ("matrix", "path"),
    ] {
        for explode in [true, false] {
            let path = if place == "path" { "/{id}/{v}" } else { "/{id}" };
            let id = format!("{place}_{style}_{explode}");
            add(id, path, vec![parameter(style, place, explode, &free)], None);
        }
    }
    for place in ["query", "header", "cookie"] {
        let content =
            json!({"name": "v", "in": place, "content": {"application/json": {"schema": free}}});
        add(format!("{place}_content"), "/{id}", vec![content], None);
    }
    for (kind, schema) in kinds() {
        let content = json!({"application/json": {"schema": schema}});
        add(format!("json_{kind}"), "/{id}", Vec::new(), Some(content));
    }
    let form = "application/x-www-form-urlencoded";
    for media in
        [form, "multipart/form-data", "application/xml", "text/plain", "application/octet-stream"]
    {
        let id = format!("body_{}", media.replace(['/', '-'], "_"));
        add(id, "/{id}", Vec::new(), Some(json!({media: {"schema": free}})));
    }
    for style in ["form", "spaceDelimited", "pipeDelimited", "deepObject"] {
        for explode in [true, false] {
            let schema = json!({"type": "object", "properties": {"a": {}, "0": {}}, "additionalProperties": true});
            let encoding = json!({"a": {"style": style, "explode": explode}, "0": {"style": style, "explode": explode}});
            let content = json!({form: {"schema": schema, "encoding": encoding}});
            add(format!("form_{style}_{explode}"), "/{id}", Vec::new(), Some(content));
        }
    }
    let wrapped = json!({"type": "object", "xml": {"name": "n".repeat(200)}, "additionalProperties": true,
        "properties": {"a": {"type": "array", "xml": {"wrapped": true}, "items": {"type": "integer", "xml": {"name": "i".repeat(200)}}}}});
    add(
        "xml_names".to_owned(),
        "/{id}",
        Vec::new(),
        Some(json!({"application/xml": {"schema": wrapped}})),
    );
    json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, "components": {"schemas": schemas()}})
}
