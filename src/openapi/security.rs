//! What an operation demands to be let in.

use super::document::Document;
use serde_json::Value;

/// One way in: all of these schemes together. Empty means no credential.
pub type Alternative = Vec<String>;

/// A security scheme as far as a request needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    ApiKey {
        location: super::Location,
        name: String,
    },
    /// `Authorization: Basic`.
    Basic,
    /// `Authorization: Bearer`, which OAuth 2 and OpenID Connect use as well.
    Bearer,
    /// A client certificate, which is the connection's, not the request's.
    MutualTls,
}

/// Alternatives of one operation that are looked at. Real ones have a few.
const ALTERNATIVES_MAX: usize = 64;

/// The alternatives of an operation, in order. Operation overrides root.
pub fn alternatives(document: &Document, operation: &Value) -> Vec<Alternative> {
    operation
        .get("security")
        .or_else(|| document.root().get("security"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .take(ALTERNATIVES_MAX)
        .map(|schemes| schemes.keys().cloned().collect())
        .collect()
}

/// A scheme by its name in the document; `None` when it is missing or of a kind
/// no request can carry.
pub fn scheme(document: &Document, name: &str) -> Option<Scheme> {
    let value = document.root().pointer("/components/securitySchemes")?.get(name)?;
    let value = document.library.follow(value).ok()?;
    if value.get("type").and_then(Value::as_str) == Some("mutualTLS") {
        return Some(Scheme::MutualTls);
    }
    match serde_json::from_value(without_extensions(value)).ok()? {
        openapiv3::SecurityScheme::APIKey { location, name, .. } => {
            use openapiv3::APIKeyLocation as At;
            let location = match location {
                At::Query => super::Location::Query,
                At::Header => super::Location::Header,
                At::Cookie => super::Location::Cookie,
            };
            Some(Scheme::ApiKey { location, name })
        }
        openapiv3::SecurityScheme::HTTP { scheme, .. } => {
            match scheme.to_ascii_lowercase().as_str() {
                "basic" => Some(Scheme::Basic),
                "bearer" => Some(Scheme::Bearer),
                _ => None,
            }
        }
        openapiv3::SecurityScheme::OAuth2 { .. }
        | openapiv3::SecurityScheme::OpenIDConnect { .. } => Some(Scheme::Bearer),
    }
}

/// Flows hold URLs and scopes in shapes that vary; none of it is needed.
fn without_extensions(value: &Value) -> Value {
    let mut out = serde_json::Map::new();
    for key in ["type", "in", "name", "scheme", "openIdConnectUrl"] {
        if let Some(v) = value.get(key) {
            out.insert(key.to_owned(), v.clone());
        }
    }
    match value.get("type").and_then(Value::as_str) {
        Some("oauth2") => {
            out.insert("flows".to_owned(), serde_json::json!({}));
        }
        Some("openIdConnect") => {
            out.entry("openIdConnectUrl").or_insert(Value::String(String::new()));
        }
        _ => {}
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemes() {
        let document = Document::new(
            json!({"openapi": "3.0.0", "paths": {}, "security": [{"a": []}], "components": {"securitySchemes": {
                "a": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "b": {"type": "http", "scheme": "Bearer", "bearerFormat": 7},
                "c": {"type": "http", "scheme": "basic"},
                "d": {"type": "oauth2", "flows": {"weird": 1}},
                "e": {"type": "openIdConnect"},
                "f": {"type": "mutualTLS"},
                "g": {"type": "http", "scheme": "hoba"},
            }}}),
            None,
        )
        .unwrap();
        let key = Scheme::ApiKey { location: super::super::Location::Header, name: "X-Key".into() };
        for (name, want) in [
            ("a", Some(key)),
            ("b", Some(Scheme::Bearer)),
            ("c", Some(Scheme::Basic)),
            ("d", Some(Scheme::Bearer)),
            ("e", Some(Scheme::Bearer)),
            ("f", Some(Scheme::MutualTls)),
            ("g", None),
            ("missing", None),
        ] {
            assert_eq!(scheme(&document, name), want, "{name}");
        }
        assert_eq!(alternatives(&document, &json!({})), [["a".to_owned()]]);
        assert!(alternatives(&document, &json!({"security": []})).is_empty());
    }
}
