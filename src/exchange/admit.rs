//! Rules of the HTTP message, checked before its body is read.

use super::reply::{Record, Reply, fault_reply};
use super::subscribe::Subscription;
use super::{Facts, Next};
use crate::fault::{Class, Fault, Result};
use crate::mcp::headers;
use crate::mcp::version::MODERN;
use crate::snapshot::{Server, Snapshot};
use http::{HeaderMap, HeaderValue, Method, header};
use std::sync::Arc;

/// What the header alone decides.
pub enum Admitted {
    /// Read the message and [`prepare`](super::prepare) it for this server.
    Message(Arc<Server>),
    /// No message is needed.
    Done(Next),
}

/// Decides by the header alone.
pub fn admit(snapshot: &Snapshot, facts: &Facts<'_>) -> Admitted {
    let Some(server) = snapshot.server(facts.path) else {
        let fault = Fault::new(
            Class::NoSuchPath,
            format!("there is no MCP server at this path; there is one at {}", paths(snapshot)),
        );
        return Admitted::Done(refuse(None, facts, fault));
    };
    match check(server, facts) {
        Ok(()) if facts.method == Method::POST => Admitted::Message(server.clone()),
        Ok(()) => Admitted::Done(Next::Stream(Box::new(Subscription::legacy(server)))),
        Err(fault) => Admitted::Done(refuse(Some(server), facts, fault)),
    }
}

fn refuse(server: Option<&Arc<Server>>, facts: &Facts<'_>, fault: Fault) -> Next {
    let record = Record::of_http(facts.method);
    let not_allowed = fault.class == Class::MethodNotAllowed;
    let mut reply = fault_reply(None, false, fault, record);
    reply.server = server.cloned();
    if not_allowed {
        reply.headers.push((header::ALLOW, HeaderValue::from_static("POST, GET")));
    }
    Next::Reply(reply)
}

fn paths(snapshot: &Snapshot) -> String {
    const SHOWN_MAX: usize = 5;
    let paths: Vec<&str> = snapshot.servers.iter().take(SHOWN_MAX).map(|s| &*s.path).collect();
    paths.join(", ")
}

fn check(server: &Server, facts: &Facts<'_>) -> Result<()> {
    let origins = facts.headers.get_all(header::ORIGIN).iter().map(HeaderValue::as_bytes);
    server.origin.check(facts.authority, origins)?;
    match *facts.method {
        Method::POST => post(server, facts.headers),
        Method::GET => get(server, facts),
        _ => Err(Fault::new(Class::MethodNotAllowed, "send MCP messages with POST")),
    }
}

fn post(server: &Server, headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let json = text(header::CONTENT_TYPE).is_some_and(crate::tool::body::is_json);
    if !json {
        let message = "send the message with Content-Type: application/json";
        return Err(Fault::new(Class::UnsupportedMediaType, message));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        let message = "send the message without Content-Encoding";
        return Err(Fault::new(Class::UnsupportedMediaType, message));
    }
    if !accepts(headers, "application/json") && !accepts(headers, EVENT_STREAM) {
        let message = "send Accept: application/json, text/event-stream";
        return Err(Fault::new(Class::NotAcceptable, message));
    }
    let length = text(header::CONTENT_LENGTH).and_then(|v| v.parse::<u64>().ok());
    match length {
        Some(n) if n > server.request_bytes_max as u64 => Err(too_large(server.request_bytes_max)),
        _ => Ok(()),
    }
}

/// The fault of a body over the limit.
pub fn too_large(limit: usize) -> Fault {
    Fault::new(
        Class::BodyTooLarge,
        format!(
            "the message is larger than {}; the limit is `limits.request` of the server",
            crate::config::units::show_bytes(limit)
        ),
    )
}

/// The stream of server messages that the handshake revisions have.
fn get(server: &Server, facts: &Facts<'_>) -> Result<()> {
    let version = facts.headers.get(&headers::PROTOCOL_VERSION).map(HeaderValue::as_bytes);
    if version == Some(MODERN.as_bytes()) {
        let message = "revision 2026-07-28 has no GET; send subscriptions/listen with POST";
        return Err(Fault::new(Class::MethodNotAllowed, message));
    }
    if !accepts(facts.headers, EVENT_STREAM) {
        let message = "this is an MCP endpoint: send MCP messages with POST, or GET with Accept: text/event-stream";
        return Err(Fault::new(Class::MethodNotAllowed, message));
    }
    match facts.headers.get(&headers::SESSION_ID).map(HeaderValue::to_str) {
        None => Ok(()),
        Some(Ok(id)) if server.session_key.check(id, (facts.now)()).is_some() => Ok(()),
        Some(_) => Err(Fault::new(
            Class::SessionNotFound,
            "the session is unknown or too old; initialize again",
        )),
    }
}

pub const EVENT_STREAM: &str = "text/event-stream";

/// Whether an `Accept` header takes a media type. No header takes all but event
/// streams, which must be named: `*/*` is what says a client that never heard of
/// them.
pub fn accepts(headers: &HeaderMap, media: &str) -> bool {
    /// What every official client sends.
    const BOTH: &str = "application/json, text/event-stream";
    if headers.get(header::ACCEPT).is_some_and(|v| v == BOTH) {
        return media == "application/json" || media == EVENT_STREAM;
    }
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return media != EVENT_STREAM;
    }
    let kind = media.split('/').next().unwrap_or_default();
    values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        let any = media != EVENT_STREAM;
        range.eq_ignore_ascii_case(media)
            || (any && range == "*/*")
            || range.strip_suffix("/*").is_some_and(|k| k.eq_ignore_ascii_case(kind))
    })
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: u16, record: Record) -> Self {
        Reply {
            status,
            body: Default::default(),
            headers: Default::default(),
            server: None,
            record,
        }
    }
}
