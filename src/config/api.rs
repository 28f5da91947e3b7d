//! `apis`: what is behind.

use super::reader::{Fields, Reader};
use super::tools::ToolRules;
use super::tree::Node;
use crate::secret::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// One HTTP API and how its operations become tools.
#[derive(Clone, Debug)]
pub struct Api {
    pub name: String,
    /// A file or an http(s) URL.
    pub openapi: String,
    /// Overlay files, applied in this order before anything else.
    pub overlays: Vec<String>,
    /// Directories and URL prefixes from which other files of the document may
    /// be read, beside the document's own directory.
    pub references: Vec<String>,
    pub upstream: Upstream,
    /// Credentials by the name of their securityScheme.
    pub auth: Vec<(String, Auth)>,
    /// Headers sent with every call.
    pub headers: Vec<(String, String)>,
    /// Headers of the client's request that are passed on.
    pub forward_headers: Vec<String>,
    /// Headers of an answer that a model is told.
    pub tell_headers: Vec<String>,
    pub tools: ToolRules,
    pub output_schema: OutputSchema,
    /// Whether clients of handshake revisions get answers that are no objects
    /// as `{"result": ...}`.
    pub wrap_output: bool,
    pub limits: ApiLimits,
}

#[derive(Clone, Debug)]
pub struct Upstream {
    /// Base URLs; the document's servers when empty.
    pub urls: Vec<String>,
    /// The whole call.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub http2: Http2,
    pub tls: UpstreamTls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2 {
    /// By ALPN where the upstream is https.
    Auto,
    Never,
    /// Without asking, with or without TLS.
    Always,
}

#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// A PEM file of authorities trusted instead of the system's.
    pub ca: Option<PathBuf>,
    pub verify: bool,
    /// The name in the certificate, where it is not the URL's host.
    pub server_name: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Auth {
    /// An API key or a bearer token.
    Value(Secret),
    Basic {
        username: String,
        password: Secret,
    },
    /// A header of this name with every call, whatever the document says.
    Header {
        header: String,
        value: Secret,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputSchema {
    Exact,
    Tolerant,
    None,
}

#[derive(Clone, Copy, Debug)]
pub struct ApiLimits {
    /// Bytes of a request's body; by default a multiple of the arguments'.
    pub request: Option<usize>,
    /// Bytes of an answer that is read whole.
    pub response: usize,
    /// Bytes of an answer that is streamed.
    pub stream: usize,
}

/// What leads on: where something new is, the next page, when to come again,
/// what to send back when changing something.
const TELL_HEADERS: [&str; 4] = ["location", "link", "retry-after", "etag"];

const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const RESPONSE_BYTES_MAX: usize = 8 << 20;
const STREAM_BYTES_MAX: usize = 64 << 20;

impl Api {
    /// An api with every default.
    pub fn new(name: &str, openapi: &str) -> Self {
        Api {
            name: name.to_owned(),
            openapi: openapi.to_owned(),
            overlays: Vec::new(),
            references: Vec::new(),
            upstream: Upstream {
                urls: Vec::new(),
                timeout: TIMEOUT,
                connect_timeout: CONNECT_TIMEOUT,
                http2: Http2::Auto,
                tls: UpstreamTls { ca: None, verify: true, server_name: None },
            },
            auth: Vec::new(),
            headers: Vec::new(),
            forward_headers: Vec::new(),
            tell_headers: TELL_HEADERS.map(str::to_owned).into(),
            tools: ToolRules::default(),
            output_schema: OutputSchema::Tolerant,
            wrap_output: false,
            limits: ApiLimits {
                request: None,
                response: RESPONSE_BYTES_MAX,
                stream: STREAM_BYTES_MAX,
            },
        }
    }
}

/// The words of `output_schema`.
pub const OUTPUT_SCHEMAS: [(&str, OutputSchema); 3] = [
    ("tolerant", OutputSchema::Tolerant),
    ("exact", OutputSchema::Exact),
    ("none", OutputSchema::None),
];

pub fn read_all(node: &Node, r: &mut Reader<'_>) -> Vec<Api> {
    let Some(members) = node.as_map() else {
        r.error(node.place, "`apis` must be a map of names to apis", None);
        return Vec::new();
    };
    members.iter().filter_map(|(key, node)| read(&key.text, node, r)).collect()
}

fn read(name: &str, node: &Node, r: &mut Reader<'_>) -> Option<Api> {
    let path = format!("apis.{name}");
    let mut f = Fields::of(node, path.as_str(), r)?;
    let mut api = Api::new(name, "");
    match f.text("openapi", r) {
        Some(source) if is_url(&source) || source.starts_with("demo:") => api.openapi = source,
        Some(source) => api.openapi = r.beside_file(&source).to_string_lossy().into_owned(),
        None => f.require("openapi", r),
    }
    api.overlays = sources(&mut f, "overlays", r);
    api.references = sources(&mut f, "references", r);
    if let Some(node) = f.take("upstream") {
        upstream(node, &path, &mut api.upstream, r);
    }
    if let Some(node) = f.take("auth") {
        api.auth = auth(node, &path, r);
    }
    api.headers = f.text_map("headers", r);
    for (header, _) in &api.headers {
        settable(header, node, r);
    }
    api.forward_headers = f.texts("forward_headers", r).unwrap_or_default();
    for header in &api.forward_headers {
        settable(header, node, r);
    }
    if let Some(headers) = f.texts("tell_headers", r) {
        api.tell_headers = headers;
    }
    if let Some(node) = f.take("tools") {
        super::tools::read(node, &path, &mut api.tools, r);
    }
    if let Some(form) = f.choice("output_schema", &OUTPUT_SCHEMAS, r) {
        api.output_schema = form;
    }
    if let Some(wrap) = f.boolean("wrap_output", r) {
        api.wrap_output = wrap;
    }
    if let Some(node) = f.take("limits")
        && let Some(mut l) = Fields::of(node, format!("{path}.limits"), r)
    {
        api.limits.request = l.bytes("request", r);
        if let Some(n) = l.bytes("response", r) {
            api.limits.response = n;
        }
        if let Some(n) = l.bytes("stream", r) {
            api.limits.stream = n;
        }
        l.finish(r);
    }
    f.finish(r);
    Some(api)
}

/// A list of files and URLs; files are relative to the configuration's.
fn sources(f: &mut Fields<'_>, key: &'static str, r: &mut Reader<'_>) -> Vec<String> {
    let list = f.texts(key, r).unwrap_or_default();
    list.into_iter()
        .map(|s| if is_url(&s) { s } else { r.beside_file(&s).to_string_lossy().into_owned() })
        .collect()
}

pub fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Headers that would break framing or carry the client's credentials on.
fn settable(header: &str, node: &Node, r: &mut Reader<'_>) {
    if http::HeaderName::from_bytes(header.as_bytes()).is_err()
        || (!header.eq_ignore_ascii_case("accept") && !crate::header::is_settable(header))
    {
        let hint = "credentials belong under `auth`; framing headers are the gateway's own";
        r.error(
            node.place,
            format!("the header `{header}` cannot be set or passed on"),
            Some(hint),
        );
    }
}

fn upstream(node: &Node, path: &str, upstream: &mut Upstream, r: &mut Reader<'_>) {
    let Some(mut f) = Fields::of(node, format!("{path}.upstream"), r) else { return };
    if let Some(urls) = f.texts("urls", r) {
        for url in &urls {
            if let Err(why) = check_url(url) {
                r.error(node.place, format!("the upstream URL `{url}` {why}"), None);
            }
        }
        upstream.urls = urls;
    }
    if let Some(d) = f.duration("timeout", r) {
        upstream.timeout = d;
    }
    if let Some(d) = f.duration("connect_timeout", r) {
        upstream.connect_timeout = d;
    }
    let words = [("auto", Http2::Auto), ("never", Http2::Never), ("always", Http2::Always)];
    if let Some(http2) = f.choice("http2", &words, r) {
        upstream.http2 = http2;
    }
    if let Some(node) = f.take("tls")
        && let Some(mut t) = Fields::of(node, format!("{path}.upstream.tls"), r)
    {
        upstream.tls.ca = t.path("ca", r);
        upstream.tls.verify = t.boolean("verify", r).unwrap_or(true);
        upstream.tls.server_name = t.text("server_name", r);
        t.finish(r);
    }
    f.finish(r);
}

/// Whether a URL can be an upstream's base.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    let Ok(uri) = url.parse::<http::Uri>() else { return Err("cannot be read") };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("must begin with http:// or https://");
    }
    match uri.authority() {
        None => Err("has no host"),
        Some(a) if a.as_str().contains('@') => Err("must not carry a user; use `auth`"),
        Some(_) if uri.query().is_some() => Err("must not have a query"),
        Some(_) => Ok(()),
    }
}

fn auth(node: &Node, path: &str, r: &mut Reader<'_>) -> Vec<(String, Auth)> {
    let Some(members) = node.as_map() else {
        r.error(node.place, format!("`{path}.auth` must be a map by securityScheme name"), None);
        return Vec::new();
    };
    let mut out = Vec::new();
    for (key, node) in members {
        let Some(mut f) = Fields::of(node, format!("{path}.auth.{}", key.text), r) else {
            continue;
        };
        let value = f.secret("value", r);
        let header = f.text("header", r);
        let username = f.text("username", r);
        let password = f.secret("password", r);
        match (value, header, username, password) {
            (Some(value), None, None, None) => out.push((key.text.clone(), Auth::Value(value))),
            (Some(value), Some(header), None, None) => {
                out.push((key.text.clone(), Auth::Header { header, value }));
            }
            (None, None, Some(username), Some(password)) => {
                out.push((key.text.clone(), Auth::Basic { username, password }));
            }
            _ if r.has_problems() => {}
            _ => {
                let hint = "give `value`, or `header` and `value`, or `username` and `password`";
                r.error(
                    node.place,
                    format!("`{path}.auth.{}` is incomplete", key.text),
                    Some(hint),
                );
            }
        }
        f.finish(r);
    }
    out
}
