//! `$ref`: looking a reference up in what was loaded. Nothing is fetched here.

use serde_json::Value;
use std::borrow::Cow;

/// Where a bundled document keeps its other files.
pub const OTHER_FILES: &str = "x-drawbridge-files";

/// The longest chain of references to references.
const CHAIN_MAX: usize = 64;

/// A loaded document in which references are looked up.
#[derive(Debug)]
pub struct Library {
    root: Value,
}

impl Library {
    pub fn new(root: Value) -> Self {
        Library { root }
    }

    pub fn root(&self) -> &Value {
        &self.root
    }

    /// The value a reference names, or why there is none.
    pub fn lookup(&self, reference: &str) -> Result<&Value, String> {
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(format!("`$ref: {reference}` points outside the document"));
        };
        if fragment.is_empty() {
            return Ok(&self.root);
        }
        if !fragment.starts_with('/') {
            return Err(format!("`$ref: {reference}` uses an anchor"));
        }
        let pointer = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        self.root.pointer(&pointer).ok_or_else(|| format!("`$ref: {reference}` points at nothing"))
    }

    /// Follows `$ref`s of `value` until something else is found.
    pub fn follow<'a>(&'a self, mut value: &'a Value) -> Result<&'a Value, String> {
        // The last look only sees whether the chain has ended.
        for _ in 0..=CHAIN_MAX {
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => value = self.lookup(reference)?,
                None => return Ok(value),
            }
        }
        Err("a `$ref` leads to itself".to_owned())
    }
}

/// The name a reference suggests for what it points at: the last part of a
/// schema's pointer, or the whole path of anything else.
pub fn suggested_name(reference: &str) -> String {
    let fragment = reference.strip_prefix("#/").unwrap_or(reference);
    let decoded = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
    let unescaped = decoded.replace("~1", "/").replace("~0", "~");
    let in_file = unescaped.strip_prefix(OTHER_FILES).and_then(|p| p.strip_prefix('/'));
    let (file, path) = match in_file {
        Some(path) => path.split_once('/').unwrap_or((path, "")),
        None => ("", unescaped.as_str()),
    };
    let short = path
        .strip_prefix("components/schemas/")
        .or_else(|| path.strip_prefix("definitions/"))
        .or_else(|| path.strip_prefix("$defs/"))
        .unwrap_or(path);
    // A whole file goes by the file's name.
    def_name(if short.is_empty() { file } else { short }).into_owned()
}

/// Names under `$defs` hold to `[A-Za-z0-9._-]`, so that pointers to them need
/// no escapes: validators disagree about those.
fn def_name(name: &str) -> Cow<'_, str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Cow::Borrowed("def")
    } else if name.chars().all(fine) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.chars().map(|c| if fine(c) { c } else { '_' }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lookups() {
        let library = Library::new(json!({
            "components": {"schemas": {"a/b": 1, "c~d": 2, "e f": 3}},
            "list": [10, {"$ref": "#/list/0"}],
            "loop": {"$ref": "#/loop"},
        }));
        for (reference, want) in [
            ("#/components/schemas/a~1b", Some(json!(1))),
            ("#/components/schemas/c~0d", Some(json!(2))),
            ("#/components/schemas/e%20f", Some(json!(3))),
            ("#/list/0", Some(json!(10))),
            ("#/nothing", None),
            ("other.yaml#/x", None),
            ("#anchor", None),
        ] {
            assert_eq!(library.lookup(reference).ok().cloned(), want, "{reference}");
        }
        assert_eq!(library.follow(&json!({"$ref": "#/list/1"})), Ok(&json!(10)));
        assert!(library.follow(&json!({"$ref": "#/loop"})).is_err());
    }

    #[test]
    fn names() {
        for (reference, want) in [
            ("#/components/schemas/Pet", "Pet"),
            ("#/components/schemas/a~1b", "a_b"),
            ("#/paths/~1x/get", "paths__x_get"),
            ("#/x-drawbridge-files/pet", "pet"),
            ("#/x-drawbridge-files/all/components/schemas/Pet", "Pet"),
        ] {
            assert_eq!(suggested_name(reference), want);
        }
    }
}
