//! A document and the rules of its api -> tools, and what was left out.

use super::extension::Extension;
use super::headers::{header_names, headers};
use super::output::Outputs;
use super::overrides::Overrides;
use super::request::{Binding, PathPart, Plan};
use super::select::Selection;
use super::{Definition, Mirrored, Tool, adjust, answer, body, credential, describe, input, name};
use crate::config::{AnswerAs, Api, Override, ResultAs};
use crate::observe::ToolFigures;
use crate::openapi::operation::operations;
use crate::openapi::{Document, Location, Operation, Skipped};
use crate::schema::closure::{Closures, DEFINITIONS_MAX};
use crate::schema::validators::Validators;
use crate::schema::{Converter, Direction, bounds, budget};
use http::HeaderValue;
use http::header::HeaderName;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The largest input schema, in bytes.
const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// The largest input schema that agents see, in bytes. Larger ones are shown
/// shortened and checked in full.
const SHOWN_BYTES_MAX: usize = 32 << 10;

/// All input schemas of one document, in bytes, without the definitions they share.
const SCHEMAS_BYTES_MAX: usize = 128 << 20;

/// The most operations of one document.
pub const OPERATIONS_MAX: usize = 100_000;

/// Where operations of an api are sent: the index of an upstream for a base
/// URL, and the URL's path. The snapshot knows which there are.
pub trait Upstreams {
    fn place(&mut self, document_url: Option<&str>) -> Result<Place, String>;
}

/// An upstream, as a tool needs to know it.
pub struct Place {
    pub upstream: usize,
    pub base_path: String,
    pub authorities: Vec<Box<str>>,
    /// The authority, where only a document from elsewhere says so: credentials
    /// are not sent there.
    pub foreign: Option<String>,
}

/// What became of a document.
pub struct Compiled {
    pub tools: Vec<Tool>,
    pub skipped: Vec<Skipped>,
    /// Operations in the document, tools or not.
    pub operations: usize,
    /// Tools whose name is not their operationId: `(operation, name)`.
    pub renamed: Vec<(String, String)>,
    /// Configured overrides that fit no operation.
    pub unused_overrides: Vec<String>,
    /// Authorities to which credentials are not sent, although there are some.
    pub withheld: Vec<String>,
}

/// Compiles every selected operation of a document.
pub fn compile(
    document: &Document,
    api: &Api,
    prefix: &str,
    upstreams: &mut dyn Upstreams,
    validators: &Arc<Validators>,
) -> Compiled {
    let (mut all, mut skipped) = operations(document, &api.tools.methods);
    let count = all.len() + skipped.len();
    let selection = Selection::compile(&api.tools);
    all.retain(|o| selection.takes(o));
    for extra in all.drain(all.len().min(OPERATIONS_MAX)..) {
        skipped.push(left_out(&extra, format!("more than {OPERATIONS_MAX} operations")));
    }
    let names = name::tool_names(&all, prefix);
    let mut overrides = Overrides::new(&api.tools.overrides);
    let mut compiler = Compiler {
        document,
        api,
        upstreams,
        validators,
        inputs: Converter::new(&document.library, document.version.dialect(), Direction::Input),
        shown: Closures::default(),
        evaluations: HashMap::new(),
        outputs: Outputs::new(&document.library, document.version.dialect()),
        withheld: Vec::new(),
        schema_bytes: 0,
    };
    let (mut tools, mut renamed) = (Vec::with_capacity(all.len()), Vec::new());
    let extensions = match api.tools.extensions {
        true => Extension::of_all(&all, &names),
        false => all.iter().map(|_| Extension::default()).collect(),
    };
    for ((operation, name), extension) in all.iter().zip(names).zip(extensions) {
        if extension.disabled {
            continue;
        }
        let over = extension.under(&overrides.find(operation, &name));
        let name = over.name.clone().unwrap_or(name);
        match compiler.tool(operation, &name, &over, &mut overrides) {
            Ok(tool) => {
                if operation.id.is_some_and(|id| id != name) {
                    renamed.push((operation.id.unwrap_or_default().to_owned(), name));
                }
                tools.push(tool);
            }
            Err(reason) => skipped.push(left_out(operation, reason)),
        }
    }
    let (unused_overrides, withheld) = (overrides.unused(), compiler.withheld);
    Compiled { tools, skipped, operations: count, renamed, unused_overrides, withheld }
}

fn left_out(operation: &Operation<'_>, reason: String) -> Skipped {
    Skipped { method: operation.method.to_string(), path: operation.path.to_owned(), reason }
}

struct Compiler<'c> {
    document: &'c Document,
    api: &'c Api,
    upstreams: &'c mut dyn Upstreams,
    validators: &'c Arc<Validators>,
    inputs: Converter<'c>,
    /// Definitions of inputs, by the level they are shortened to.
    shown: Closures,
    /// What checking them takes.
    evaluations: HashMap<String, u64>,
    outputs: Outputs<'c>,
    withheld: Vec<String>,
    schema_bytes: usize,
}

