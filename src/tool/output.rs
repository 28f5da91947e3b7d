//! The output schema of a tool, from the document's successful answers.

use super::body::{is_json, is_xml};
use super::xml::Shapes;
use crate::config::OutputSchema;
use crate::openapi::Operation;
use crate::schema::closure::{Closed, Closures};
use crate::schema::validators::{Lazy, Validators};
use crate::schema::{Converter, Dialect, Direction, Library, bounds, tolerant};
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest output schema that is published, in bytes. A model pays for
/// every byte of it, and gets the answer's structure from the answer as well.
const SCHEMA_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
pub struct Output {
    pub schema: Lazy,
    /// Handshake clients take no other root, and no other structured result.
    pub root_is_object: bool,
    /// For handshake clients: an object whose `result` is the answer.
    pub wrapped: Option<Closed>,
    /// The answer is XML of this shape.
    pub xml: Option<Shapes>,
}

/// The output schemas of one document. What several share is formed once.
pub struct Outputs<'l> {
    library: &'l Library,
    converter: Converter<'l>,
    closures: Closures,
}

impl<'l> Outputs<'l> {
    pub fn new(library: &'l Library, dialect: Dialect) -> Self {
        let converter = Converter::new(library, dialect, Direction::Output);
        Outputs { library, converter, closures: Closures::default() }
    }

    /// `None` when the document describes no JSON answer, or in words that cannot
    /// be published: a result without a schema is better than a tool that breaks
    /// every client's list.
    pub fn compile(
        &mut self,
        operation: &Operation<'_>,
        form: OutputSchema,
        wrap: bool,
        validators: &Arc<Validators>,
    ) -> Option<Output> {
        if form == OutputSchema::None {
            return None;
        }
        let (schema_of_answer, is_xml) = success(operation)?;
        let converted = self.converter.convert(schema_of_answer).ok()?;
        let root_is_object = is_object(&converted, &self.converter);
        let root = formed(form, rooted(converted)?);
        let root = if root_is_object { with_object_type(root) } else { root };
        let closed = self.closed(&root, form)?;
        let schema: Value = serde_json::from_slice(&closed.to_vec()).ok()?;
        if bounds::evaluations(&schema) > bounds::EVALUATIONS_MAX {
            return None;
        }
        let xml = is_xml.then(|| Shapes::compile(self.library, schema_of_answer));
        let wrapped = (wrap && !root_is_object)
            .then(|| json!({"type": "object", "properties": {"result": root}, "required": ["result"]}))
            .and_then(|root| self.closed(&root, form));
        Some(Output { schema: validators.add(closed), root_is_object, wrapped, xml })
    }

    /// A schema with the definitions it reaches; `None` over the limit.
    fn closed(&mut self, root: &Value, form: OutputSchema) -> Option<Closed> {
        let Outputs { converter, closures, .. } = self;
        let define = &mut |name: &str| {
            let converted = converter.definition(&format!("#/$defs/{name}"))?;
            Some(formed(form, converted.clone()))
        };
        closures.close(root, form as u8, SCHEMA_BYTES_MAX, define)
    }
}

fn formed(form: OutputSchema, schema: Value) -> Value {
    match form {
        OutputSchema::Exact => without_formats(schema),
        _ => tolerant::tolerate(&schema),
    }
}

impl Output {
    /// The schema as clients of an era take it, if they take it at all:
    /// handshake clients refuse a list in which one root is not an object.
    pub fn published(&self, modern: bool) -> Option<&Closed> {
        match modern || self.root_is_object {
            true => Some(self.schema.schema()),
            false => self.wrapped.as_ref(),
        }
    }
}

/// The schema of the first successful answer in JSON, or else in XML, and
/// whether it is the latter: 200, 201, 202, 203, other
/// 2xx, `2XX`. `default` mostly describes errors.
fn success<'d>(operation: &Operation<'d>) -> Option<(&'d Value, bool)> {
    let rank = |status: &str| match status {
        "200" => 0,
        "201" => 1,
        "202" => 2,
        "203" => 3,
        s if s.eq_ignore_ascii_case("2XX") => 5,
        _ => 4,
    };
    operation
        .responses
        .iter()
        .filter(|r| r.status.starts_with('2'))
        .filter_map(|r| {
            let json = r.media.iter().find(|m| is_json(m.name));
            let media = json.or_else(|| r.media.iter().find(|m| is_xml(m.name)))?;
            Some((rank(r.status), media.schema?, json.is_none()))
        })
        .min_by_key(|(rank, _, _)| *rank)
        .map(|(_, schema, is_xml)| (schema, is_xml))
}

/// Whether every value that fits is an object.
fn is_object(schema: &Value, converter: &Converter<'_>) -> bool {
    const REFERENCES_MAX: usize = 20;
    let mut schema = schema;
    for _ in 0..REFERENCES_MAX {
        match schema.get("$ref").and_then(Value::as_str).and_then(|r| converter.definition(r)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    match schema.get("type") {
        Some(Value::String(t)) => t == "object",
        Some(_) => false,
        None => {
            schema.get("properties").is_some()
                || schema
                    .get("allOf")
                    .and_then(Value::as_array)
                    .is_some_and(|all| all.iter().any(|s| is_object(s, converter)))
        }
    }
}

/// A root that says nothing is not published.
fn rooted(mut schema: Value) -> Option<Value> {
    let root = schema.as_object_mut()?;
    // Nothing refers to its own: what is referred to is attached later.
    root.shift_remove("$defs");
    (!root.is_empty()).then_some(schema)
}

fn with_object_type(schema: Value) -> Value {
    let Value::Object(mut root) = schema else { return schema };
    root.insert("type".to_owned(), json!("object"));
    Value::Object(root)
}

/// Clients disagree about formats and patterns: some refuse the list, some the
/// answer.
fn without_formats(mut schema: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(object) => {
                for key in ["format", "pattern"] {
                    if object.get(key).is_some_and(Value::is_string) {
                        object.shift_remove(key);
                    }
                }
                object.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut schema);
    schema
}
