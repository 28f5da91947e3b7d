//! Drawbridge: any HTTP API described by OpenAPI, for agents over the Model
//! Context Protocol. ARCHITECTURE.md draws the picture; `exchange` is the file
//! to read first.
//!
//! A module imports only from those below it in this list.

pub mod admin;
pub mod cli;
pub mod config;
pub mod demo;
pub mod exchange;
pub mod fault;
pub mod gateway;
pub mod header;
pub mod jsonrpc;
pub mod mcp;
pub mod observe;
pub mod openapi;
pub mod policy;
pub mod problem;
pub mod read;
pub mod reload;
pub mod schema;
pub mod secret;
pub mod snapshot;
pub mod tool;