impl Compiler<'_> {
    fn tool(
        &mut self,
        o: &Operation<'_>,
        name: &str,
        over: &Override,
        overrides: &mut Overrides<'_>,
    ) -> Result<Tool, String> {
        let supplied = credential::supplied(self.document, o);
        let mut input = input::compile(
            o,
            &self.document.library,
            &mut self.inputs,
            &supplied,
            self.api.tools.flatten,
        )?;
        overrides.fit(over, &input.schema);
        let close = |root| self.inputs.close(root);
        let standing = adjust::apply(&mut input.schema, over, &close)?;
        let mirrored = mirror(&mut input.schema, over)?;
        let Compiler { inputs, shown, evaluations, .. } = self;
        let named = |name: &str| inputs.definition(&format!("#/$defs/{name}"));
        let work = bounds::evaluations_with(&input.schema, &named, evaluations);
        if work > bounds::EVALUATIONS_MAX {
            return Err("the input schema is too expensive to check".to_owned());
        }
        let closed = |closures: &mut Closures, level, max| {
            let define = &mut |name: &str| Some(budget::definition_at(named(name)?, level));
            closures.close(&budget::root_at(&input.schema, level), level, max, define)
        };
        let schema = closed(shown, 0, SCHEMA_BYTES_MAX).ok_or_else(|| {
            format!(
                "the input schema is over {} KiB or {DEFINITIONS_MAX} definitions",
                SCHEMA_BYTES_MAX >> 10
            )
        })?;
        let short = match schema.len() > SHOWN_BYTES_MAX {
            true => (1..budget::LEVELS)
                .find_map(|level| closed(shown, level, SHOWN_BYTES_MAX))
                .or_else(|| closed(shown, budget::LEVELS - 1, SCHEMA_BYTES_MAX)),
            false => None,
        };
        self.schema_bytes += schema.head.len() + short.as_ref().map_or(0, |s| s.head.len());
        if self.schema_bytes > SCHEMAS_BYTES_MAX {
            let max = SCHEMAS_BYTES_MAX >> 20;
            return Err(format!("the input schemas of the document have more than {max} MiB"));
        }
        let place = self.upstreams.place(o.base_url.as_deref())?;
        let has_secrets = !self.api.auth.is_empty() || !self.api.headers.is_empty();
        if let Some(foreign) = place.foreign.as_ref().filter(|_| has_secrets)
            && !self.withheld.contains(foreign)
        {
            self.withheld.push(foreign.clone());
        }
        let hints = describe::Hints::of(&o.method, &over.annotations);
        let description = describe::description(o, over);
        let title = describe::title(o, over);
        let definition = definition(name, title, description, hints);
        let answer = answer::way(o, over);
        // A structured result must be known whole.
        let output = match (over.result.unwrap_or_default(), answer) {
            (ResultAs::Content, AnswerAs::Whole) => {
                let form = over.output_schema.unwrap_or(self.api.output_schema);
                self.outputs.compile(o, form, self.api.wrap_output, self.validators)
            }
            _ => None,
        };
        let names = keys(&input.schema, "/properties");
        let required = texts(&input.schema, "/required");
        let credentials = credential::names(self.document, o, &self.api.auth);
        Binding::keep_apart(&mut input.bindings, o.fixed_query, &credentials);
        if let Some(body) = &mut input.body {
            body.bytes_max = self.api.limits.request;
        }
        let request = Plan {
            method: o.method.clone(),
            path: path_parts(&place.base_path, o.template, &input.bindings)?,
            fixed_query: encoded(o.fixed_query).into(),
            accept: accept(o, self.api)?,
            headers: headers(if place.foreign.is_none() { &self.api.headers } else { &[] })?,
            credential: match place.foreign {
                None => credential::compile(self.document, o, &self.api.auth)?,
                Some(_) => credential::Credential::default(),
            },
            forwarded: header_names(&self.api.forward_headers),
            bindings: input.bindings,
            body: input.body,
        };
        Ok(Tool {
            name: name.into(),
            operation: format!("{} {}", o.method, o.path).into(),
            api: self.api.name.as_str().into(),
            definition,
            hints,
            arguments: super::arguments::Arguments {
                schema: self.validators.add(schema),
                short,
                scalars: super::arguments::scalars(&input.schema, self.api.tools.coerce),
                standing,
                names,
                required,
            },
            request,
            output,
            answer,
            result: over.result.unwrap_or_default(),
            requires: over.requires.iter().map(|c| c.as_str().into()).collect(),
            told: header_names(&self.api.tell_headers),
            mirrored,
            timeout: over.timeout.unwrap_or(self.api.upstream.timeout),
            response_bytes_max: self.api.limits.response,
            stream_bytes_max: self.api.limits.stream,
            upstream: place.upstream,
            authorities: place.authorities,
            figures: ToolFigures::new(&self.api.name, name),
        })
    }
}

