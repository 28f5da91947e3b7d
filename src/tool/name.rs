//! Tool names and argument names.
//!
//! Model providers take `[A-Za-z0-9_-]{1,64}` for tools and
//! `[A-Za-z0-9_.-]{1,64}` for arguments, and refuse the whole list otherwise.

use crate::config::TOOL_NAME_CHARS_MAX;
use crate::openapi::Operation;
use ring::digest::{SHA256, digest};
use std::collections::{BTreeMap, HashSet};

/// Length of `_` and the hash that tells equal names apart.
const SUFFIX_CHARS: usize = 9;

/// A name for each operation, unique, in their order. It depends on the set of
/// operations only, never on their order, so that it stays over reloads.
pub fn tool_names(operations: &[Operation<'_>], prefix: &str) -> Vec<String> {
    let mut candidates: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut exact = vec![false; operations.len()];
    for (i, operation) in operations.iter().enumerate() {
        let (name, unchanged) = wanted(operation);
        exact[i] = unchanged;
        let name = fit(&format!("{prefix}{name}"), &identity(operation), false);
        candidates.entry(name).or_default().push(i);
    }
    let mut names = vec![String::new(); operations.len()];
    let mut taken: HashSet<String> = candidates.keys().cloned().collect();
    for (name, mut rivals) in candidates {
        rivals.sort_by_key(|&i| (!exact[i], operations[i].path, operations[i].method.as_str()));
        for (rank, i) in rivals.into_iter().enumerate() {
            names[i] = if rank == 0 {
                name.clone()
            } else {
                let mut other = fit(&name, &identity(&operations[i]), true);
                while !taken.insert(other.clone()) {
                    other = fit(&other, &format!("{other} {}", identity(&operations[i])), true);
                }
                other
            };
        }
    }
    names
}

fn identity(operation: &Operation<'_>) -> String {
    format!("{} {}", operation.method, operation.path)
}

/// The name an operation asks for, and whether it needed no change.
fn wanted(operation: &Operation<'_>) -> (String, bool) {
    if let Some(id) = operation.id {
        let name = sanitised(id);
        if !name.is_empty() {
            let unchanged = name == id;
            return (name, unchanged);
        }
    }
    let mut name = operation.method.as_str().to_ascii_lowercase();
    for segment in operation.path.split('/').filter(|s| !s.is_empty()) {
        name.push('_');
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(hole) => name.push_str(&format!("by_{hole}")),
            None => name.push_str(segment),
        }
    }
    (sanitised(&name), false)
}

fn sanitised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    out.trim_matches('_').to_owned()
}

/// Makes a name start with a letter and stay within the limit; `force` tells it
/// apart from an equal one.
fn fit(name: &str, identity: &str, force: bool) -> String {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let name = if starts_well { name.to_owned() } else { format!("op_{name}") };
    if name.len() <= TOOL_NAME_CHARS_MAX && !force {
        return name;
    }
    let cut = cut(&name, TOOL_NAME_CHARS_MAX - SUFFIX_CHARS);
    format!("{}_{}", cut.trim_end_matches(['_', '-']), hash8(identity))
}

fn hash8(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref()[..4].iter().map(|b| format!("{b:02x}")).collect()
}

/// A unique argument name for each wire name, in their order. `kind` tells
/// apart what stands in several places (`id` in path and query).
pub fn argument_names<'n>(items: impl IntoIterator<Item = (&'n str, &'static str)>) -> Vec<String> {
    let mut used = HashSet::new();
    items
        .into_iter()
        .map(|(name, kind)| {
            let base = argument_name(name);
            let mut candidate = base.clone();
            if used.contains(&candidate) {
                candidate = cut(&format!("{base}_{kind}"), 64).to_owned();
            }
            let mut n = 2;
            while !used.insert(candidate.clone()) {
                candidate = format!("{}_{n}", cut(&format!("{base}_{kind}"), 60));
                n += 1;
            }
            candidate
        })
        .collect()
}

fn argument_name(name: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') {
            out.push(c);
            gap = false;
        } else if !gap {
            out.push('_');
            gap = true;
        }
    }
    let out = out.trim_matches('_');
    if out.is_empty() { "param".to_owned() } else { cut(out, 64).to_owned() }
}

fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(i, _)| &text[..i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::USUAL_METHODS;
    use crate::openapi::{Document, operation::operations};
    use serde_json::json;

    fn names(paths: serde_json::Value) -> Vec<String> {
        let d = Document::new(json!({"openapi": "3.1.0", "paths": paths}), None).unwrap();
        tool_names(&operations(&d, &USUAL_METHODS.map(str::to_owned)).0, "")
    }

    #[test]
    fn names_from_ids_and_paths() {
        let long = "a".repeat(80);
        let path = json!([{"name": "id", "in": "path", "required": true}]);
        let got = names(json!({
            "/a": {"get": {"operationId": "listPets"}},
            "/pets/{id}/toys": {"get": {"parameters": path}},
            "/b": {"get": {"operationId": "pets.list all"}},
            "/c": {"get": {"operationId": "3d-print"}},
            "/d": {"get": {"operationId": long}},
            "/e": {"post": {"operationId": "日本"}},
        }));
        assert_eq!(got[..4], ["listPets", "get_pets_by_id_toys", "pets_list_all", "op_3d-print"]);
        assert_eq!(got[4].len(), 64);
        assert_eq!(got[5], "post_e");
        assert!(got.iter().all(|n| crate::config::is_tool_name(n)));
    }

    #[test]
    fn collisions_do_not_depend_on_the_order() {
        let one = json!({"get": {"operationId": "a"}});
        let mut forward =
            names(json!({"/x": one, "/y": one, "/z": {"get": {"operationId": "a!"}}}));
        let mut backward =
            names(json!({"/z": {"get": {"operationId": "a!"}}, "/y": one, "/x": one}));
        assert_eq!(forward[0], "a");
        assert_eq!(forward.iter().collect::<HashSet<_>>().len(), 3);
        backward.reverse();
        assert_eq!(forward, backward);
        forward.sort();
        assert!(forward[1].starts_with("a_"));
    }

    #[test]
    fn arguments() {
        let got = argument_names([
            ("id", "path"),
            ("id", "query"),
            ("filter[name]", "query"),
            ("$top", "query"),
            ("", "query"),
            ("body", "query"),
            ("body", "body"),
            ("id", "query"),
        ]);
        assert_eq!(
            got,
            ["id", "id_query", "filter_name", "top", "param", "body", "body_body", "id_query_2"]
        );
    }
}
