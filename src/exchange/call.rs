//! One call of one tool, on its way to the API and back.

use super::reply::{Rendered, error_result};
use crate::fault::{Class, Fault, Shape};
use crate::jsonrpc::escape::string_into;
use crate::mcp::Era;
use crate::observe::Outcome;
use crate::snapshot::Server;
use crate::tool::Tool;
use crate::tool::request::UpstreamRequest;
use std::sync::Arc;

pub struct Call {
    pub server: Arc<Server>,
    pub tool: Arc<Tool>,
    pub era: Era,
    /// The id of the message, as written.
    pub id: Box<str>,
    pub request_id: u64,
    pub request: UpstreamRequest,
    pub notices: Notices,
}

/// What a client wants to hear while a call runs.
#[derive(Debug, Default)]
pub struct Notices {
    /// As written.
    pub progress_token: Option<Box<str>>,
    /// Log lines of level info.
    pub log: bool,
}

impl Notices {
    pub fn any(&self) -> bool {
        self.log || self.progress_token.is_some()
    }
}

/// Steps of a call that are told while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The request is on its way.
    Sent,
    /// The header of the answer is here.
    Headers,
    /// The whole answer is here.
    Body,
}

impl Phase {
    fn told(self) -> (u32, &'static str) {
        match self {
            Phase::Sent => (0, "request sent to the API"),
            Phase::Headers => (50, "the API began its answer"),
            Phase::Body => (100, "the answer is complete"),
        }
    }
}

impl Call {
    /// The events that tell of a phase, in the order they are wanted.
    pub fn notice(&self, phase: Phase) -> Vec<u8> {
        let (progress, text) = phase.told();
        let mut out = Vec::new();
        if let Some(token) = &self.notices.progress_token {
            let mut message = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{token},\"progress\":{progress},\"total\":100,\"message\":"
            )
            .into_bytes();
            string_into(&mut message, text);
            message.extend_from_slice(b"}}");
            event_into(&message, &mut out);
        }
        if self.notices.log {
            let data = serde_json::json!({
                "message": text, "tool": self.tool.name, "requestId": self.request_name(),
            });
            let message = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"logger\":\"drawbridge\",\"data\":{data}}}}}"
            );
            event_into(message.as_bytes(), &mut out);
        }
        out
    }

    /// The message for a call that could not be completed.
    pub fn fail(&self, fault: &Fault) -> Rendered {
        let mut body = Vec::with_capacity(512);
        let text = match fault.class {
            Class::InvalidArguments => fault.message.clone(),
            class => {
                format!("{} ({}, request {})", fault.message, class.name(), self.request_name())
            }
        };
        debug_assert_eq!(fault.class.shape(), Shape::ToolResult);
        error_result(&self.server, self.era, &self.id, &text, &mut body);
        Rendered { body, outcome: Outcome::Fault(fault.class) }
    }

    /// What names this request to the client and in the log.
    pub fn request_name(&self) -> String {
        format!("{:016x}", self.request_id)
    }
}

/// One server-sent event. A message is JSON, whose line breaks between tokens
/// mean nothing; in an event they would end the data.
pub fn event_into(message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend(message.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
    out.extend_from_slice(b"\n\n");
}
