//! Drawbridge: any HTTP API described by OpenAPI, for agents over the Model
//! Context Protocol. ARCHITECTURE.md draws the picture; `exchange` is the module
//! to read first.
//!
//! A module imports only from those below it in this list.

// The command line: the only place that prints or reads the environment.
pub mod cli;

// The Pingora shell: sockets, time, bodies.
pub mod gateway;

// Files and URLs -> a new snapshot.
pub mod reload;

// The admin listener.
pub mod admin;

// One exchange: message -> what to do -> answer.
pub mod exchange;

// Everything one request needs, immutable.
pub mod snapshot;

// Operation -> tool; arguments -> request.
pub mod tool;

// Checks of one request's facts.
pub mod policy;

// MCP: revisions, metadata, headers, sessions.
pub mod mcp;

// Bytes <-> JSON-RPC.
pub mod jsonrpc;

// Documents -> operations.
pub mod openapi;

// JSON Schema: conversion and validators.
pub mod schema;

// Figures and the log.
pub mod observe;

// The configuration file.
pub mod config;

// The demo's example API.
pub mod demo;

// Which headers may be set.
pub mod header;

// YAML and JSON -> values, bounded.
pub mod read;

// What a client sees, what an operator sees, what nobody sees.
pub mod fault;

pub mod problem;

pub mod secret;
