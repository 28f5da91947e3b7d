//! The configuration: a YAML file -> checked settings, or every problem in it.
//! Reads no file and no environment itself: both are handed in.

mod api;
mod reader;
mod server;
mod tools;
mod tree;
pub mod units;

use crate::problem::{Place, Problem};
use crate::secret::Secret;
use reader::{Fields, Reader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use api::{
    Api, ApiLimits, Auth, Http2, OutputSchema, Upstream, UpstreamTls, check_url, is_url,
};
pub use reader::Lookup;
pub use server::{Server, Source};
pub use tools::{
    Annotations, AnswerAs, ArgumentRule, Expose, MirroredHeader, Override, ResultAs, Selector,
    TOOL_NAME_CHARS_MAX, ToolRules, USUAL_METHODS, is_tool_name,
};

/// The JSON Schema of the file, as `drawbridge schema` prints it.
pub const SCHEMA: &str = include_str!("schema.json");

/// Everything a file says, defaults filled in.
#[derive(Clone, Debug)]
pub struct Config {
    /// Worker threads of the proxy; one for each core when absent.
    pub threads: Option<usize>,
    /// Whether idle workers take work from busy ones. Costs about 10 % CPU per
    /// call and helps when few HTTP/2 connections carry all the load.
    pub work_stealing: bool,
    pub log: Log,
    /// How long open calls may take to end after a request to stop.
    pub grace: Duration,
    /// Signs the session ids of the handshake revisions. Random at each start
    /// when absent; the same on all nodes that share clients.
    pub session_key: Option<Secret>,
    pub listeners: Vec<Listener>,
    pub admin: Option<SocketAddr>,
    pub limits: Limits,
    pub apis: Vec<Api>,
    pub servers: Vec<Server>,
}

#[derive(Clone, Debug)]
pub struct Log {
    /// A filter such as `info` or `warn,drawbridge=debug`.
    pub filter: String,
    pub json: bool,
}

#[derive(Clone, Debug)]
pub struct Listener {
    pub address: SocketAddr,
    pub tls: Option<ListenerTls>,
    /// HTTP/2 without TLS, by prior knowledge.
    pub h2c: bool,
}

#[derive(Clone, Debug)]
pub struct ListenerTls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Limits of the edge, over all servers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections, over all listeners.
    pub connections: usize,
    /// Calls in flight.
    pub calls: usize,
    /// From a connection's first byte to the end of its first header.
    pub header_timeout: Duration,
    /// From an answer to the end of the next request's header.
    pub idle_timeout: Duration,
    /// The whole request body.
    pub body_timeout: Duration,
    /// One write to a client that does not read.
    pub write_timeout: Duration,
    /// Requests on one connection.
    pub requests_per_connection: u32,
    /// Open event streams.
    pub streams: usize,
    /// Bytes of request bodies that are held at one time.
    pub request_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 20_000,
            calls: 1024,
            request_memory: 256 << 20,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            requests_per_connection: 10_000,
            streams: 10_000,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            threads: None,
            work_stealing: false,
            log: Log { filter: "info".to_owned(), json: false },
            grace: Duration::from_secs(10),
            session_key: None,
            listeners: Vec::new(),
            admin: None,
            limits: Limits::default(),
            apis: Vec::new(),
            servers: Vec::new(),
        }
    }
}

/// Reads the text of a configuration file. `lookup` gives what `${NAME}` and
/// `${file:PATH}` stand for.
pub fn parse(file: &str, text: &str, lookup: &Lookup<'_>) -> Result<Config, Vec<Problem>> {
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err(e) => {
            let place = Place { file: file.to_owned(), line: e.line, column: e.column };
            return Err(vec![Problem::error(place, e.message)]);
        }
    };
    let mut reader = Reader::new(file, lookup);
    let config = resolve(&root, &mut reader);
    let problems = reader.finish();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

