//! Streams of changes: `subscriptions/listen`, and GET of the handshake
//! revisions.

use super::call::event_into;
use super::reply::open_result;
use crate::fault::{Class, Fault, Result};
use crate::snapshot::Server;
use serde::Deserialize;
use std::sync::Arc;

/// One open stream, without the socket.
pub struct Subscription {
    pub server: Arc<Server>,
    /// The id of subscriptions/listen; none for a GET.
    id: Option<Box<str>>,
    tools_changed: bool,
}

/// What a client may listen for. This server tells of tools only.
#[derive(Deserialize, Default)]
struct Filter {
    #[serde(default, rename = "toolsListChanged")]
    tools: Option<bool>,
}

impl Subscription {
    pub fn modern(server: &Arc<Server>, id: &str, filter: Option<&str>) -> Result<Self> {
        let filter: Filter = match filter {
            None => Filter::default(),
            Some(text) if !text.starts_with('{') => {
                let message = "`params.notifications` must be an object";
                return Err(Fault::new(Class::InvalidParams, message));
            }
            Some(text) => serde_json::from_str(text).map_err(|e| {
                Fault::new(
                    Class::InvalidParams,
                    format!("`params.notifications` cannot be read: {e}"),
                )
            })?,
        };
        let tools_changed = filter.tools.unwrap_or(false);
        Ok(Subscription { server: server.clone(), id: Some(id.into()), tools_changed })
    }

    pub fn legacy(server: &Arc<Server>) -> Self {
        Subscription { server: server.clone(), id: None, tools_changed: true }
    }

    pub fn is_modern(&self) -> bool {
        self.id.is_some()
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What opens the stream.
    pub fn opening(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.id {
            None => out.extend_from_slice(b": open\n\n"),
            Some(id) => {
                let honoured = if self.tools_changed { "\"toolsListChanged\":true" } else { "" };
                let message = format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{{{},\"notifications\":{{{honoured}}}}}}}",
                    meta(id)
                );
                event_into(message.as_bytes(), &mut out);
            }
        }
        out
    }

    /// What tells that the server is now `new`; nothing when it lists the same.
    pub fn changed(&mut self, new: &Arc<Server>) -> Option<Vec<u8>> {
        let differs = new.fingerprint != self.server.fingerprint;
        self.server = new.clone();
        if !differs || !self.tools_changed {
            return None;
        }
        let params = match &self.id {
            Some(id) => format!(",\"params\":{{{}}}", meta(id)),
            None => String::new(),
        };
        let message = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"{params}}}"
        );
        let mut out = Vec::new();
        event_into(message.as_bytes(), &mut out);
        Some(out)
    }

    /// What closes a stream that the server ends (subscriptions, "Graceful
    /// Closure").
    pub fn closing(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(id) = &self.id {
            let mut message = Vec::new();
            open_result(id, &mut message);
            message.extend_from_slice(
                format!("{{\"resultType\":\"complete\",{}}}}}", meta(id)).as_bytes(),
            );
            event_into(&message, &mut out);
        }
        out
    }
}

fn meta(id: &str) -> String {
    format!("\"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}}")
}
