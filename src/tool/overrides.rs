//! Which of the configuration's overrides are about an operation.

use super::select::{Compiled, compiled};
use crate::config::{Annotations, ArgumentRule, Override};
use crate::openapi::Operation;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Overrides by tool name, operationId or `METHOD /path`, those of groups, and
/// which were used.
pub struct Overrides<'c> {
    by_key: HashMap<&'c str, (&'c Override, bool)>,
    groups: Vec<Group<'c>>,
    /// Arguments of groups that some tool has.
    fitting: HashSet<String>,
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
            fitting: HashSet::new(),
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
                over.mcp_headers.iter_mut().for_each(|m| m.where_present = true);
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

    /// Sees which arguments of groups a tool has.
    pub fn fit(&mut self, over: &Override, schema: &Value) {
        let names = over.arguments.iter().filter(|(_, rule)| rule.where_present).map(|(n, _)| n);
        let has =
            |name: &&String| schema.pointer("/properties").and_then(|p| p.get(*name)).is_some();
        self.fitting.extend(names.filter(has).cloned());
    }

    /// Keys of those that fit no operation, and of arguments that no tool has.
    pub fn unused(&self) -> Vec<String> {
        let single = self.by_key.iter().filter(|(_, (_, used))| !used).map(|(k, _)| *k);
        let groups = self.groups.iter().filter(|g| !g.used).map(|g| g.key);
        let mut out: Vec<String> = single.chain(groups).map(str::to_owned).collect();
        for group in self.groups.iter().filter(|g| g.used) {
            let names = group.over.arguments.iter().map(|(name, _)| name);
            let missing = names.filter(|name| !self.fitting.contains(*name));
            out.extend(missing.map(|name| format!("{}.arguments.{name}", group.key)));
        }
        out.sort();
        out
    }
}

/// `over` where it says something, `base` elsewhere.
pub fn over_it(over: &Override, base: Override) -> Override {
    let (a, b) = (&over.annotations, base.annotations);
    let mut arguments = base.arguments;
    for (name, rule) in &over.arguments {
        match arguments.iter_mut().find(|(n, _)| n == name) {
            Some((_, known)) => *known = rule_over(rule, known),
            None => arguments.push((name.clone(), rule.clone())),
        }
    }
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

fn rule_over(over: &ArgumentRule, base: &ArgumentRule) -> ArgumentRule {
    // Of a value, one is meant: `set` or `default`.
    let value = if over.set.is_some() || over.default.is_some() { over } else { base };
    ArgumentRule {
        description: over.description.clone().or_else(|| base.description.clone()),
        hide: over.hide || base.hide,
        set: value.set.clone(),
        default: value.default.clone(),
        where_present: over.where_present && base.where_present,
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
            arguments: vec![
                (
                    "v".to_owned(),
                    ArgumentRule { set: Some(json!(title)), ..ArgumentRule::default() },
                ),
                ("w".to_owned(), ArgumentRule::default()),
            ],
            ..Override::default()
        };
        let told = ArgumentRule { description: Some("d".to_owned()), ..ArgumentRule::default() };
        let named = Override {
            title: Some("mine".to_owned()),
            arguments: vec![("v".to_owned(), told)],
            ..Override::default()
        };
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
        let mut got = Vec::new();
        for operation in &found {
            let over = overrides.find(operation, "x");
            overrides.fit(&over, &json!({"properties": {"v": {}}}));
            let rule = &over.arguments[0].1;
            let (set, present) = (rule.set.clone().unwrap(), rule.where_present);
            got.push((over.title.unwrap(), over.timeout.unwrap().as_secs(), set, present));
        }
        let want = [("mine", 1, "a", false), ("a", 1, "a", true), ("all", 1, "all", true)];
        assert_eq!(got, want.map(|(t, s, v, p)| (t.to_owned(), s, json!(v), p)));
        assert_eq!(overrides.unused(), ["a.arguments.w", "all.arguments.w", "gone", "none"]);
    }
}
