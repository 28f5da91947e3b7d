//! Drawbridge: any HTTP API described by OpenAPI, for agents over the Model
//! Context Protocol. ARCHITECTURE.md draws the picture; `exchange` is the file
//! to read first.
//!
//! A module imports only from those below it in this list.

pub mod config;
pub mod demo;
pub mod exchange;
pub mod fault;
pub mod header;
pub mod jsonrpc;
pub mod mcp;
pub mod observe;
pub mod openapi;
pub mod policy;
pub mod problem;
pub mod read;
pub mod schema;
pub mod secret;
pub mod snapshot;
pub mod tool;
