//! The operations of a document. One that cannot be read is left out with its
//! reason; it never costs the document.

use super::document::Document;
use super::parameter::{Location, Parameter, merged};
use serde_json::{Map, Value};

#[derive(Debug)]
pub struct Operation<'d> {
    pub id: Option<&'d str>,
    pub method: http::Method,
    /// The path as the document gives it.
    pub path: &'d str,
    /// The path without what follows `?` or `#`.
    pub template: &'d str,
    /// A query that every call carries (`/search?type=book`).
    pub fixed_query: &'d str,
    pub summary: Option<&'d str>,
    pub description: Option<&'d str>,
    pub deprecated: bool,
    pub tags: Vec<&'d str>,
    pub parameters: Vec<Parameter<'d>>,
    pub body: Option<Body<'d>>,
    pub responses: Vec<Response<'d>>,
    /// The operation and its path item as they stand, for extensions.
    pub value: Option<&'d Value>,
    pub path_item: Option<&'d Value>,
    pub base_url: Option<String>,
    pub security: Vec<super::security::Alternative>,
}

#[derive(Debug)]
pub struct Body<'d> {
    pub required: bool,
    pub description: Option<String>,
    pub media: Vec<Media<'d>>,
}

#[derive(Debug)]
pub struct Media<'d> {
    /// As the document writes it, parameters included.
    pub name: &'d str,
    pub schema: Option<&'d Value>,
    pub encoding: Option<&'d Value>,
}

#[derive(Debug)]
pub struct Response<'d> {
    /// `200`, `2XX` or `default`.
    pub status: &'d str,
    pub media: Vec<Media<'d>>,
}

/// An operation that no tool can be made of, and why.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Skipped {
    pub method: String,
    pub path: String,
    pub reason: String,
}

/// The methods a path item names by keys of its own, in the order tools are
/// listed. 3.2 has all others under `additionalOperations`.
const KEYS: [&str; 9] =
    ["get", "head", "query", "post", "put", "patch", "delete", "options", "trace"];

/// Every operation of the document that has one of the methods, in its order.
pub fn operations<'d>(
    document: &'d Document,
    methods: &[String],
) -> (Vec<Operation<'d>>, Vec<Skipped>) {
    let (mut good, mut skipped) = (Vec::new(), Vec::new());
    let paths = document.root().get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        if path.starts_with("x-") {
            continue;
        }
        let item = match path_item(document, path, item) {
            Ok(item) => item,
            Err(reason) => {
                skipped.push(Skipped { method: "*".to_owned(), path: path.clone(), reason });
                continue;
            }
        };
        for (name, value) in item.operations() {
            if !methods.contains(&name) {
                continue;
            }
            let Ok(method) = http::Method::from_bytes(name.as_bytes()) else { continue };
            match operation(document, path, &item, method.clone(), value) {
                Ok(operation) => good.push(operation),
                Err(reason) => {
                    skipped.push(Skipped { method: method.to_string(), path: path.clone(), reason })
                }
            }
        }
    }
    (good, skipped)
}

/// A path item and what its `$ref` adds; its own members win.
struct PathItem<'d> {
    value: &'d Value,
    own: &'d Map<String, Value>,
    referred: Option<&'d Map<String, Value>>,
}

impl<'d> PathItem<'d> {
    fn get(&self, key: &str) -> Option<&'d Value> {
        self.own.get(key).or_else(|| self.referred?.get(key))
    }
}

impl<'d> PathItem<'d> {
    /// Every operation and its method in upper case.
    fn operations(&self) -> Vec<(String, &'d Value)> {
        let named = KEYS.iter().filter_map(|k| Some((k.to_ascii_uppercase(), self.get(k)?)));
        let more = self.get("additionalOperations").and_then(Value::as_object);
        named.chain(more.into_iter().flatten().map(|(k, v)| (k.to_ascii_uppercase(), v))).collect()
    }
}

