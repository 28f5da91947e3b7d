//! `drawbridge call`: one tools/call to a running server, in revision
//! 2026-07-28.

use super::{Exit, complain, print};
use crate::mcp::version::MODERN;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// The tool's name.
    tool: String,
    /// The arguments, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    /// The MCP endpoint.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/mcp")]
    url: String,
    /// The whole result, for machines.
    #[arg(long)]
    json: bool,
}

const TIMEOUT: Duration = Duration::from_secs(120);

pub fn run(args: &Args) -> Exit {
    let arguments: Value = match serde_json::from_str(&args.args) {
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(_) => {
            complain("--args must be a JSON object");
            return Exit::Usage;
        }
        Err(e) => {
            complain(&format!("--args is not JSON: {e}"));
            return Exit::Usage;
        }
    };
    match send(args, &arguments) {
        Ok(message) => told(&message, args.json),
        Err(e) => {
            complain(&format!("{}: {e}", args.url));
            Exit::Unreachable
        }
    }
}

fn send(args: &Args, arguments: &Value) -> Result<Value, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .build()
        .into();
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": args.tool,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": {"name": "drawbridge", "version": env!("CARGO_PKG_VERSION")},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let mut response = agent
        .post(&args.url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/call")
        .header("mcp-name", &args.tool)
        .send(message.to_string())
        .map_err(|e| e.to_string())?;
    let text = response.body_mut().read_to_string().map_err(|e| e.to_string())?;
    serde_json::from_str(&text)
        .map_err(|_| format!("HTTP {}: not an MCP answer", response.status().as_u16()))
}

fn told(message: &Value, as_json: bool) -> Exit {
    let is_error = message.get("error").is_some()
        || message.pointer("/result/isError") == Some(&Value::Bool(true));
    if as_json {
        print(&message.to_string());
    } else if let Some(error) = message.pointer("/error/message").and_then(Value::as_str) {
        complain(error);
    } else {
        let blocks = message.pointer("/result/content").and_then(Value::as_array);
        for block in blocks.into_iter().flatten() {
            match block.get("text").and_then(Value::as_str) {
                Some(text) => print(text),
                None => print(&format!(
                    "[{}]",
                    block.get("type").and_then(Value::as_str).unwrap_or("?")
                )),
            }
        }
    }
    if is_error { Exit::Findings } else { Exit::Ok }
}
