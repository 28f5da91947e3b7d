//! A configuration and its document, made in a test and started as one.

use super::api;
use super::binary::{Binary, Setup};
use super::upstream::Upstream;
use serde_json::{Value, json};

/// What a process is started with. YAML takes JSON, so both are values that a
/// test changes by index.
#[derive(Clone)]
pub struct Rig {
    pub config: Value,
    pub document: Value,
}

impl Rig {
    /// One api of [`api::document`] behind one server at /mcp.
    pub fn to(url: &str) -> Self {
        let stream = json!({"answer": "stream"});
        let config = json!({
            "version": 1,
            "shutdown": {"grace": "5s"},
            "apis": {"api": {
                "openapi": "api.json",
                "upstream": {"urls": [url], "timeout": "10s"},
                "tools": {"override": {"streamed_get": stream, "streamed_post": stream}},
            }},
            "servers": {"main": {"path": "/mcp", "sources": [{"api": "api"}]}},
        });
        Rig { config, document: api::document() }
    }

    pub fn of(upstream: &Upstream) -> Self {
        Rig::to(&upstream.url())
    }

    /// Another document, without the overrides of the usual one.
    pub fn document(mut self, document: Value) -> Self {
        self.document = document;
        self.api()["tools"] = json!({});
        self
    }

    pub fn api(&mut self) -> &mut Value {
        &mut self.config["apis"]["api"]
    }

    pub fn server(&mut self) -> &mut Value {
        &mut self.config["servers"]["main"]
    }

    pub fn limits(&mut self) -> &mut Value {
        &mut self.config["limits"]
    }

    /// The setting of one tool.
    pub fn tool(&mut self, name: &str) -> &mut Value {
        &mut self.api()["tools"]["override"][name]
    }

    pub fn setup(&self) -> Setup {
        Setup::serve(&self.config.to_string()).file("api.json", self.document.to_string())
    }

    pub fn start(&self) -> Binary {
        self.setup().start()
    }
}
