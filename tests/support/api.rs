//! The document of the scripted API: each operation once for the way that reads
//! an answer whole and once for the way that passes it on as it comes.

use serde_json::{Value, json};

/// The two ways an answer takes, by the name of their tool.
pub const WAYS: [&str; 2] = ["whole", "streamed"];

/// The tools of [`document`] that read and those that send a body.
pub fn get(way: &str) -> String {
    format!("{way}_get")
}

pub fn post(way: &str) -> String {
    format!("{way}_post")
}

/// `GET` and `POST` of `/whole/{case}` and `/streamed/{case}`.
pub fn document() -> Value {
    let case =
        json!({"name": "case", "in": "path", "required": true, "schema": {"type": "string"}});
    let mut paths = serde_json::Map::new();
    for way in WAYS {
        let item = json!({
            "parameters": [case],
            "get": {"operationId": get(way), "responses": {}},
            "post": {
                "operationId": post(way),
                "requestBody": {"content": {"application/json": {"schema": {}}}},
                "responses": {},
            },
        });
        paths.insert(format!("/{way}/{{case}}"), item);
    }
    of(Value::Object(paths))
}

/// A document of some paths.
pub fn of(paths: Value) -> Value {
    json!({"openapi": "3.1.0", "info": {"title": "Test", "version": "1"}, "paths": paths})
}

/// A document of one operation that takes nothing.
pub fn one(id: &str) -> Value {
    of(json!({"/one": {"get": {"operationId": id, "responses": {}}}}))
}
