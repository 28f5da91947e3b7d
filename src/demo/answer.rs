//! What the shop answers, as data for whoever owns the socket.
//!
//! It must not know of routes, books or problems.

use std::time::Duration;

use serde::Serialize;

/// One answer of the demo API. `Content-Type` is among the headers;
/// `Content-Length` is the sender's to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// How long the sender waits before it sends.
    pub delay: Duration,
}

impl Answer {
    pub(super) fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", content_type.to_owned())],
            body,
            delay: Duration::ZERO,
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO }
    }

    pub(super) fn json<T: Serialize>(status: u16, value: &T) -> Self {
        Self::new(status, "application/json", render(value))
    }

    pub(super) fn problem_json<T: Serialize>(status: u16, value: &T) -> Self {
        Self::new(status, "application/problem+json", render(value))
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(super) fn without_body(mut self) -> Self {
        self.body.clear();
        self
    }
}

/// The shop's own values have string keys and finite numbers, so they always
/// render; the empty body stands in for a case that cannot come up.
fn render<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
