//! The Model Context Protocol: revisions, metadata, header rules and the results
//! that need no API. Knows nothing of OpenAPI; reads no socket.

pub mod headers;
pub mod meta;
pub mod results;
pub mod session;
pub mod version;

pub use meta::{Level, Meta};
pub use version::{Era, Revision};
