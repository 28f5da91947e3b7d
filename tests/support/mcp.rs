//! A strict MCP client: every answer is checked against the message it answers
//! before a test sees it.

use super::binary::Binary;
use super::http::{Connection, Response};
use super::message::{Era, Message};
use super::shown;
use serde_json::Value;
use std::net::SocketAddr;

/// A client that keeps its connection while the server does.
pub struct Client {
    address: SocketAddr,
    connection: Option<Connection>,
    /// Connections opened so far.
    pub opened: usize,
}

/// One answer to one message.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub response: Response,
    pub message: Value,
}

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

impl Client {
    pub fn of(binary: &Binary) -> Self {
        Client { address: binary.address, connection: None, opened: 0 }
    }

    /// Sends a message and reads its answer.
    pub fn ask(&mut self, message: &Message) -> Answer {
        check(message, self.exchange(message))
    }

    /// The same, for a message that may get an answer without a body.
    pub fn exchange(&mut self, message: &Message) -> Response {
        let bytes = message.bytes(self.address);
        let connection = self.connection();
        connection.send(&bytes);
        let response = connection.response();
        connection.expect_quiet();
        if response.closes() {
            self.connection().expect_end();
            self.connection = None;
        }
        response
    }

    pub fn call(&mut self, era: Era, tool: &str, arguments: Value) -> Answer {
        self.ask(&Message::call(era, tool, arguments))
    }

    pub fn connection(&mut self) -> &mut Connection {
        if self.connection.is_none() {
            self.opened += 1;
        }
        self.connection.get_or_insert_with(|| Connection::open(self.address))
    }

    /// Uses another connection from here on.
    pub fn forget(&mut self) {
        self.connection = None;
    }

    /// Gives the connection away.
    pub fn into_connection(mut self) -> Connection {
        self.connection();
        self.connection.take().expect("it was opened")
    }
}

/// What every answer must be, whatever it says.
pub fn check(message: &Message, response: Response) -> Answer {
    let content_type = response.header("content-type");
    assert_eq!(content_type, Some("application/json"), "{message:?}: {response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{response:?}");
    let value = check_message(message, &response.body);
    if value.get("result").is_some() {
        assert_eq!(response.status, 200, "a result comes with 200: {value}");
    }
    Answer { status: response.status, message: value, response }
}

/// What every message that answers must be.
pub fn check_message(message: &Message, body: &[u8]) -> Value {
    let value: Value = serde_json::from_slice(body)
        .unwrap_or_else(|e| panic!("{e}: {} answered {}", message.method, shown(body)));
    assert_eq!(value["jsonrpc"], "2.0", "{value}");
    let has = |key: &str| value.get(key).is_some();
    assert!(has("result") != has("error"), "a result or an error: {value}");
    if has("id") || has("result") {
        let id = message.id.as_deref().expect("nothing answers a notification");
        let opening = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},");
        assert!(body.starts_with(opening.as_bytes()), "the id as written: {}", shown(body));
    }
    if let Some(error) = value.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{value}");
    }
    if let Some(result) = value.get("result") {
        check_result(message, result);
    }
    value
}

fn check_result(message: &Message, result: &Value) {
    match message.era {
        Era::Modern => {
            assert_eq!(result["resultType"], "complete", "{result}");
            let info = &result["_meta"][SERVER_INFO];
            assert!(info["name"].is_string() && info["version"].is_string(), "{result}");
        }
        Era::Legacy => {
            for key in ["resultType", "ttlMs", "cacheScope", "_meta"] {
                assert!(result.get(key).is_none(), "{key} on the old wire: {result}");
            }
        }
    }
    if message.method == "tools/call" {
        check_content(result);
    }
}

fn check_content(result: &Value) {
    let is_error = result["isError"].as_bool().expect("isError is told");
    assert!(!(is_error && result.get("structuredContent").is_some()), "{result}");
    let blocks = result["content"].as_array().expect("content is a list");
    assert!(!blocks.is_empty(), "{result}");
    for block in blocks {
        let has = |key: &str| block[key].is_string();
        let good = match block["type"].as_str() {
            Some("text") => has("text"),
            Some("image" | "audio") => has("data") && has("mimeType"),
            Some("resource") => block["resource"]["uri"].is_string(),
            _ => false,
        };
        assert!(good, "{block}");
    }
}

impl Answer {
    pub fn result(&self) -> &Value {
        self.message.get("result").unwrap_or_else(|| panic!("no result: {}", self.message))
    }

    /// The code of an error.
    pub fn code(&self) -> i64 {
        self.message["error"]["code"].as_i64().unwrap_or_else(|| panic!("{}", self.message))
    }

    /// Status and code; zero when it is no error.
    pub fn verdict(&self) -> (u16, i64) {
        (self.status, self.message["error"]["code"].as_i64().unwrap_or(0))
    }

    pub fn error_message(&self) -> &str {
        self.message["error"]["message"].as_str().unwrap_or_else(|| panic!("{}", self.message))
    }

    pub fn is_error(&self) -> bool {
        is_error(self.result())
    }

    pub fn text(&self) -> String {
        text(self.result())
    }

    pub fn outcome(&self) -> String {
        outcome(self.result())
    }
}

pub fn is_error(result: &Value) -> bool {
    result["isError"] == true
}

/// The text blocks of a result.
pub fn text(result: &Value) -> String {
    let blocks = result["content"].as_array().into_iter().flatten();
    blocks.filter_map(|b| b["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// How a call ended: `ok`, the class of its fault, or `error` when the API
/// itself said so.
pub fn outcome(result: &Value) -> String {
    const CLASSES: [&str; 6] = [
        "upstream_refused",
        "upstream_timeout",
        "upstream_closed",
        "upstream_too_large",
        "upstream_invalid",
        "output_mismatch",
    ];
    let text = text(result);
    let named =
        |c: &&&str| text.contains(&format!("({c}, request ")) || text.contains(&format!("({c})]"));
    match (is_error(result), CLASSES.iter().find(named)) {
        (false, None) => "ok".to_owned(),
        (true, None) => "error".to_owned(),
        (true, Some(class)) => (*class).to_owned(),
        (false, Some(class)) => panic!("{class} without isError: {text}"),
    }
}