fn resolve(root: &tree::Node, r: &mut Reader<'_>) -> Option<Config> {
    let mut config = Config::default();
    let mut f = Fields::of(root, "", r)?;
    match f.take("version") {
        Some(node) if node.as_integer() == Some(1) => {}
        Some(node) => r.error(node.place, "`version` must be 1", None),
        None => {
            r.error(root.place, "`version` is missing", Some("start the file with `version: 1`"))
        }
    }
    config.threads = f.integer("threads", 1..=1024, r);
    if let Some(b) = f.boolean("work_stealing", r) {
        config.work_stealing = b;
    }
    if let Some(node) = f.take("log") {
        log(node, &mut config.log, r);
    }
    if let Some(node) = f.take("shutdown")
        && let Some(mut s) = Fields::of(node, "shutdown", r)
    {
        if let Some(d) = s.duration_or_zero("grace", r) {
            config.grace = d;
        }
        s.finish(r);
    }
    config.session_key = f.secret("session_key", r);
    if let Some(node) = f.take("limits") {
        limits(node, &mut config.limits, r);
    }
    config.listeners = listeners(&mut f, r);
    if let Some(node) = f.take("admin")
        && let Some(mut a) = Fields::of(node, "admin", r)
    {
        config.admin = a.address("address", r);
        a.finish(r);
    }
    if let Some(node) = f.take("apis") {
        config.apis = api::read_all(node, r);
    }
    if let Some(node) = f.take("servers") {
        config.servers = server::read_all(node, &config.apis, r);
    }
    let room = config.limits.request_memory;
    if let Some(server) = config.servers.iter().find(|s| s.request_bytes_max > room) {
        let message = format!(
            "`limits.request_memory` is {}, and one message to the server `{}` may have {}",
            units::show_bytes(room),
            server.name,
            units::show_bytes(server.request_bytes_max)
        );
        r.error(root.place, message, Some("raise it, or lower `limits.request` of the server"));
    }
    if config.servers.is_empty() && !r.has_problems() {
        let hint = "add `servers: { main: { path: /mcp, sources: [{ api: NAME }] } }`";
        r.error(root.place, "there are no `servers`, so nothing would be served", Some(hint));
    }
    f.finish(r);
    Some(config)
}

fn log(node: &tree::Node, log: &mut Log, r: &mut Reader<'_>) {
    let Some(mut f) = Fields::of(node, "log", r) else { return };
    if let Some(level) = f.text("level", r) {
        if let Err(e) = tracing_subscriber::EnvFilter::try_new(&level) {
            let hint = "such as info, or warn,drawbridge=debug";
            r.error(node.place, format!("`log.level` cannot be read: {e}"), Some(hint));
        }
        log.filter = level;
    }
    if let Some(format) = f.choice("format", &[("text", false), ("json", true)], r) {
        log.json = format;
    }
    f.finish(r);
}

fn limits(node: &tree::Node, limits: &mut Limits, r: &mut Reader<'_>) {
    let Some(mut f) = Fields::of(node, "limits", r) else { return };
    for (key, slot) in [
        ("connections", &mut limits.connections),
        ("calls", &mut limits.calls),
        ("streams", &mut limits.streams),
    ] {
        if let Some(n) = f.integer(key, 1..=1_000_000, r) {
            *slot = n;
        }
    }
    if let Some(n) = f.bytes("request_memory", r) {
        limits.request_memory = n;
    }
    if let Some(n) = f.integer("requests_per_connection", 1..=u32::MAX as usize, r) {
        limits.requests_per_connection = n as u32;
    }
    for (key, slot) in [
        ("header_timeout", &mut limits.header_timeout),
        ("idle_timeout", &mut limits.idle_timeout),
        ("body_timeout", &mut limits.body_timeout),
        ("write_timeout", &mut limits.write_timeout),
    ] {
        if let Some(d) = f.duration(key, r) {
            *slot = d;
        }
    }
    f.finish(r);
}

fn listeners(f: &mut Fields<'_>, r: &mut Reader<'_>) -> Vec<Listener> {
    let Some(node) = f.take("listeners") else {
        return vec![Listener {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: None,
            h2c: false,
        }];
    };
    let Some(items) = node.as_list() else {
        r.error(
            node.place,
            "`listeners` must be a list",
            Some("listeners: [{ address: 127.0.0.1:8080 }]"),
        );
        return Vec::new();
    };
    let mut out: Vec<Listener> = Vec::new();
    for item in items {
        let Some(mut l) = Fields::of(item, "listeners[]", r) else { continue };
        let address = l.address("address", r);
        if address.is_none() {
            l.require("address", r);
        }
        let tls = l.take("tls").and_then(|node| listener_tls(node, r));
        let h2c = l.boolean("h2c", r).unwrap_or(false);
        l.finish(r);
        let Some(address) = address else { continue };
        if address.port() != 0 && out.iter().any(|o| o.address == address) {
            r.error(item.place, format!("two listeners on {address}"), None);
        }
        out.push(Listener { address, tls, h2c });
    }
    out
}

fn listener_tls(node: &tree::Node, r: &mut Reader<'_>) -> Option<ListenerTls> {
    let mut f = Fields::of(node, "listeners[].tls", r)?;
    let (cert, key) = (f.path("cert", r), f.path("key", r));
    for (name, value) in [("cert", &cert), ("key", &key)] {
        if value.is_none() {
            f.require(name, r);
        }
    }
    f.finish(r);
    Some(ListenerTls { cert: cert?, key: key? })
}

#[cfg(test)]
mod tests;
