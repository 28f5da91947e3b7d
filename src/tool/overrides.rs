//! Which of the configuration's overrides are about an operation.

use super::select::{Compiled, compiled};
use crate::config::{Annotations, Override};
use crate::openapi::Operation;
use std::collections::HashMap;

/// Overrides by tool name, operationId or `METHOD /path`, those of groups, and
/// which were used.
pub struct Overrides<'c> {
    by_key: HashMap<&'c str, (&'c Override, bool)>,
    groups: Vec<Group<'c>>,
}

struct Group<'c> {
    key: &'c str,
    matching: Vec<Compiled>,
    over: &'c Override,
    used: bool,
}

impl<'c> Overrides<'c> {
    pub fn new(overrides: &'c [(String, Override)]) -> Self {
        let (single, groups): (Vec<_>, Vec<_>) =
            overrides.iter().partition(|(_, o)| o.matching.is_empty());
        let group = |(key, over): &'c (String, Override)| Group {
            key,
            matching: compiled(&over.matching),
            over,
            used: false,
        };
        Overrides {
            by_key: single.into_iter().map(|(k, o)| (k.as_str(), (o, false))).collect(),
            groups: groups.into_iter().map(group).collect(),
        }
    }

    /// What is said of an operation, taken together: groups in their order, then
    /// what names it. The later wins.
    pub fn find(&mut self, operation: &Operation<'_>, name: &str) -> Override {
        let mut out = Override::default();
        for group in &mut self.groups {
            if group.matching.iter().any(|s| s.fits(operation)) {
                group.used = true;
                let mut over = group.over.clone();
                over.arguments.iter_mut().for_each(|(_, rule)| rule.where_present = true);
                out = over_it(&over, out);
            }
        }
        let by_path = format!("{} {}", operation.method, operation.path);
        for key in [name, operation.id.unwrap_or_default(), &by_path] {
            if let Some((over, used)) = self.by_key.get_mut(key) {
                *used = true;
                return over_it(over, out);
            }
        }
        out
    }

    /// Keys of those that fit no operation.
    pub fn unused(&self) -> Vec<String> {
        let single = self.by_key.iter().filter(|(_, (_, used))| !used).map(|(k, _)| *k);
        let groups = self.groups.iter().filter(|g| !g.used).map(|g| g.key);
        let mut out: Vec<String> = single.chain(groups).map(str::to_owned).collect();
        out.sort();
        out
    }
}

/// `over` where it says something, `base` elsewhere.
fn over_it(over: &Override, base: Override) -> Override {
    let (a, b) = (&over.annotations, base.annotations);
    let mut arguments = base.arguments;
    arguments.retain(|(name, _)| !over.arguments.iter().any(|(n, _)| n == name));
    arguments.extend(over.arguments.iter().cloned());
    let one_of =
        |over: &[String], base: Vec<String>| if over.is_empty() { base } else { over.to_vec() };
    Override {
        matching: Vec::new(),
        name: over.name.clone().or(base.name),
        title: over.title.clone().or(base.title),
        description: over.description.clone().or(base.description),
        annotations: Annotations {
            read_only: a.read_only.or(b.read_only),
            destructive: a.destructive.or(b.destructive),
            idempotent: a.idempotent.or(b.idempotent),
            open_world: a.open_world.or(b.open_world),
        },
        answer: over.answer.or(base.answer),
        result: over.result.or(base.result),
        output_schema: over.output_schema.or(base.output_schema),
        timeout: over.timeout.or(base.timeout),
        requires: one_of(&over.requires, base.requires),
        mcp_headers: match over.mcp_headers.is_empty() {
            true => base.mcp_headers,
            false => over.mcp_headers.clone(),
        },
        arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ArgumentRule, Selector, USUAL_METHODS};
    use crate::openapi::{Document, operation::operations};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn groups_come_first_and_names_win() {
        let group = |path: &str, title: &str, seconds: Option<u64>| Override {
            matching: vec![Selector { path: Some(path.to_owned()), ..Selector::default() }],
            title: Some(title.to_owned()),
            timeout: seconds.map(Duration::from_secs),
            arguments: vec![("v".to_owned(), ArgumentRule::default())],
            ..Override::default()
        };
        let named = Override { title: Some("mine".to_owned()), ..Override::default() };
        let all = [
            ("GET /a/1".to_owned(), named.clone()),
            ("all".to_owned(), group("/**", "all", Some(1))),
            ("a".to_owned(), group("/a/*", "a", None)),
            ("none".to_owned(), group("/none", "none", None)),
            ("gone".to_owned(), named),
        ];
        let paths = json!({"/a/1": {"get": {}}, "/a/2": {"get": {}}, "/b": {"get": {}}});
        let d = Document::new(json!({"openapi": "3.1.0", "paths": paths}), None).unwrap();
        let (found, _) = operations(&d, &USUAL_METHODS.map(str::to_owned));
        let mut overrides = Overrides::new(&all);
        let got: Vec<_> = found
            .iter()
            .map(|o| overrides.find(o, "x"))
            .map(|o| {
                (o.title.unwrap(), o.timeout.unwrap().as_secs(), o.arguments[0].1.where_present)
            })
            .collect();
        let want = [("mine", 1, true), ("a", 1, true), ("all", 1, true)];
        assert_eq!(got, want.map(|(t, s, p)| (t.to_owned(), s, p)));
        assert_eq!(overrides.unused(), ["gone", "none"]);
    }
}
