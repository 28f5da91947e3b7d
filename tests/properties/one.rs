//! One operation, compiled in memory as the gateway compiles it, and the request
//! that its tool builds.

use drawbridge::config::{Api, Config, Server};
use drawbridge::mcp::session::SessionKey;
use drawbridge::openapi::Document;
use drawbridge::snapshot::{Ingredients, build};
use drawbridge::tool::Tool;
use drawbridge::tool::request::UpstreamRequest;
use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The tool of `POST path`.
pub fn compile(path: &str, operation: &Value) -> Arc<Tool> {
    let root = json!({"openapi": "3.2.0", "paths": {path: {"post": operation}}});
    let document = Document::new(root, None).expect("a document");
    let mut api = Api::new("api", "inline");
    api.upstream.urls = vec!["http://api.test".to_owned()];
    let config = Config {
        apis: vec![api],
        servers: vec![Server::of_api("main", "api", "/mcp")],
        ..Config::default()
    };
    let (snapshot, reports, problems) = build(&Ingredients {
        config: &config,
        documents: &HashMap::from([("api".to_owned(), document)]),
        listeners: &[],
        session_key: Arc::new(SessionKey::new(b"nobody is served")),
        generation: 1,
    });
    let snapshot = snapshot.unwrap_or_else(|| panic!("{problems:?} {reports:?}"));
    snapshot.servers[0].tools[0].clone()
}

/// The request for arguments as they are written, or what the client is told.
pub fn send(tool: &Tool, arguments: String, seed: u64) -> Result<UpstreamRequest, String> {
    let raw: Box<RawValue> = RawValue::from_string(arguments).expect("JSON");
    let built = tool.arguments.check(&tool.name, Some(&raw)).and_then(|text| {
        let mut entries = tool.arguments.entries(&text)?;
        tool.arguments.complete(&mut entries);
        tool.request.build(&entries, &HeaderMap::new(), seed)
    });
    built.map_err(|fault| fault.message)
}

/// The values of a header, in their order.
pub fn headers(request: &UpstreamRequest, name: &str) -> Vec<String> {
    let found = request.headers.iter().filter(|(n, _)| n == name);
    found.map(|(_, v)| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect()
}
