//! OpenAPI documents -> one model of operations. Knows nothing of tools or MCP;
//! reads no file and no network.

pub mod bundle;
pub mod document;
pub mod operation;
pub mod overlay;
pub mod parameter;
pub mod security;
pub mod server;
mod swagger2;

pub use document::{Document, Version};
pub use operation::{Body, Media, Operation, Response, Skipped};
pub use parameter::{Location, Parameter, Style};