fn path_item<'d>(
    document: &'d Document,
    path: &str,
    item: &'d Value,
) -> Result<PathItem<'d>, String> {
    let own = item.as_object().ok_or("the path item is not an object")?;
    if !path.starts_with('/') {
        return Err("the path does not start with `/`".to_owned());
    }
    if path.contains(['\r', '\n', '\0']) {
        return Err("the path has a line break or a NUL, which no request can have".to_owned());
    }
    let (template, query, fragment) = split(path);
    if query.contains(['{', '}', '?']) || fragment.contains(['{', '}']) {
        return Err(
            "the path has arguments after `?` or `#`; declare them as parameters".to_owned()
        );
    }
    // As a server may read it: decoded, and with either slash.
    let decoded = percent_encoding::percent_decode_str(template).decode_utf8_lossy();
    if decoded.starts_with("//") || decoded.split(['/', '\\']).any(|s| s == "." || s == "..") {
        return Err("the path names another host or leaves its base".to_owned());
    }
    let referred = match own.get("$ref") {
        Some(_) => document.library.follow(item)?.as_object(),
        None => None,
    };
    Ok(PathItem { value: item, own, referred })
}

fn operation<'d>(
    document: &'d Document,
    path: &'d str,
    item: &PathItem<'d>,
    method: http::Method,
    value: &'d Value,
) -> Result<Operation<'d>, String> {
    if !value.is_object() {
        return Err("the operation is not an object".to_owned());
    }
    let (template, fixed_query, _) = split(path);
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let mut parameters = merged(document, item.get("parameters"), value.get("parameters"))?;
    declared(template, &mut parameters)?;
    Ok(Operation {
        id: text("operationId"),
        method,
        path,
        template,
        fixed_query,
        summary: text("summary").or_else(|| item.get("summary").and_then(Value::as_str)),
        description: text("description")
            .or_else(|| item.get("description").and_then(Value::as_str)),
        deprecated: value.get("deprecated") == Some(&Value::Bool(true)),
        tags: texts(value.get("tags")),
        parameters,
        body: value.get("requestBody").map(|b| body(document, b)).transpose()?.flatten(),
        responses: responses(document, value.get("responses"))?,
        value: Some(value),
        path_item: Some(item.value),
        base_url: super::server::base_url(document, [value.get("servers"), item.get("servers")]),
        security: super::security::alternatives(document, value),
    })
}

/// A path's template, the query that every request has, and the fragment. The
/// fragment only tells operations of one path apart: no request carries it.
fn split(path: &str) -> (&str, &str, &str) {
    let (before, fragment) = path.split_once('#').unwrap_or((path, ""));
    let (template, query) = before.split_once('?').unwrap_or((before, ""));
    (template, query, fragment)
}

/// Every hole of the template has its parameter; a path parameter without a
/// hole has no place to go.
fn declared(template: &str, parameters: &mut Vec<Parameter<'_>>) -> Result<(), String> {
    let holes = holes(template)?;
    for hole in &holes {
        let found = parameters.iter().any(|p| p.location == Location::Path && p.name == *hole);
        if !found {
            return Err(format!("the path parameter `{hole}` is not declared"));
        }
    }
    parameters.retain(|p| p.location != Location::Path || holes.contains(&p.name.as_str()));
    Ok(())
}

/// The names in braces of a path template.
pub fn holes(template: &str) -> Result<Vec<&str>, String> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let after = &rest[open + 1..];
        let Some(close) = after.find('}') else {
            return Err("the path has a `{` without its `}`".to_owned());
        };
        out.push(&after[..close]);
        rest = &after[close + 1..];
    }
    Ok(out)
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn body<'d>(document: &'d Document, value: &'d Value) -> Result<Option<Body<'d>>, String> {
    let value = document.library.follow(value)?;
    let mut skeleton = Map::new();
    for key in ["required", "description"] {
        if let Some(v) = value.get(key).filter(|v| !v.is_null()) {
            skeleton.insert(key.to_owned(), v.clone());
        }
    }
    let typed: openapiv3::RequestBody = serde_json::from_value(Value::Object(skeleton))
        .map_err(|e| format!("the request body: {e}"))?;
    let media = media(document, value.get("content"))?;
    if media.is_empty() {
        return Ok(None);
    }
    Ok(Some(Body { required: typed.required, description: typed.description, media }))
}

fn media<'d>(document: &'d Document, content: Option<&'d Value>) -> Result<Vec<Media<'d>>, String> {
    content
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| {
            let value = document.library.follow(value)?;
            Ok(Media { name, schema: value.get("schema"), encoding: value.get("encoding") })
        })
        .collect()
}

