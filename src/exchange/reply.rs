//! The one place where results and faults become bytes.

use crate::fault::{Class, Fault, Shape};
use crate::mcp::Era;
use crate::observe::{METHODS, Outcome};
use crate::snapshot::Server;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use std::sync::Arc;

/// An answer that is ready: JSON when it has a body.
pub struct Reply {
    pub status: u16,
    pub body: Body,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whose figures it counts in.
    pub server: Option<Arc<Server>>,
    pub record: Record,
}

/// In two parts, so that what many answers share is not copied for each.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pub own: Bytes,
    pub shared: Bytes,
}

impl Body {
    pub fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn to_vec(&self) -> Vec<u8> {
        [&*self.own, &*self.shared].concat()
    }
}

impl From<Vec<u8>> for Body {
    fn from(own: Vec<u8>) -> Self {
        Body { own: own.into(), shared: Bytes::new() }
    }
}

/// What the log and the figures keep of a request.
#[derive(Clone, Debug)]
pub struct Record {
    /// One of [`METHODS`].
    pub method: &'static str,
    pub modern: bool,
    pub outcome: Outcome,
    /// The log's part of a fault.
    pub detail: Option<String>,
}

impl Record {
    pub fn new(method: &str, modern: bool) -> Self {
        let known = METHODS.iter().find(|m| **m == method).copied();
        Record { method: known.unwrap_or("other"), modern, outcome: Outcome::Ok, detail: None }
    }

    pub fn of_http(method: &Method) -> Self {
        Record::new(if *method == Method::POST { "none" } else { method.as_str() }, false)
    }
}

/// The body of a message and how the exchange ended.
pub struct Rendered {
    pub body: Vec<u8>,
    pub outcome: Outcome,
}

/// `{"jsonrpc":"2.0","id":ID,"result":`
pub fn open_result(id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":");
}

/// A reply with a result that is rendered already, up to the end of the message.
pub fn result_reply(id: &str, result: Bytes, record: Record) -> Reply {
    let mut own = Vec::with_capacity(id.len() + 40);
    open_result(id, &mut own);
    let body = Body { own: own.into(), shared: result };
    Reply { status: 200, body, headers: Vec::new(), server: None, record }
}

/// A reply with a JSON-RPC error. Faults of a call have another form; see
/// `error_result`.
pub fn fault_reply(id: Option<&str>, modern: bool, fault: Fault, mut record: Record) -> Reply {
    let (code, status) = match fault.class.shape() {
        // Handshake clients take a status as a fault of the transport.
        Shape::Error { code, status: 404 } if !modern && fault.class == Class::MethodNotFound => {
            (code, 200)
        }
        Shape::Error { code, status } => (code, status),
        Shape::ToolResult => (-32603, 200),
    };
    let mut body = b"{\"jsonrpc\":\"2.0\",".to_vec();
    if let Some(id) = id {
        body.extend_from_slice(b"\"id\":");
        body.extend_from_slice(id.as_bytes());
        body.push(b',');
    }
    body.extend_from_slice(b"\"error\":{\"code\":");
    body.extend_from_slice(code.to_string().as_bytes());
    body.extend_from_slice(b",\"message\":");
    crate::jsonrpc::escape::string_into(&mut body, &fault.message);
    if let Some(data) = &fault.data {
        body.extend_from_slice(b",\"data\":");
        body.extend_from_slice(data.to_string().as_bytes());
    }
    body.extend_from_slice(b"}}");
    record.outcome = Outcome::Fault(fault.class);
    record.modern = modern;
    record.detail = fault.detail;
    Reply { status, body: body.into(), headers: Vec::new(), server: None, record }
}

/// What closes a result of an era, after its last member.
pub fn tail(server: &Server, era: Era) -> &[u8] {
    match era {
        Era::Modern => &server.results.plain_tail,
        Era::Legacy(_) => b"}",
    }
}

/// A result with `isError: true` and one text.
pub fn error_result(server: &Server, era: Era, id: &str, text: &str, out: &mut Vec<u8>) {
    open_result(id, out);
    out.extend_from_slice(b"{\"content\":[{\"type\":\"text\",\"text\":");
    crate::jsonrpc::escape::string_into(out, text);
    out.extend_from_slice(b"}],\"isError\":true");
    out.extend_from_slice(tail(server, era));
    out.push(b'}');
}
