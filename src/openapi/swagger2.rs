//! Swagger 2.0 -> the shape of OpenAPI 3.0, on the value as it was read.
//!
//! Only what an operation is made of is rewritten. Schemas stay where they are,
//! so that `#/definitions/...` still leads to them.

use crate::schema::Library;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// Rewrites a whole document. What cannot be understood is left as it is, for
/// the operation that uses it to be told.
pub fn raise(root: Value) -> Value {
    let library = Library::new(root);
    let old = library.root();
    let mut new = old.as_object().cloned().unwrap_or_default();
    new.insert("openapi".to_owned(), json!("3.0.3"));
    new.insert("servers".to_owned(), servers(old));
    if let Some(definitions) = old.get("securityDefinitions").and_then(Value::as_object) {
        let schemes: Object =
            definitions.iter().map(|(name, s)| (name.clone(), security_scheme(s))).collect();
        new.insert("components".to_owned(), json!({ "securitySchemes": schemes }));
    }
    if let Some(paths) = old.get("paths").and_then(Value::as_object) {
        let paths: Object =
            paths.iter().map(|(path, item)| (path.clone(), path_item(&library, item))).collect();
        new.insert("paths".to_owned(), Value::Object(paths));
    }
    Value::Object(new)
}

/// `schemes` (https first), `host` and `basePath`.
fn servers(root: &Value) -> Value {
    let text = |key: &str| root.get(key).and_then(Value::as_str).unwrap_or_default();
    let base = text("basePath");
    let url = match text("host") {
        "" if base.is_empty() => "/".to_owned(),
        "" => base.to_owned(),
        host => {
            let schemes: Vec<&str> = texts(root.get("schemes"));
            let scheme =
                if schemes.is_empty() || schemes.contains(&"https") { "https" } else { schemes[0] };
            format!("{scheme}://{host}{base}")
        }
    };
    json!([{ "url": url }])
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn security_scheme(scheme: &Value) -> Value {
    match scheme.get("type").and_then(Value::as_str) {
        Some("basic") => json!({"type": "http", "scheme": "basic"}),
        Some("oauth2") => json!({"type": "oauth2", "flows": {}}),
        _ => scheme.clone(),
    }
}

fn path_item(library: &Library, item: &Value) -> Value {
    let Some(old) = item.as_object() else { return item.clone() };
    let mut new = old.clone();
    // Body and form parameters of the path belong to each of its operations.
    new.shift_remove("parameters");
    let shared = old.get("parameters").and_then(Value::as_array);
    for method in METHODS {
        if let Some(operation) = old.get(method).and_then(Value::as_object) {
            new.insert(method.to_owned(), operation_3(library, operation, shared));
        }
    }
    Value::Object(new)
}

fn operation_3(library: &Library, old: &Object, shared: Option<&Vec<Value>>) -> Value {
    let mut new = old.clone();
    let mut merged: Vec<Value> = Vec::new();
    let own = old.get("parameters").and_then(Value::as_array);
    for parameter in shared.into_iter().chain(own).flatten() {
        // A reference that leads nowhere stays, and is told where it is read.
        let parameter = library.follow(parameter).unwrap_or(parameter).clone();
        let same = |p: &Value| {
            p.get("name") == parameter.get("name") && p.get("in") == parameter.get("in")
        };
        match merged.iter_mut().find(|p| parameter.get("name").is_some() && same(p)) {
            Some(earlier) => *earlier = parameter,
            None => merged.push(parameter),
        }
    }
    let place = |p: &Value| p.get("in").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (form, rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|p| place(p) == "formData");
    let (body, rest): (Vec<Value>, Vec<Value>) = rest.into_iter().partition(|p| place(p) == "body");
    let consumes = media(library.root(), old, "consumes", "application/json");
    new.insert("parameters".to_owned(), rest.into_iter().map(parameter_3).collect());
    if let Some(body) = body.into_iter().next() {
        new.insert("requestBody".to_owned(), body_3(&body, &consumes));
    } else if !form.is_empty() {
        new.insert("requestBody".to_owned(), form_3(&form, &consumes));
    }
    let produces = media(library.root(), old, "produces", "application/json");
    if let Some(responses) = old.get("responses").and_then(Value::as_object) {
        let responses: Object = responses
            .iter()
            .map(|(status, r)| {
                (status.clone(), response_3(library.follow(r).unwrap_or(r), &produces))
            })
            .collect();
        new.insert("responses".to_owned(), Value::Object(responses));
    }
    Value::Object(new)
}

/// `consumes` or `produces` of the operation, else of the document.
fn media(root: &Value, operation: &Object, key: &str, default: &str) -> Vec<String> {
    let own = texts(operation.get(key).or_else(|| root.get(key)));
    if own.is_empty() {
        vec![default.to_owned()]
    } else {
        own.into_iter().map(str::to_owned).collect()
    }
}

/// Keywords of the parameter itself; all others are its schema.
const NOT_SCHEMA: [&str; 6] =
    ["name", "in", "required", "description", "collectionFormat", "allowEmptyValue"];

fn parameter_3(old: Value) -> Value {
    let Value::Object(old) = old else { return old };
    if old.contains_key("$ref") {
        return Value::Object(old);
    }
    let is_query = old.get("in").and_then(Value::as_str) == Some("query");
    let format = old.get("collectionFormat").and_then(Value::as_str).unwrap_or("csv");
    let (style, explode) = style(format, is_query);
    let mut new = Object::new();
    let mut schema = Object::new();
    for (key, value) in old {
        match key.as_str() {
            "collectionFormat" | "allowEmptyValue" => {}
            k if NOT_SCHEMA.contains(&k) => {
                new.insert(key, value);
            }
            _ => {
                schema.insert(key, value);
            }
        }
    }
    if is_query {
        new.insert("style".to_owned(), json!(style));
        new.insert("explode".to_owned(), json!(explode));
    }
    new.insert("schema".to_owned(), Value::Object(schema));
    Value::Object(new)
}

/// Only a query can hold other forms than comma-separated ones.
fn style(collection_format: &str, is_query: bool) -> (&'static str, bool) {
    match collection_format {
        "ssv" if is_query => ("spaceDelimited", false),
        "tsv" if is_query => ("tabDelimited", false),
        "pipes" if is_query => ("pipeDelimited", false),
        "multi" if is_query => ("form", true),
        _ => ("form", false),
    }
}

/// The body in every JSON medium there is, or in every medium.
fn body_3(body: &Value, consumes: &[String]) -> Value {
    let json_media: Vec<&String> = consumes.iter().filter(|c| c.contains("json")).collect();
    let media: Vec<&String> =
        if json_media.is_empty() { consumes.iter().collect() } else { json_media };
    let schema = body.get("schema").cloned().unwrap_or_else(|| json!({}));
    let content: Object =
        media.into_iter().map(|m| (m.clone(), json!({ "schema": schema }))).collect();
    let mut new = json!({ "content": content });
    for key in ["required", "description"] {
        if let Some(value) = body.get(key) {
            new[key] = value.clone();
        }
    }
    new
}

fn form_3(form: &[Value], consumes: &[String]) -> Value {
    let has_file = form.iter().any(|p| p.get("type").and_then(Value::as_str) == Some("file"));
    let says = |media: &str| consumes.iter().any(|c| c == media);
    let multipart =
        has_file || (says("multipart/form-data") && !says("application/x-www-form-urlencoded"));
    let (mut properties, mut required, mut encoding) = (Object::new(), Vec::new(), Object::new());
    for parameter in form {
        let Some(name) = parameter.get("name").and_then(Value::as_str) else { continue };
        let converted = parameter_3(parameter.clone());
        let mut schema = converted.get("schema").cloned().unwrap_or_else(|| json!({}));
        if let Some(description) = parameter.get("description") {
            schema["description"] = description.clone();
        }
        properties.insert(name.to_owned(), schema);
        if parameter.get("required") == Some(&Value::Bool(true)) {
            required.push(name);
        }
        if parameter.get("type").and_then(Value::as_str) == Some("array") {
            let format = parameter.get("collectionFormat").and_then(Value::as_str).unwrap_or("csv");
            let (style, explode) = style(format, true);
            encoding.insert(name.to_owned(), json!({"style": style, "explode": explode}));
        }
    }
    let needed = !required.is_empty();
    let mut schema = json!({"type": "object", "properties": properties});
    if needed {
        schema["required"] = json!(required);
    }
    let name = if multipart { "multipart/form-data" } else { "application/x-www-form-urlencoded" };
    json!({"required": needed, "content": {name: {"schema": schema, "encoding": encoding}}})
}

fn response_3(old: &Value, produces: &[String]) -> Value {
    let Some(schema) = old.get("schema") else { return old.clone() };
    let is_file = schema.get("type").and_then(Value::as_str) == Some("file");
    let content: Object = produces
        .iter()
        .map(|m| (m.clone(), if is_file { json!({}) } else { json!({ "schema": schema }) }))
        .collect();
    let mut new = old.clone();
    new["content"] = Value::Object(content);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(operation: Value) -> Value {
        let root = json!({
            "swagger": "2.0", "host": "h.test", "basePath": "/v1", "schemes": ["http", "https"],
            "consumes": ["application/json", "application/xml"],
            "parameters": {"Page": {"name": "page", "in": "query", "type": "integer", "minimum": 1}},
            "responses": {"Ok": {"description": "ok", "schema": {"$ref": "#/definitions/A"}}},
            "definitions": {"A": {"type": "object"}},
            "securityDefinitions": {"b": {"type": "basic"}, "k": {"type": "apiKey", "in": "header", "name": "X"}},
            "paths": {"/a": {"parameters": [{"name": "id", "in": "query", "type": "string"}], "post": operation}},
        });
        raise(root)
    }

    #[test]
    fn servers_and_security() {
        let new = raised(json!({}));
        assert_eq!(new["servers"][0]["url"], "https://h.test/v1");
        let schemes = &new["components"]["securitySchemes"];
        assert_eq!(schemes["b"], json!({"type": "http", "scheme": "basic"}));
        assert_eq!(schemes["k"]["name"], "X");
    }

    #[test]
    fn parameters_bodies_and_responses() {
        let new = raised(json!({
            "parameters": [
                {"$ref": "#/parameters/Page"},
                {"name": "tags", "in": "query", "type": "array", "items": {"type": "string"}, "collectionFormat": "pipes"},
                {"name": "b", "in": "body", "required": true, "schema": {"$ref": "#/definitions/A"}},
            ],
            "responses": {"200": {"$ref": "#/responses/Ok"}},
        }));
        let operation = &new["paths"]["/a"]["post"];
        assert_eq!(
            operation["parameters"],
            json!([
                {"name": "id", "in": "query", "style": "form", "explode": false, "schema": {"type": "string"}},
                {"name": "page", "in": "query", "style": "form", "explode": false, "schema": {"type": "integer", "minimum": 1}},
                {"name": "tags", "in": "query", "style": "pipeDelimited", "explode": false, "schema": {"type": "array", "items": {"type": "string"}}},
            ])
        );
        assert_eq!(
            operation["requestBody"],
            json!({"content": {"application/json": {"schema": {"$ref": "#/definitions/A"}}}, "required": true})
        );
        let content = &operation["responses"]["200"]["content"];
        assert_eq!(content["application/json"]["schema"]["$ref"], "#/definitions/A");
    }

    #[test]
    fn forms() {
        for (consumes, field, want) in [
            (json!(["multipart/form-data"]), json!({"type": "string"}), "multipart/form-data"),
            (json!(["application/json"]), json!({"type": "file"}), "multipart/form-data"),
            (
                json!(["application/json"]),
                json!({"type": "string"}),
                "application/x-www-form-urlencoded",
            ),
        ] {
            let mut field = field;
            field["name"] = json!("f");
            field["in"] = json!("formData");
            field["required"] = json!(true);
            let new = raised(json!({"consumes": consumes, "parameters": [field]}));
            let body = &new["paths"]["/a"]["post"]["requestBody"];
            assert_eq!(body["required"], true);
            assert_eq!(body["content"][want]["schema"]["required"], json!(["f"]), "{body}");
        }
    }
}
