//! Where an API lives, by its document.

use super::document::Document;
use serde_json::Value;

/// The base URL of an operation: the first server of the nearest level that
/// names one, its variables at their defaults. `None` when the document gives
/// no absolute URL and did not come from one.
pub fn base_url(document: &Document, levels: [Option<&Value>; 2]) -> Option<String> {
    let first = |v: &Value| -> Option<String> { v.as_array()?.first().and_then(filled) };
    let url = levels
        .into_iter()
        .flatten()
        .chain(document.root().get("servers"))
        .find_map(first)
        .unwrap_or_else(|| "/".to_owned());
    absolute(&url, document.url.as_deref())
}

fn filled(server: &Value) -> Option<String> {
    let mut url = server.get("url")?.as_str()?.to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten()
    {
        let default = match variable.get("default") {
            Some(Value::String(s)) => s.clone(),
            Some(other) => other.to_string(),
            None => continue,
        };
        url = url.replace(&format!("{{{name}}}"), &default);
    }
    Some(url)
}

fn absolute(url: &str, document: Option<&str>) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    match uri.scheme_str() {
        Some("http" | "https") => Some(url.to_owned()),
        Some(_) => None,
        None => {
            let origin: http::Uri = document?.parse().ok()?;
            let (scheme, authority) = (origin.scheme_str()?, origin.authority()?);
            let path = if url.starts_with('/') {
                url.to_owned()
            } else {
                let directory = origin.path().rsplit_once('/').map_or("", |(d, _)| d);
                format!("{directory}/{}", url.trim_start_matches("./"))
            };
            Some(format!("{scheme}://{authority}{path}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nearest_level_wins_and_variables_take_their_defaults() {
        let servers = json!([
            {"url": "https://{region}.example.com/{base}", "variables": {"region": {"default": "eu"}, "base": {"default": "v1"}}},
            {"url": "https://other.example.com"}
        ]);
        let relative = json!([{"url": "/api"}]);
        for (root, operation, from, want) in [
            (servers.clone(), None, None, Some("https://eu.example.com/v1")),
            (servers, Some(json!([{"url": "http://x.test/y"}])), None, Some("http://x.test/y")),
            (relative.clone(), None, None, None),
            (relative, None, Some("https://a.test/docs/api.json"), Some("https://a.test/api")),
            (
                json!([{"url": "v2"}]),
                None,
                Some("https://a.test/docs/api.json"),
                Some("https://a.test/docs/v2"),
            ),
            (json!(null), None, Some("https://a.test/docs/api.json"), Some("https://a.test/")),
            (json!([{"url": "ftp://x"}]), None, None, None),
        ] {
            let root = json!({"openapi": "3.1.0", "paths": {}, "servers": root});
            let document = Document::new(root, from.map(str::to_owned)).unwrap();
            assert_eq!(base_url(&document, [operation.as_ref(), None]).as_deref(), want);
        }
    }
}
