//! `apis.NAME.tools`: which operations become tools, and what is changed of them.

use super::api::{OUTPUT_SCHEMAS, OutputSchema};
use super::reader::{Fields, Reader};
use super::tree::Node;
use http::Method;
use std::time::Duration;

/// Methods whose operations become tools unless `methods` says otherwise.
pub const USUAL_METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"];

#[derive(Clone, Debug)]
pub struct ToolRules {
    /// Operations of other methods are not looked at.
    pub methods: Vec<String>,
    pub expose: Expose,
    pub include: Vec<Selector>,
    pub exclude: Vec<Selector>,
    /// Whether the members of a body stand beside the parameters, where they can.
    pub flatten: bool,
    /// Whether `"7"` is taken for 7 where the schema leaves no doubt.
    pub coerce: bool,
    /// Whether the `x-mcp` extensions of the document are heeded.
    pub extensions: bool,
    /// By tool name, operationId or `METHOD /path`, or for what `match` names.
    pub overrides: Vec<(String, Override)>,
}

impl Default for ToolRules {
    fn default() -> Self {
        ToolRules {
            methods: USUAL_METHODS.map(str::to_owned).into(),
            expose: Expose::All,
            include: Vec::new(),
            exclude: Vec::new(),
            flatten: false,
            coerce: true,
            extensions: false,
            overrides: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expose {
    #[default]
    All,
    /// Tools that only read.
    ReadOnly,
    /// Only what `include` names.
    Listed,
}

/// Names operations: all that is given must fit. Globs in each.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    pub operation: Option<String>,
    pub method: Option<String>,
    pub path: Option<String>,
    pub tag: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Override {
    /// The operations it is about, instead of the one that its key names.
    pub matching: Vec<Selector>,
    pub name: Option<String>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub annotations: Annotations,
    pub answer: Option<AnswerAs>,
    pub result: Option<ResultAs>,
    pub output_schema: Option<OutputSchema>,
    pub timeout: Option<Duration>,
    /// Client capabilities without which the tool is refused (-32021).
    pub requires: Vec<String>,
    /// Arguments that clients mirror into `Mcp-Param-*` headers.
    pub mcp_headers: Vec<MirroredHeader>,
    /// By argument name.
    pub arguments: Vec<(String, ArgumentRule)>,
}

/// What is changed of one argument.
#[derive(Clone, Debug, Default)]
pub struct ArgumentRule {
    pub description: Option<String>,
    /// Agents neither see nor give it.
    pub hide: bool,
    /// Always sent; hides the argument.
    pub set: Option<serde_json::Value>,
    /// Sent when the agent gives none.
    pub default: Option<serde_json::Value>,
    /// Of a rule for many tools, some of which may not have the argument.
    pub where_present: bool,
}

/// An argument and the name of its header after `Mcp-Param-`.
#[derive(Clone, Debug)]
pub struct MirroredHeader {
    pub argument: String,
    pub header: String,
    /// As for [`ArgumentRule`].
    pub where_present: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Annotations {
    pub read_only: Option<bool>,
    pub destructive: Option<bool>,
    pub idempotent: Option<bool>,
    pub open_world: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerAs {
    Whole,
    Stream,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultAs {
    /// By the answer's Content-Type.
    #[default]
    Content,
    /// The answer already is a CallToolResult.
    Passthrough,
}

/// The longest tool name that every model provider takes.
pub const TOOL_NAME_CHARS_MAX: usize = 64;

/// Whether a name is one that every model provider takes.
pub fn is_tool_name(name: &str) -> bool {
    (1..=TOOL_NAME_CHARS_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

pub fn read(node: &Node, path: &str, rules: &mut ToolRules, r: &mut Reader<'_>) {
    let path = format!("{path}.tools");
    let Some(mut f) = Fields::of(node, path.as_str(), r) else { return };
    let words = [("all", Expose::All), ("read_only", Expose::ReadOnly), ("listed", Expose::Listed)];
    if let Some(expose) = f.choice("expose", &words, r) {
        rules.expose = expose;
    }
    if let Some(words) = f.texts("methods", r) {
        rules.methods = methods(&words, node, r);
    }
    rules.include = selectors(&mut f, "include", &path, r);
    rules.exclude = selectors(&mut f, "exclude", &path, r);
    if rules.expose == Expose::Listed && rules.include.is_empty() {
        let hint = "name operations under `include`";
        r.error(node.place, "`expose: listed` without `include` leaves no tools", Some(hint));
    }
    for (key, slot) in [
        ("flatten", &mut rules.flatten),
        ("coerce", &mut rules.coerce),
        ("extensions", &mut rules.extensions),
    ] {
        if let Some(b) = f.boolean(key, r) {
            *slot = b;
        }
    }
    if let Some(node) = f.take("override") {
        if node.as_map().is_none() {
            let message = format!("`{path}.override` must be a map by tool or operation");
            r.error(node.place, message, None);
        }
        for (key, node) in node.as_map().unwrap_or_default() {
            if let Some(o) = override_(node, &format!("{path}.override.{}", key.text), r) {
                rules.overrides.push((key.text.clone(), o));
            }
        }
    }
    f.finish(r);
}

/// Any method may be named but CONNECT, which is not a request to an API.
fn methods(words: &[String], node: &Node, r: &mut Reader<'_>) -> Vec<String> {
    let upper: Vec<String> = words.iter().map(|w| w.to_ascii_uppercase()).collect();
    for word in &upper {
        if word == "CONNECT" || Method::from_bytes(word.as_bytes()).is_err() {
            r.error(node.place, format!("`{word}` is not a method that a tool can have"), None);
        }
    }
    upper
}

fn selectors(
    f: &mut Fields<'_>,
    key: &'static str,
    path: &str,
    r: &mut Reader<'_>,
) -> Vec<Selector> {
    let Some(node) = f.take(key) else { return Vec::new() };
    let Some(items) = node.as_list() else {
        r.error(node.place, format!("`{path}.{key}` must be a list"), None);
        return Vec::new();
    };
    let mut out = Vec::new();
    for item in items {
        let Some(mut s) = Fields::of(item, format!("{path}.{key}[]"), r) else { continue };
        let selector = Selector {
            operation: s.text("operation", r),
            method: s.text("method", r),
            path: s.text("path", r),
            tag: s.text("tag", r),
        };
        s.finish(r);
        let parts = [&selector.operation, &selector.path, &selector.tag];
        for glob in parts.into_iter().flatten() {
            if let Err(e) = globset::Glob::new(glob) {
                r.error(
                    item.place,
                    format!("the pattern `{glob}` cannot be read: {}", e.kind()),
                    None,
                );
            }
        }
        out.push(selector);
    }
    out
}

fn override_(node: &Node, path: &str, r: &mut Reader<'_>) -> Option<Override> {
    let mut f = Fields::of(node, path, r)?;
    let mut out = Override {
        name: f.text("name", r),
        title: f.text("title", r),
        description: f.text("description", r),
        ..Override::default()
    };
    if let Some(name) = &out.name
        && !is_tool_name(name)
    {
        let message = format!("`{path}.name` must be 1 to 64 of A-Z a-z 0-9 _ -");
        r.error(node.place, message, None);
    }
    let answers = [("whole", AnswerAs::Whole), ("stream", AnswerAs::Stream)];
    out.answer = f.choice("answer", &answers, r);
    let results = [("content", ResultAs::Content), ("passthrough", ResultAs::Passthrough)];
    out.result = f.choice("result", &results, r);
    out.output_schema = f.choice("output_schema", &OUTPUT_SCHEMAS, r);
    let said = node.as_map().is_some_and(|m| m.iter().any(|(key, _)| key.text == "match"));
    out.matching = selectors(&mut f, "match", path, r);
    if said && out.matching.is_empty() {
        r.error(node.place, format!("`{path}.match` names nothing; `[{{}}]` is all"), None);
    }
    if let (Some(_), false) = (&out.name, out.matching.is_empty()) {
        r.error(node.place, format!("`{path}`: `name` and `match` cannot stand together"), None);
    }
    out.timeout = f.duration("timeout", r);
    out.requires = f.texts("requires", r).unwrap_or_default();
    out.mcp_headers = f
        .text_map("mcp_headers", r)
        .into_iter()
        .map(|(argument, header)| MirroredHeader { argument, header, where_present: false })
        .collect();
    for m in &out.mcp_headers {
        if http::HeaderName::from_bytes(m.header.as_bytes()).is_err() {
            r.error(node.place, format!("`{}` is not a header name", m.header), None);
        }
    }
    if let Some(node) = f.take("arguments") {
        out.arguments = arguments(node, path, r);
    }
    if let Some(node) = f.take("annotations")
        && let Some(mut a) = Fields::of(node, format!("{path}.annotations"), r)
    {
        out.annotations = Annotations {
            read_only: a.boolean("read_only", r),
            destructive: a.boolean("destructive", r),
            idempotent: a.boolean("idempotent", r),
            open_world: a.boolean("open_world", r),
        };
        a.finish(r);
    }
    f.finish(r);
    Some(out)
}

fn arguments(node: &Node, path: &str, r: &mut Reader<'_>) -> Vec<(String, ArgumentRule)> {
    let Some(members) = node.as_map() else {
        r.error(node.place, format!("`{path}.arguments` must be a map by argument"), None);
        return Vec::new();
    };
    let mut out = Vec::new();
    for (key, node) in members {
        let Some(mut f) = Fields::of(node, format!("{path}.arguments.{}", key.text), r) else {
            continue;
        };
        let rule = ArgumentRule {
            description: f.text("description", r),
            hide: f.boolean("hide", r).unwrap_or(false),
            set: f.take("set").map(Node::to_json),
            default: f.take("default").map(Node::to_json),
            where_present: false,
        };
        if rule.set.is_some() && rule.default.is_some() {
            r.error(node.place, "`set` and `default` cannot stand together", None);
        }
        f.finish(r);
        out.push((key.text.clone(), rule));
    }
    out
}
