//! The output schema of a tool, from the document's successful answers.

use super::body::{is_json, is_xml};
use super::xml::Shapes;
use crate::config::OutputSchema;
use crate::openapi::Operation;
use crate::schema::validators::{Lazy, Validators};
use crate::schema::{Converter, Library, tolerant};
use bytes::Bytes;
use serde_json::{Map, Value, json};
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
    pub wrapped: Option<Bytes>,
    /// The answer is XML of this shape.
    pub xml: Option<Shapes>,
}

/// `None` when the document describes no JSON answer, or in words that cannot
/// be published: a result without a schema is better than a tool that breaks
/// every client's list.
pub fn compile(
    operation: &Operation<'_>,
    form: OutputSchema,
    wrap: bool,
    library: &Library,
    converter: &mut Converter<'_>,
    validators: &Arc<Validators>,
) -> Option<Output> {
    if form == OutputSchema::None {
        return None;
    }
    let (schema_of_answer, is_xml) = success(operation)?;
    let converted = converter.convert(schema_of_answer).ok()?;
    let root_is_object = is_object(&converted, converter);
    let root = rooted(converted, root_is_object)?;
    let closed = Value::Object(converter.close(root));
    let schema = match form {
        OutputSchema::Exact => without_formats(closed),
        _ => tolerant::tolerate(&closed),
    };
    let schema = if root_is_object { with_object_type(schema) } else { schema };
    let text = schema.to_string();
    if text.len() > SCHEMA_BYTES_MAX
        || crate::schema::bounds::evaluations(&schema) > crate::schema::bounds::EVALUATIONS_MAX
    {
        return None;
    }
    let xml = is_xml.then(|| Shapes::compile(library, schema_of_answer));
    let wrapped = (wrap && !root_is_object).then(|| wrapped(schema).to_string().into());
    Some(Output { schema: validators.add(text.into()), root_is_object, wrapped, xml })
}

impl Output {
    /// The schema as clients of an era take it, if they take it at all:
    /// handshake clients refuse a list in which one root is not an object.
    pub fn published(&self, modern: bool) -> Option<&Bytes> {
        match modern || self.root_is_object {
            true => Some(self.schema.schema()),
            false => self.wrapped.as_ref(),
        }
    }
}

/// The schema of an object whose `result` is what `schema` describes.
fn wrapped(mut schema: Value) -> Value {
    let defs = schema.as_object_mut().and_then(|s| s.shift_remove("$defs"));
    let mut out =
        json!({"type": "object", "properties": {"result": schema}, "required": ["result"]});
    if let Some(defs) = defs {
        out["$defs"] = defs;
    }
    out
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

fn rooted(schema: Value, is_object: bool) -> Option<Map<String, Value>> {
    let Value::Object(mut root) = schema else { return None };
    if root.is_empty() {
        return None;
    }
    if is_object {
        root.insert("type".to_owned(), json!("object"));
    }
    Some(root)
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
