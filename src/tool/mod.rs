//! Operations -> tools: what an agent sees, how its call becomes a request and
//! how the answer becomes a result. Everything that can be decided from the
//! document is decided here, when a snapshot is built.

mod adjust;
pub mod answer;
pub mod arguments;
pub mod body;
mod bounded;
pub mod compile;
pub mod credential;
pub mod describe;
pub mod encode;
mod extension;
mod file;
mod form;
mod headers;
pub mod input;
mod markup;
pub mod name;
pub mod output;
mod overrides;
pub mod request;
pub mod select;
pub mod style;
pub mod xml;

use crate::config::{AnswerAs, ResultAs};
use crate::observe::ToolFigures;
use crate::schema::validators::Lazy;
use bytes::Bytes;
use std::time::Duration;

/// One tool, compiled: immutable, shared by all calls.
#[derive(Debug)]
pub struct Tool {
    pub name: Box<str>,
    /// `GET /books/{isbn}`, for operators.
    pub operation: Box<str>,
    /// Which api it came from, for operators.
    pub api: Box<str>,
    pub definition: Definition,
    pub hints: describe::Hints,
    pub arguments: arguments::Arguments,
    pub request: request::Plan,
    /// The schema that structured results are checked against.
    pub output: Option<output::Output>,
    pub answer: AnswerAs,
    pub result: ResultAs,
    /// Capabilities a client must declare.
    pub requires: Vec<Box<str>>,
    /// Headers of an answer that a model is told.
    pub told: Vec<http::HeaderName>,
    /// Arguments that clients mirror into headers.
    pub mirrored: Vec<Mirrored>,
    /// The whole call.
    pub timeout: Duration,
    /// Bytes of an answer read whole, and of one streamed.
    pub response_bytes_max: usize,
    pub stream_bytes_max: usize,
    /// Index into the snapshot's upstreams.
    pub upstream: usize,
    /// The upstream's authorities, which no result may name.
    pub authorities: Vec<Box<str>>,
    pub figures: ToolFigures,
}

/// An argument and its header, `mcp-param-...` in lower case.
#[derive(Debug)]
pub struct Mirrored {
    pub argument: Box<str>,
    pub header: http::HeaderName,
}

/// A tool as tools/list tells it, in parts: the two schemas are the large ones
/// and are kept once, in their validators.
#[derive(Debug)]
pub struct Definition {
    /// `{"name":...,"description":...,"inputSchema":`
    pub head: Bytes,
    /// `,"annotations":{...}}`
    pub tail: Bytes,
    pub title: Option<String>,
    pub description: String,
}

impl Tool {
    /// The definition as JSON, for a client of an era, in parts that follow each
    /// other.
    fn definition_parts(&self, modern: bool) -> [&[u8]; 7] {
        let input = self.arguments.short.as_ref().unwrap_or(self.arguments.schema.schema());
        let output = self.output.as_ref().and_then(|o| o.published(modern));
        let key: &[u8] = if output.is_some() { b",\"outputSchema\":" } else { b"" };
        let (head, tail) = output.map_or((&b""[..], &b""[..]), |o| (&o.head, &o.tail));
        [&self.definition.head, &input.head, &input.tail, key, head, tail, &self.definition.tail]
    }

    /// Bytes of the definition, for a client of an era.
    pub fn definition_len(&self, modern: bool) -> usize {
        self.definition_parts(modern).iter().map(|part| part.len()).sum()
    }

    /// Appends the definition.
    pub fn write_definition(&self, modern: bool, out: &mut Vec<u8>) {
        self.definition_parts(modern).iter().for_each(|part| out.extend_from_slice(part));
    }

    /// Whether an output schema goes out on the wire of an era.
    pub fn has_output(&self, modern: bool) -> bool {
        self.output.as_ref().is_some_and(|o| o.published(modern).is_some())
    }
}

/// A schema and its validator.
pub type Checked = Lazy;
