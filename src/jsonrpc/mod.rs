//! Bytes <-> JSON-RPC 2.0 envelopes. Knows nothing of MCP.

pub mod envelope;
pub mod escape;
pub mod raw;

pub use envelope::{Message, Rejected, Request, parse};