fn definition(
    name: &str,
    title: Option<String>,
    description: String,
    hints: describe::Hints,
) -> Definition {
    let mut head = json!({ "name": name });
    if let Some(title) = &title {
        head["title"] = title.as_str().into();
    }
    head["description"] = description.as_str().into();
    let mut text = head.to_string();
    text.pop();
    text.push_str(",\"inputSchema\":");
    let tail = format!(",\"annotations\":{}}}", hints.json());
    Definition { head: text.into(), tail: tail.into(), title, description }
}

/// Marks arguments that clients mirror into headers (2026-07-28, tools,
/// "x-mcp-header"). Only the operator may say so: a mirrored argument is seen
/// by everything between client and gateway.
fn mirror(schema: &mut Value, over: &Override) -> Result<Vec<Mirrored>, String> {
    let mut out: Vec<Mirrored> = Vec::new();
    for m in &over.mcp_headers {
        let property = schema
            .pointer_mut("/properties")
            .and_then(|p| p.get_mut(&m.argument))
            .and_then(Value::as_object_mut);
        let property = match property {
            None if m.where_present => continue,
            found => found.ok_or_else(|| {
                format!("`mcp_headers` names `{}`, which is no argument", m.argument)
            })?,
        };
        if !matches!(
            property.get("type").and_then(Value::as_str),
            Some("string" | "integer" | "boolean")
        ) {
            return Err(format!(
                "`mcp_headers`: `{}` is not a string, an integer or a boolean",
                m.argument
            ));
        }
        property.insert("x-mcp-header".to_owned(), json!(m.header));
        let header = format!("mcp-param-{}", m.header.to_ascii_lowercase());
        let header = HeaderName::from_bytes(header.as_bytes())
            .map_err(|_| format!("`mcp_headers`: `{}` is not a header name", m.header))?;
        if out.iter().any(|o| o.header == header) {
            return Err(format!("`mcp_headers` names the header `{}` twice", m.header));
        }
        out.push(Mirrored { argument: m.argument.as_str().into(), header });
    }
    Ok(out)
}

fn path_parts(
    base: &str,
    template: &str,
    bindings: &[super::request::Binding],
) -> Result<Vec<PathPart>, String> {
    let mut parts = Vec::new();
    let mut literal = base.trim_end_matches('/').to_owned();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        literal.push_str(before);
        let Some((hole, after)) = after.split_once('}') else { break };
        let index = bindings
            .iter()
            .position(|b| b.spelling.location == Location::Path && *b.spelling.name == *hole)
            .ok_or_else(|| format!("the path parameter `{hole}` has no argument"))?;
        if !literal.is_empty() {
            parts.push(PathPart::Literal(std::mem::take(&mut literal).into()));
        }
        parts.push(PathPart::Hole(index));
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(PathPart::Literal(literal.into()));
    }
    for part in &mut parts {
        if let PathPart::Literal(text) = part {
            *text = encoded(text).into();
        }
    }
    Ok(parts)
}

/// A template's own text as it may stand in a request: only what no URL may
/// hold is encoded, since documents write `%20` and `:` as they mean them.
fn encoded(text: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const NOT_PATH: &AsciiSet =
        &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');
    utf8_percent_encode(text, NOT_PATH).to_string()
}

/// What the document says the operation answers, JSON first.
fn accept(o: &Operation<'_>, api: &Api) -> Result<HeaderValue, String> {
    if let Some((_, value)) = api.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("accept")) {
        return HeaderValue::from_str(value)
            .map_err(|_| "the header accept cannot be sent".to_owned());
    }
    let mut media: Vec<String> = Vec::new();
    for m in o.responses.iter().flat_map(|r| &r.media) {
        let essence = body::essence(m.name).into_owned();
        if essence.contains('/') && !media.contains(&essence) {
            media.push(essence);
        }
    }
    media.sort_by_key(|m| !body::is_json(m));
    media.truncate(8);
    if media.is_empty() || !media.iter().any(|m| m == "*/*") {
        media.push("*/*;q=0.1".to_owned());
    }
    if media.len() == 1 {
        media.insert(0, "application/json".to_owned());
    }
    HeaderValue::from_str(&media.join(", ")).or(Ok(HeaderValue::from_static("*/*")))
}

fn keys(schema: &Value, pointer: &str) -> Vec<Box<str>> {
    let object = schema.pointer(pointer).and_then(Value::as_object);
    object.into_iter().flat_map(|o| o.keys()).map(|k| k.as_str().into()).collect()
}

fn texts(schema: &Value, pointer: &str) -> Vec<Box<str>> {
    let list = schema.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}
