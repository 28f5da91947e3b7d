//! A document spread over files -> one document.
//!
//! Every other file is taken in whole under [`OTHER_FILES`](HOME), once, and references to it
//! are rewritten, so that the rest of the program knows one document only. What
//! may be read is decided by whoever hands in `fetch`.

use crate::schema::reference::OTHER_FILES as HOME;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The most files of one document, itself and those that cannot be read included.
pub const FILES_MAX: usize = 1000;

/// Reads the file a reference names: its address, or why it cannot be had.
/// Addresses are paths or URLs as [`join`] makes them.
pub type Fetch<'f> = dyn FnMut(&str) -> Result<Value, String> + 'f;

/// What a bundle took in, and what it could not.
#[derive(Debug, Default)]
pub struct Report {
    pub files: Vec<String>,
    /// Each reference that stays as it is, with why.
    pub unread: Vec<String>,
}

/// Bundles `root`, which stands at `address`.
pub fn bundle(root: &mut Value, address: &str, fetch: &mut Fetch<'_>) -> Report {
    let mut bundler = Bundler {
        fetch,
        keys: HashMap::from([(address.to_owned(), None)]),
        failed: HashMap::new(),
        waiting: Vec::new(),
        report: Report::default(),
    };
    bundler.rewrite(root, address, Keys::Keywords);
    let mut files = Map::new();
    while let Some((address, key, mut value)) = bundler.waiting.pop() {
        bundler.rewrite(&mut value, &address, Keys::Keywords);
        files.insert(key, value);
    }
    if let (Some(object), false) = (root.as_object_mut(), files.is_empty()) {
        object.insert(HOME.to_owned(), Value::Object(files));
    }
    bundler.report
}

/// What the keys of an object are.
#[derive(Clone, Copy)]
enum Keys {
    Keywords,
    /// Names somebody chose: a property may be called `default`.
    Names,
}

/// Keywords whose value is an object of names.
const NAMED: [&str; 14] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
    "definitions",
    "schemas",
    "responses",
    "requestBodies",
    "headers",
    "paths",
    "pathItems",
    "callbacks",
    "content",
    "links",
];

/// Keywords whose value may be anything, with a `$ref` that is none.
fn holds_anything(key: &str) -> bool {
    matches!(key, "example" | "examples" | "default" | "enum" | "const") || key.starts_with("x-")
}

struct Bundler<'f, 'g> {
    fetch: &'f mut Fetch<'g>,
    /// The key of each address under [`OTHER_FILES`](HOME); `None` is the root.
    keys: HashMap<String, Option<String>>,
    /// Why an address cannot be read: it is asked for once.
    failed: HashMap<String, String>,
    /// Files whose own references are not rewritten yet.
    waiting: Vec<(String, String, Value)>,
    report: Report,
}

impl Bundler<'_, '_> {
    /// Rewrites the references of a file that stands at `address`.
    fn rewrite(&mut self, value: &mut Value, address: &str, keys: Keys) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get_mut("$ref") {
                    match self.rewritten(reference, address) {
                        Ok(Some(new)) => *reference = new,
                        Ok(None) => {}
                        Err(why) => self.report.unread.push(format!("{reference}: {why}")),
                    }
                }
                for (key, value) in object {
                    let inside = match keys {
                        Keys::Keywords if holds_anything(key) => continue,
                        Keys::Keywords if NAMED.contains(&key.as_str()) => Keys::Names,
                        Keys::Keywords | Keys::Names => Keys::Keywords,
                    };
                    self.rewrite(value, address, inside);
                }
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|v| self.rewrite(v, address, Keys::Keywords))
            }
            _ => {}
        }
    }

    fn rewritten(&mut self, reference: &str, address: &str) -> Result<Option<String>, String> {
        let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let target = if file.is_empty() { address.to_owned() } else { join(address, file) };
        let key = match self.keys.get(&target) {
            Some(key) => key.clone(),
            None => {
                let key = self.take_in(&target)?;
                self.keys.insert(target, Some(key.clone()));
                Some(key)
            }
        };
        Ok(match key {
            None if file.is_empty() => None,
            None => Some(format!("#{fragment}")),
            Some(key) => Some(format!("#/{HOME}/{key}{fragment}")),
        })
    }

    fn take_in(&mut self, target: &str) -> Result<String, String> {
        if let Some(why) = self.failed.get(target) {
            return Err(why.clone());
        }
        if self.keys.len() + self.failed.len() >= FILES_MAX {
            return Err(format!("the document has more than {FILES_MAX} files"));
        }
        let value = (self.fetch)(target).inspect_err(|why| {
            self.failed.insert(target.to_owned(), why.clone());
        })?;
        let key = self.free_key(target);
        self.report.files.push(target.to_owned());
        self.waiting.push((target.to_owned(), key.clone(), value));
        Ok(key)
    }

    /// The file's name, so that a schema that is a whole file gets its name.
    fn free_key(&self, target: &str) -> String {
        let name = target.rsplit('/').next().unwrap_or(target);
        let stem = name.split('.').next().unwrap_or(name);
        let base: String = stem
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' })
            .collect();
        let taken = |key: &str| self.keys.values().flatten().any(|k| k == key);
        let mut key = base.clone();
        let mut n = 2;
        while taken(&key) {
            key = format!("{base}_{n}");
            n += 1;
        }
        key
    }
}

