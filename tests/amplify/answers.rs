//! Answers, and tools that promise structure of several kinds.

use serde_json::{Value, json};

pub fn document() -> Value {
    let tree = json!({"$ref": "#/components/schemas/Tree"});
    let kinds = [
        ("none", Value::Null),
        ("list", json!({"type": "array", "items": {"type": ["integer", "null"]}})),
        (
            "union",
            json!({"type": "array", "items": {"anyOf": [{"type": "object", "required": ["a"]}, {"type": "array"}, {"type": "string"}]}}),
        ),
        ("map", json!({"type": "object", "additionalProperties": {"type": "integer"}})),
        ("tree", tree.clone()),
        (
            "record",
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}}),
        ),
    ];
    let mut paths = serde_json::Map::new();
    for (kind, schema) in kinds {
        for media in ["application/json", "application/xml"] {
            let content =
                if schema.is_null() { json!({}) } else { json!({media: {"schema": schema}}) };
            let id = format!("{kind}_{}", &media[12..]);
            let operation = json!({"operationId": id, "responses": {"200": {"description": "ok", "content": content}}});
            paths.insert(format!("/{id}"), json!({"get": operation}));
        }
    }
    let schemas = json!({"Tree": {"anyOf": [
        {"type": "object", "additionalProperties": tree},
        {"type": "array", "items": tree},
        {"type": "integer"},
    ]}});
    json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, "components": {"schemas": schemas}})
}

/// Bodies that are no JSON.
pub fn others(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let repeat = |text: &str| text.repeat(size / text.len()).into_bytes();
    let xml = |inner: &str| [b"<r>".to_vec(), repeat(inner), b"</r>".to_vec()].concat();
    vec![
        ("NUL", vec![0; size]),
        ("no UTF-8", vec![0xff; size]),
        ("quotes", repeat("\"")),
        ("line breaks", repeat("\n")),
        ("empty tags", xml("<a/>")),
        ("tags", xml("<a>1</a>")),
        ("tags of tags", xml("<a><b/></a>")),
        ("attributes", xml("<a b='1' c='2'/>")),
        ("deep tags", [repeat("<a>"), repeat("</a>")].concat()),
        ("nothing", Vec::new()),
    ]
}
