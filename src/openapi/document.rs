//! One document: its version and its references.

use crate::schema::{Dialect, Library};
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Swagger 2.0, in the shape of 3.0.
    V20,
    V30,
    V31,
    V32,
}

impl Version {
    pub fn name(self) -> &'static str {
        match self {
            Version::V20 => "2.0",
            Version::V30 => "3.0",
            Version::V31 => "3.1",
            Version::V32 => "3.2",
        }
    }

    pub fn dialect(self) -> Dialect {
        match self {
            Version::V20 | Version::V30 => Dialect::OpenApi30,
            Version::V31 | Version::V32 => Dialect::OpenApi31,
        }
    }
}

/// A document that was read and whose version is known.
#[derive(Debug)]
pub struct Document {
    pub version: Version,
    pub library: Library,
    /// Where it came from: relative server URLs are relative to it.
    pub url: Option<String>,
    /// Other files that were taken in.
    pub files: Vec<String>,
}

impl Document {
    /// Takes a document in, or says why it is none.
    pub fn new(root: Value, url: Option<String>) -> Result<Self, String> {
        if !root.is_object() {
            return Err("the document is not an object; is it an OpenAPI document?".to_owned());
        }
        let version = version(&root)?;
        if root.get("paths").is_some_and(|p| !p.is_object()) {
            return Err("the document's `paths` is not an object".to_owned());
        }
        let root = if version == Version::V20 { super::swagger2::raise(root) } else { root };
        Ok(Document { version, library: Library::new(root), url, files: Vec::new() })
    }

    pub fn root(&self) -> &Value {
        self.library.root()
    }

    pub fn title(&self) -> Option<&str> {
        self.root().pointer("/info/title").and_then(Value::as_str).filter(|t| !t.is_empty())
    }
}

fn version(root: &Value) -> Result<Version, String> {
    // Some documents give the version as a number.
    let text = |v: &Value| match v {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    if let Some(v) = root.get("swagger") {
        return match text(v).starts_with('2') {
            true => Ok(Version::V20),
            false => Err(format!("Swagger {} is not supported; 2.0 is", text(v))),
        };
    }
    let Some(v) = root.get("openapi") else {
        return Err("the document has no `openapi` version; is it an OpenAPI document?".to_owned());
    };
    let v = text(v);
    match v.get(..3) {
        Some("3.0") => Ok(Version::V30),
        Some("3.1") => Ok(Version::V31),
        Some("3.2") => Ok(Version::V32),
        _ => Err(format!("OpenAPI {v} is not supported; 2.0, 3.0, 3.1 and 3.2 are")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions() {
        for (root, want) in [
            (json!({"openapi": "3.0.3", "paths": {}}), Ok(Version::V30)),
            (json!({"openapi": "3.1.0", "paths": {}}), Ok(Version::V31)),
            (json!({"openapi": 3.0, "paths": {}}), Ok(Version::V30)),
            (json!({"openapi": "3.2.0", "paths": {}}), Ok(Version::V32)),
            (json!({"openapi": "4.0", "paths": {}}), Err("not supported")),
            (json!({"swagger": "2.0", "paths": {}}), Ok(Version::V20)),
            (json!({"swagger": 2.0, "paths": {}}), Ok(Version::V20)),
            (json!({"swagger": "1.2", "paths": {}}), Err("not supported")),
            (json!({"openapi": "3.1.0"}), Ok(Version::V31)),
            (json!({"openapi": "3.1.0", "paths": 7}), Err("not an object")),
            (json!({"paths": {}}), Err("no `openapi`")),
            (json!([]), Err("not an object")),
        ] {
            match (Document::new(root.clone(), None), want) {
                (Ok(d), Ok(v)) => assert_eq!(d.version, v, "{root}"),
                (Err(e), Err(part)) => assert!(e.contains(part), "{root}: {e}"),
                (got, _) => panic!("{root}: {got:?}"),
            }
        }
    }
}