/// Responses that cannot be read are left out: they only tell what may come
/// back, and a call works without knowing.
fn responses<'d>(
    document: &'d Document,
    value: Option<&'d Value>,
) -> Result<Vec<Response<'d>>, String> {
    let Some(map) = value.and_then(Value::as_object) else { return Ok(Vec::new()) };
    let read = |(status, response): (&'d String, &'d Value)| {
        let response = document.library.follow(response).ok()?;
        let media = media(document, response.get("content")).ok()?;
        Some(Response { status, media })
    };
    Ok(map.iter().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::USUAL_METHODS;
    use crate::openapi::Style;
    use serde_json::json;

    fn load(paths: Value) -> Document {
        let root = json!({"openapi": "3.1.0", "paths": paths, "components": {
            "parameters": {"Page": {"name": "page", "in": "query", "schema": {"type": "integer"}}},
            "pathItems": {"Shared": {"get": {"operationId": "shared"}}},
        }});
        Document::new(root, None).unwrap()
    }

    #[test]
    fn what_can_be_read_and_what_is_left_out() {
        let d = load(json!({
            "/a/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
                "get": {"operationId": "getA", "parameters": [{"$ref": "#/components/parameters/Page"}]},
                "put": {"requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object"}}}}},
                "options": {},
            },
            "/search?type=book#x": {"get": {"operationId": "search"}},
            "/search?type={type}": {"get": {}},
            "/search?a=b?c": {"get": {}},
            "/search#{part}": {"get": {}},
            "/a\r\nb": {"get": {}},
            "/b/{gone}": {"get": {}},
            "/c": {"get": {"parameters": [{"$ref": "#/components/parameters/Nope"}]}},
            "/d": {"get": {"parameters": [{"name": "f", "in": "formData"}]}},
            "/e": {"$ref": "#/components/pathItems/Shared"},
            "/f/../g": {"get": {}},
            "h": {"get": {}},
            "/i": {"post": {"requestBody": {"required": [true]}}},
            "/j": 7,
            "x-other": {"get": {}},
        }));
        let (good, skipped) = operations(&d, &USUAL_METHODS.map(str::to_owned));
        let names: Vec<String> =
            good.iter().map(|o| format!("{} {}", o.method, o.template)).collect();
        assert_eq!(names, ["GET /a/{id}", "PUT /a/{id}", "GET /search", "GET /e"]);
        assert_eq!(good[0].parameters.len(), 2);
        assert_eq!(good[2].fixed_query, "type=book");
        let reasons: Vec<String> =
            skipped.iter().map(|s| format!("{} {}", s.path, s.reason)).collect();
        let wanted = [
            ("/search?type={type}", "arguments after"),
            ("/search?a=b?c", "arguments after"),
            ("/search#{part}", "arguments after"),
            ("/a\r\nb", "line break"),
            ("/b/{gone}", "not declared"),
            ("/c", "points at nothing"),
            ("/d", "formData"),
            ("/f/../g", "leaves its base"),
            ("h", "does not start"),
            ("/i", "request body"),
            ("/j", "not an object"),
        ];
        assert_eq!(reasons.len(), wanted.len(), "{reasons:#?}");
        for (path, part) in wanted {
            assert!(
                reasons.iter().any(|r| r.starts_with(path) && r.contains(part)),
                "{path}: {reasons:#?}"
            );
        }
    }

    #[test]
    fn operation_parameters_win_and_ignored_headers_go() {
        let d = load(json!({"/a": {
            "parameters": [
                {"name": "X-Trace", "in": "header", "schema": {}},
                {"name": "q", "in": "query", "schema": {}},
                {"name": "Authorization", "in": "header", "schema": {}},
                {"name": "Mcp-Session-Id", "in": "header", "schema": {}},
            ],
            "get": {"parameters": [
                {"name": "x-trace", "in": "header", "required": true, "schema": {}},
                {"name": "tags", "in": "query", "style": "pipeDelimited", "schema": {}},
            ]},
        }}));
        let (good, _) = operations(&d, &USUAL_METHODS.map(str::to_owned));
        let got: Vec<_> = good[0]
            .parameters
            .iter()
            .map(|p| (p.name.as_str(), p.required, p.style, p.explode))
            .collect();
        assert_eq!(
            got,
            [
                ("x-trace", true, Style::Simple, false),
                ("q", false, Style::Form, true),
                ("tags", false, Style::PipeDelimited, false),
            ]
        );
    }
}
