//! `servers`: what agents see.

use super::api::Api;
use super::reader::{Fields, Reader};
use super::tools::is_tool_name;
use super::tree::Node;
use crate::problem::nearest;
use std::time::Duration;

/// One MCP server: a path and the tools behind it.
#[derive(Clone, Debug)]
pub struct Server {
    pub name: String,
    /// The path of the MCP endpoint.
    pub path: String,
    pub title: Option<String>,
    /// The version in `serverInfo`.
    pub version: Option<String>,
    /// What a client may tell its model about this server.
    pub instructions: Option<String>,
    pub sources: Vec<Source>,
    /// Values of `Host` that are served; those of the listeners when empty.
    pub hosts: Vec<String>,
    /// Values of `Origin` that are served; none but a missing one when empty.
    pub origins: Vec<String>,
    /// Tools in one page of tools/list.
    pub page_size: usize,
    /// How long a client may keep a list (`ttlMs`).
    pub cache_ttl: Duration,
    /// Bytes of one request body.
    pub request_bytes_max: usize,
}

/// Where tools of a server come from.
#[derive(Clone, Debug)]
pub struct Source {
    pub api: String,
    /// Stands before every tool's name.
    pub prefix: Option<String>,
}

/// Fewer requests for a large list, and enough for clients that read one page.
const PAGE_SIZE: usize = 250;
const CACHE_TTL: Duration = Duration::from_secs(300);
const REQUEST_BYTES_MAX: usize = 4 << 20;

impl Server {
    /// A server of one api with every default.
    pub fn of_api(name: &str, api: &str, path: &str) -> Self {
        Server {
            name: name.to_owned(),
            path: path.to_owned(),
            title: None,
            version: None,
            instructions: None,
            sources: vec![Source { api: api.to_owned(), prefix: None }],
            hosts: Vec::new(),
            origins: Vec::new(),
            page_size: PAGE_SIZE,
            cache_ttl: CACHE_TTL,
            request_bytes_max: REQUEST_BYTES_MAX,
        }
    }
}

pub fn read_all(node: &Node, apis: &[Api], r: &mut Reader<'_>) -> Vec<Server> {
    let Some(members) = node.as_map() else {
        r.error(node.place, "`servers` must be a map of names to servers", None);
        return Vec::new();
    };
    let mut out: Vec<Server> = Vec::new();
    for (key, node) in members {
        let Some(server) = read(&key.text, node, apis, r) else { continue };
        if let Some(other) = out.iter().find(|s| s.path == server.path) {
            let message = format!(
                "servers `{}` and `{}` have the same path {}",
                other.name, key.text, server.path
            );
            r.error(node.place, message, Some("give each server a path of its own"));
        }
        out.push(server);
    }
    out
}

fn read(name: &str, node: &Node, apis: &[Api], r: &mut Reader<'_>) -> Option<Server> {
    let mut f = Fields::of(node, format!("servers.{name}"), r)?;
    let mut server = Server::of_api(name, "", "/mcp");
    if let Some(path) = f.text("path", r) {
        if !path.starts_with('/') || path.contains(['?', '#', '{', ' ']) {
            let message = format!("`servers.{name}.path` must be a plain path such as /mcp");
            r.error(node.place, message, None);
        }
        server.path = path;
    }
    server.title = f.text("title", r);
    server.version = f.text("version", r);
    server.instructions = f.text("instructions", r);
    server.sources = sources(name, node, &mut f, apis, r);
    server.hosts = f.texts("hosts", r).unwrap_or_default();
    server.origins = f.texts("origins", r).unwrap_or_default();
    if let Some(n) = f.integer("page_size", 1..=10_000, r) {
        server.page_size = n;
    }
    if let Some(d) = f.duration_or_zero("cache_ttl", r) {
        server.cache_ttl = d;
    }
    if let Some(node) = f.take("limits")
        && let Some(mut l) = Fields::of(node, format!("servers.{name}.limits"), r)
    {
        if let Some(n) = l.bytes("request", r) {
            server.request_bytes_max = n;
        }
        l.finish(r);
    }
    f.finish(r);
    Some(server)
}

fn sources(
    name: &str,
    server: &Node,
    f: &mut Fields<'_>,
    apis: &[Api],
    r: &mut Reader<'_>,
) -> Vec<Source> {
    let Some(node) = f.take("sources") else {
        let hint = "sources: [{ api: NAME }]";
        r.error(server.place, format!("`servers.{name}.sources` is missing"), Some(hint));
        return Vec::new();
    };
    let Some(items) = node.as_list() else {
        r.error(node.place, format!("`servers.{name}.sources` must be a list"), None);
        return Vec::new();
    };
    let mut out = Vec::new();
    for item in items {
        let Some(mut s) = Fields::of(item, format!("servers.{name}.sources[]"), r) else {
            continue;
        };
        let api = s.text("api", r);
        if api.is_none() {
            s.require("api", r);
        }
        let prefix = s.text("prefix", r);
        if let Some(prefix) = prefix.as_deref().filter(|p| !is_tool_name(p)) {
            let message = format!("the prefix `{prefix}` must be 1 to 64 of A-Z a-z 0-9 _ -");
            r.error(item.place, message, None);
        }
        s.finish(r);
        let Some(api) = api else { continue };
        if !apis.iter().any(|a| a.name == api) {
            let hint = nearest(&api, apis.iter().map(|a| a.name.as_str()))
                .map(|n| format!("did you mean `{n}`?"));
            r.error(item.place, format!("there is no api `{api}`"), hint.as_deref());
        }
        out.push(Source { api, prefix });
    }
    out
}
