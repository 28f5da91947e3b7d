//! What a client sees when something is wrong: one type, two messages.
//!
//! A fault knows its class, the sentence the client reads and the detail the
//! log keeps. It does not know how it is written: `exchange::reply` renders it.

use serde_json::Value;

/// Every way a request can go wrong. The table in docs/errors.md lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    // Faults of the message: answered as a JSON-RPC error.
    ParseError,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    InvalidMeta,
    HeaderMismatch,
    MissingCapability,
    UnsupportedVersion,
    ForbiddenHost,
    ForbiddenOrigin,
    NoSuchPath,
    MethodNotAllowed,
    BodyTooLarge,
    BodyTimeout,
    UnsupportedMediaType,
    NotAcceptable,
    SessionNotFound,
    Overloaded,
    Internal,
    // Faults of the call: answered as a result with `isError: true`.
    InvalidArguments,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamClosed,
    UpstreamTooLarge,
    UpstreamInvalid,
    OutputMismatch,
}

/// How a class reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A JSON-RPC error with this code and HTTP status.
    Error { code: i64, status: u16 },
    /// A tools/call result with `isError: true`, HTTP 200.
    ToolResult,
}

impl Class {
    pub const ALL: [Class; 26] = [
        Class::ParseError,
        Class::InvalidRequest,
        Class::MethodNotFound,
        Class::InvalidParams,
        Class::InvalidMeta,
        Class::HeaderMismatch,
        Class::MissingCapability,
        Class::UnsupportedVersion,
        Class::ForbiddenHost,
        Class::ForbiddenOrigin,
        Class::NoSuchPath,
        Class::MethodNotAllowed,
        Class::BodyTooLarge,
        Class::BodyTimeout,
        Class::UnsupportedMediaType,
        Class::NotAcceptable,
        Class::SessionNotFound,
        Class::Overloaded,
        Class::Internal,
        Class::InvalidArguments,
        Class::UpstreamRefused,
        Class::UpstreamTimeout,
        Class::UpstreamClosed,
        Class::UpstreamTooLarge,
        Class::UpstreamInvalid,
        Class::OutputMismatch,
    ];

    /// The name in metrics, logs and docs/errors.md.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    pub fn shape(self) -> Shape {
        self.row().1
    }

    /// Name, shape. The codes are those of JSON-RPC 2.0 §5.1 and of MCP
    /// 2026-07-28 (basic, "Error Codes"); faults of the HTTP message that have
    /// no code of their own use -32600.
    fn row(self) -> (&'static str, Shape) {
        const fn error(code: i64, status: u16) -> Shape {
            Shape::Error { code, status }
        }
        match self {
            Class::ParseError => ("parse_error", error(-32700, 400)),
            Class::InvalidRequest => ("invalid_request", error(-32600, 400)),
            Class::MethodNotFound => ("method_not_found", error(-32601, 404)),
            Class::InvalidParams => ("invalid_params", error(-32602, 200)),
            Class::InvalidMeta => ("invalid_meta", error(-32602, 400)),
            Class::HeaderMismatch => ("header_mismatch", error(-32020, 400)),
            Class::MissingCapability => ("missing_capability", error(-32021, 400)),
            Class::UnsupportedVersion => ("unsupported_version", error(-32022, 400)),
            Class::ForbiddenHost => ("forbidden_host", error(-32600, 403)),
            Class::ForbiddenOrigin => ("forbidden_origin", error(-32600, 403)),
            Class::NoSuchPath => ("no_such_path", error(-32600, 404)),
            Class::MethodNotAllowed => ("method_not_allowed", error(-32600, 405)),
            Class::BodyTooLarge => ("body_too_large", error(-32600, 413)),
            Class::BodyTimeout => ("body_timeout", error(-32600, 408)),
            Class::UnsupportedMediaType => ("unsupported_media_type", error(-32600, 415)),
            Class::NotAcceptable => ("not_acceptable", error(-32600, 406)),
            Class::SessionNotFound => ("session_not_found", error(-32600, 404)),
            Class::Overloaded => ("overloaded", error(-32603, 503)),
            Class::Internal => ("internal", error(-32603, 500)),
            Class::InvalidArguments => ("invalid_arguments", Shape::ToolResult),
            Class::UpstreamRefused => ("upstream_refused", Shape::ToolResult),
            Class::UpstreamTimeout => ("upstream_timeout", Shape::ToolResult),
            Class::UpstreamClosed => ("upstream_closed", Shape::ToolResult),
            Class::UpstreamTooLarge => ("upstream_too_large", Shape::ToolResult),
            Class::UpstreamInvalid => ("upstream_invalid", Shape::ToolResult),
            Class::OutputMismatch => ("output_mismatch", Shape::ToolResult),
        }
    }
}

/// Something wrong with one request. Build it with [`Fault::new`] and add what
/// the log should keep with [`Fault::log`].
#[derive(Clone, Debug)]
pub struct Fault {
    pub class: Class,
    /// What the client reads: what is wrong and what to do. No host names,
    /// no secrets, no bytes of the upstream's own errors.
    pub message: String,
    /// What the log keeps beside it.
    pub detail: Option<String>,
    /// The `data` member of a JSON-RPC error.
    pub data: Option<Box<Value>>,
}

impl Fault {
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Fault { class, message: message.into(), detail: None, data: None }
    }

    pub fn log(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub fn data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }
}

pub type Result<T> = std::result::Result<T, Fault>;