/// A reference's file, seen from the file it stands in. Plain text work: `..`
/// and `.` are taken out, so that one file has one address.
pub fn join(address: &str, file: &str) -> String {
    if file.contains("://") {
        return file.to_owned();
    }
    let (origin, path) = match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            (format!("{scheme}://{host}/"), path)
        }
        None => (String::new(), address),
    };
    let file = percent_encoding::percent_decode_str(file).decode_utf8_lossy();
    if file.starts_with('/') {
        return format!("{}{file}", origin.trim_end_matches('/'));
    }
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.last().is_none_or(|p| *p == "..") && origin.is_empty() && !absolute {
                    parts.push("..");
                } else {
                    parts.pop();
                }
            }
            part => parts.push(part),
        }
    }
    format!("{origin}{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses() {
        for (address, file, want) in [
            ("api.yaml", "b.yaml", "b.yaml"),
            ("dir/api.yaml", "./b.yaml", "dir/b.yaml"),
            ("dir/api.yaml", "../b.yaml", "b.yaml"),
            ("api.yaml", "../b.yaml", "../b.yaml"),
            ("/a/b/api.yaml", "../../../c.yaml", "/c.yaml"),
            ("https://h.test/x/api.json", "y/b.json", "https://h.test/x/y/b.json"),
            ("https://h.test/x/api.json", "/b.json", "https://h.test/b.json"),
            ("api.yaml", "https://o.test/b.json", "https://o.test/b.json"),
            ("dir/api.yaml", "a%20b.yaml", "dir/a b.yaml"),
        ] {
            assert_eq!(join(address, file), want, "{address} {file}");
        }
    }

    #[test]
    fn files_are_taken_in_once_and_may_refer_back() {
        let mut root = json!({
            "paths": {"/a": {"$ref": "paths/a.yaml"}},
            "components": {"schemas": {"Local": {"$ref": "schemas.yaml#/Pet"}, "Self": {"$ref": "#/components/schemas/Local"}}},
        });
        let mut asked = Vec::new();
        let report = bundle(&mut root, "dir/api.yaml", &mut |address: &str| {
            asked.push(address.to_owned());
            match address {
                "dir/paths/a.yaml" => Ok(
                    json!({"get": {"x": {"$ref": "../schemas.yaml#/Pet"}, "y": {"$ref": "../api.yaml#/components/schemas/Self"}}}),
                ),
                "dir/schemas.yaml" => Ok(
                    json!({"Pet": {"next": {"$ref": "#/Pet"}, "gone": {"$ref": "none.yaml"}, "example": {"$ref": "left.yaml"}}}),
                ),
                _ => Err("no such file".to_owned()),
            }
        });
        assert_eq!(root["paths"]["/a"]["$ref"], format!("#/{HOME}/a"));
        assert_eq!(root["components"]["schemas"]["Local"]["$ref"], format!("#/{HOME}/schemas/Pet"));
        assert_eq!(root["components"]["schemas"]["Self"]["$ref"], "#/components/schemas/Local");
        let a = &root[HOME]["a"]["get"];
        assert_eq!(a["x"]["$ref"], format!("#/{HOME}/schemas/Pet"));
        assert_eq!(a["y"]["$ref"], "#/components/schemas/Self");
        assert_eq!(root[HOME]["schemas"]["Pet"]["next"]["$ref"], format!("#/{HOME}/schemas/Pet"));
        assert_eq!(root[HOME]["schemas"]["Pet"]["example"]["$ref"], "left.yaml");
        assert_eq!(report.files.len(), 2);
        assert_eq!(report.unread, ["none.yaml: no such file"]);
        asked.sort();
        assert_eq!(asked, ["dir/none.yaml", "dir/paths/a.yaml", "dir/schemas.yaml"]);
    }

    #[test]
    fn so_many_files_are_asked_for() {
        for (readable, unread) in [(true, 1), (false, FILES_MAX)] {
            // The document is one of them.
            let all: Vec<Value> =
                (1..=FILES_MAX).map(|n| json!({"$ref": format!("{n}.yaml")})).collect();
            let mut root = json!({"all": all, "again": all});
            let mut asked = 0;
            let report = bundle(&mut root, "api.yaml", &mut |_: &str| {
                asked += 1;
                if readable { Ok(json!({})) } else { Err("no such file".to_owned()) }
            });
            assert_eq!(asked, FILES_MAX - 1, "{readable}");
            assert_eq!(report.unread.len(), 2 * unread, "{readable}");
        }
    }
}
