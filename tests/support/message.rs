//! One MCP message as a client sends it, right unless a test makes it wrong.

use super::http::post;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

pub const MODERN: &str = "2026-07-28";
pub const LEGACY: &str = "2025-11-25";

/// The two ways to speak MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28: each request says everything.
    Modern,
    /// Before: a handshake, then requests.
    Legacy,
}

pub const BOTH: [Era; 2] = [Era::Modern, Era::Legacy];

#[derive(Clone, Debug)]
pub struct Message {
    pub era: Era,
    /// As written; none for a notification.
    pub id: Option<String>,
    pub method: String,
    params: Option<Map<String, Value>>,
    headers: Vec<(String, String)>,
    path: String,
    host: Option<String>,
    /// In place of the body that the rest makes.
    body: Option<Vec<u8>>,
}

/// Ids as clients choose them: integers and strings in turn.
fn next_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    match NEXT.fetch_add(1, Ordering::Relaxed) {
        n if n.is_multiple_of(3) => format!("\"id \\u00e9/{n}\""),
        n => n.to_string(),
    }
}

impl Message {
    pub fn new(era: Era, method: &str, params: Value) -> Self {
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ];
        let params = params.as_object().cloned();
        let mut message = Message {
            era,
            id: Some(next_id()),
            method: method.to_owned(),
            params,
            headers: Vec::new(),
            path: "/mcp".to_owned(),
            host: None,
            body: None,
        };
        match era {
            Era::Modern => {
                headers.push(("MCP-Protocol-Version".to_owned(), MODERN.to_owned()));
                headers.push(("Mcp-Method".to_owned(), method.to_owned()));
                let key = "io.modelcontextprotocol/clientCapabilities";
                message = message.meta(key, json!({}));
                let me = json!({"name": "tests", "version": "1"});
                message = message.meta("io.modelcontextprotocol/clientInfo", me);
                message = message.meta("io.modelcontextprotocol/protocolVersion", json!(MODERN));
                let named = |key: &str| message.params.as_ref()?.get(key)?.as_str();
                if let Some(name) = named("name").or(named("uri")) {
                    headers.push(("Mcp-Name".to_owned(), name.to_owned()));
                }
            }
            Era::Legacy if method != "initialize" => {
                headers.push(("MCP-Protocol-Version".to_owned(), LEGACY.to_owned()));
            }
            Era::Legacy => {}
        }
        message.headers = headers;
        message
    }

    pub fn modern(method: &str, params: Value) -> Self {
        Message::new(Era::Modern, method, params)
    }

    pub fn legacy(method: &str, params: Value) -> Self {
        Message::new(Era::Legacy, method, params)
    }

    /// A call of a tool.
    pub fn call(era: Era, tool: &str, arguments: Value) -> Self {
        Message::new(era, "tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// The handshake of a revision.
    pub fn initialize(version: &str) -> Self {
        let me = json!({"name": "tests", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": me});
        Message::legacy("initialize", params)
    }

    /// A message that wants no answer.
    pub fn notification(era: Era, method: &str) -> Self {
        Message::new(era, method, json!({})).without_id()
    }

    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    pub fn without_id(mut self) -> Self {
        self.id = None;
        self
    }

    /// A member of `params._meta`.
    pub fn meta(mut self, key: &str, value: Value) -> Self {
        let params = self.params.get_or_insert_default();
        params.entry("_meta").or_insert_with(|| json!({}))[key] = value;
        self
    }

    pub fn without_meta(mut self, key: &str) -> Self {
        if let Some(meta) = self.params.as_mut().and_then(|p| p.get_mut("_meta")) {
            meta.as_object_mut().expect("an object").remove(key);
        }
        self
    }

    /// A header in place of the one there is.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    /// A header beside the one there is.
    pub fn also(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    pub fn path(mut self, path: &str) -> Self {
        self.path = path.to_owned();
        self
    }

    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// These bytes as the body, whatever the rest says.
    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub fn body(&self) -> Vec<u8> {
        if let Some(body) = &self.body {
            return body.clone();
        }
        let id = self.id.as_ref().map(|id| format!("\"id\":{id},")).unwrap_or_default();
        let params = match &self.params {
            Some(params) => format!(",\"params\":{}", Value::Object(params.clone())),
            None => String::new(),
        };
        format!("{{\"jsonrpc\":\"2.0\",{id}\"method\":{}{params}}}", json!(self.method)).into()
    }

    pub fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }

    /// The whole request for a server.
    pub fn bytes(&self, server: impl ToString) -> Vec<u8> {
        let host = self.host.clone().unwrap_or_else(|| server.to_string());
        post(&self.path, host, &self.headers(), &self.body())
    }
}
