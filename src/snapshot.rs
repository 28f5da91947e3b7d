//! Everything one request needs, immutable. The gateway keeps the current one
//! behind an `ArcSwap`; a request holds the one it began with until it ends.

mod places;

use places::Places;
pub use places::{Endpoint, Upstream};

use crate::config::{Config, Server as ServerConfig};
use crate::mcp::results::{Identity, Results};
use crate::mcp::session::SessionKey;
use crate::observe::ServerFigures;
use crate::openapi::{Document, Skipped};
use crate::policy::origin::OriginPolicy;
use crate::problem::{Place, Problem};
use crate::schema::Validators;
use crate::schema::closure::Closed;
use crate::schema::text::clean;
use crate::secret::without_userinfo;
use crate::tool::Tool;
use crate::tool::compile::compile;
use bytes::Bytes;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

pub struct Snapshot {
    /// Counts the snapshots of this process, from one.
    pub generation: u64,
    pub servers: Vec<Arc<Server>>,
    by_path: HashMap<Box<str>, usize>,
    pub upstreams: Vec<Upstream>,
}

/// One MCP server, ready to answer.
pub struct Server {
    pub name: Box<str>,
    pub path: Box<str>,
    pub origin: OriginPolicy,
    pub request_bytes_max: usize,
    pub results: Results,
    /// In the order they are listed.
    pub tools: Vec<Arc<Tool>>,
    by_name: HashMap<Box<str>, usize>,
    page_size: usize,
    /// What most clients ask for, by era; rendered for the first of them.
    first_pages: [OnceLock<Bytes>; 2],
    /// Differs when what tools/list says differs.
    pub fingerprint: u64,
    /// Whether any tool's answer is streamed.
    pub has_streams: bool,
    pub session_key: Arc<SessionKey>,
    pub figures: ServerFigures,
}

/// What became of one api, for operators.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ApiReport {
    pub api: String,
    pub document: String,
    pub version: &'static str,
    pub operations: usize,
    pub tools: usize,
    pub skipped: Vec<Skipped>,
    /// operationId and the name of its tool, where they differ.
    pub renamed: Vec<(String, String)>,
    /// Tools whose input schema is shown shortened.
    pub shortened: Vec<String>,
    /// Other files that belong to the document.
    pub files: Vec<String>,
}

/// What a snapshot is made of.
pub struct Ingredients<'a> {
    pub config: &'a Config,
    /// By api name.
    pub documents: &'a HashMap<String, Document>,
    /// Addresses the listeners have, for the default of `hosts`.
    pub listeners: &'a [SocketAddr],
    pub session_key: Arc<SessionKey>,
    pub generation: u64,
}

/// Builds a snapshot, or tells every problem. Warnings do not stop it.
pub fn build(from: &Ingredients<'_>) -> (Option<Snapshot>, Vec<ApiReport>, Vec<Problem>) {
    let mut builder = Builder {
        from,
        validators: Arc::new(Validators::default()),
        upstreams: Vec::new(),
        compiled: HashMap::new(),
        reports: Vec::new(),
        problems: Vec::new(),
    };
    let servers: Vec<Arc<Server>> =
        from.config.servers.iter().map(|s| Arc::new(builder.server(s))).collect();
    let by_path = servers.iter().enumerate().map(|(i, s)| (s.path.clone(), i)).collect();
    let ok = !builder.problems.iter().any(Problem::is_error);
    let snapshot =
        Snapshot { generation: from.generation, servers, by_path, upstreams: builder.upstreams };
    (ok.then_some(snapshot), builder.reports, builder.problems)
}

struct Builder<'a> {
    from: &'a Ingredients<'a>,
    validators: Arc<Validators>,
    upstreams: Vec<Upstream>,
    /// By api and prefix: servers that share an api share its tools.
    compiled: HashMap<(String, String), Vec<Arc<Tool>>>,
    reports: Vec<ApiReport>,
    problems: Vec<Problem>,
}

impl Builder<'_> {
    fn server(&mut self, config: &ServerConfig) -> Server {
        let mut tools: Vec<Arc<Tool>> = Vec::new();
        for source in &config.sources {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            tools.extend(self.tools(&source.api, prefix));
        }
        let by_name = self.index(&config.name, &tools);
        if tools.is_empty() {
            let place = Place::file(format!("server {}", config.name));
            let problem = Problem::error(place, "no tool is left: clients would find nothing")
                .hint("see which operations the document has, and what `tools` leaves out");
            self.problems.push(problem);
        }
        let identity = self.identity(config);
        let fingerprint = fingerprint(&tools, &identity);
        Server {
            name: config.name.as_str().into(),
            path: config.path.as_str().into(),
            origin: OriginPolicy::compile(&config.hosts, &config.origins, self.from.listeners),
            request_bytes_max: config.request_bytes_max,
            results: Results::new(&identity),
            has_streams: tools.iter().any(|t| t.answer == crate::config::AnswerAs::Stream),
            tools,
            by_name,
            page_size: config.page_size,
            first_pages: Default::default(),
            fingerprint,
            session_key: self.from.session_key.clone(),
            figures: ServerFigures::new(&config.name),
        }
    }

    fn identity(&self, config: &ServerConfig) -> Identity {
        let document = config.sources.first().and_then(|s| self.from.documents.get(&s.api));
        Identity {
            name: config.name.clone(),
            title: config.title.clone().or_else(|| document?.title().map(clean)),
            version: config.version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            instructions: config.instructions.clone(),
            ttl_ms: u64::try_from(config.cache_ttl.as_millis()).unwrap_or(u64::MAX >> 12),
        }
    }

    fn index(&mut self, server: &str, tools: &[Arc<Tool>]) -> HashMap<Box<str>, usize> {
        let mut by_name: HashMap<Box<str>, usize> = HashMap::with_capacity(tools.len());
        for (i, tool) in tools.iter().enumerate() {
            if let Some(other) = by_name.insert(tool.name.clone(), i) {
                let place = Place::file(format!("server {server}"));
                let message = format!(
                    "two tools are named `{}`: {} of {} and {} of {}",
                    tool.name, tools[other].operation, tools[other].api, tool.operation, tool.api
                );
                let hint = "give one source a `prefix`, or one tool a `name` under `override`";
                self.problems.push(Problem::error(place, message).hint(hint));
            }
        }
        by_name
    }

    fn tools(&mut self, api: &str, prefix: &str) -> Vec<Arc<Tool>> {
        let key = (api.to_owned(), prefix.to_owned());
        if let Some(tools) = self.compiled.get(&key) {
            return tools.clone();
        }
        let config = self.from.config.apis.iter().find(|a| a.name == api);
        let (Some(config), Some(document)) = (config, self.from.documents.get(api)) else {
            return Vec::new();
        };
        let mut places = Places { api: config, document, upstreams: &mut self.upstreams };
        let compiled = compile(document, config, prefix, &mut places, &self.validators);
        for origin in &compiled.withheld {
            let place = Place::file(format!("api {api}"));
            let message = format!(
                "its `auth` and `headers` are not sent to {origin}, which a document from elsewhere names"
            );
            let hint = "name that server in `upstream.urls` where they belong there";
            self.problems.push(Problem::warning(place, message).hint(hint));
        }
        for why in crate::tool::credential::check(document, &config.auth) {
            let hint = "to send it with every call all the same, give `header` beside `value`";
            self.problems
                .push(Problem::error(Place::file(format!("api {api} auth")), why).hint(hint));
        }
        for name in &compiled.unused_overrides {
            let place = Place::file(format!("api {api}"));
            let known = compiled.tools.iter().map(|t| &*t.name);
            let mut problem =
                Problem::warning(place, format!("`override.{name}` fits no tool here"));
            problem.hint =
                crate::problem::nearest(name, known).map(|n| format!("did you mean `{n}`?"));
            self.problems.push(problem);
        }
        if !self.reports.iter().any(|r| r.api == api) {
            self.reports.push(ApiReport {
                api: api.to_owned(),
                document: without_userinfo(&config.openapi).into_owned(),
                version: document.version.name(),
                operations: compiled.operations,
                tools: compiled.tools.len(),
                skipped: compiled.skipped,
                renamed: compiled.renamed,
                shortened: compiled
                    .tools
                    .iter()
                    .filter(|t| t.arguments.short.is_some())
                    .map(|t| t.name.to_string())
                    .collect(),
                files: document.files.iter().map(|f| without_userinfo(f).into_owned()).collect(),
            });
        }
        let tools: Vec<Arc<Tool>> = compiled.tools.into_iter().map(Arc::new).collect();
        self.compiled.insert(key, tools.clone());
        tools
    }
}

fn fingerprint(tools: &[Arc<Tool>], identity: &Identity) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Shared text is hashed once.
    let mut known: HashMap<*const u8, u64> = HashMap::new();
    let mut hash_closed = |closed: Option<&Closed>, hasher: &mut DefaultHasher| {
        let Some(closed) = closed else { return 0u8.hash(hasher) };
        closed.head.hash(hasher);
        let tail = known.entry(closed.tail.as_ptr()).or_insert_with(|| {
            let mut own = DefaultHasher::new();
            closed.tail.hash(&mut own);
            own.finish()
        });
        (closed.tail.len(), *tail).hash(hasher);
    };
    identity.ttl_ms.hash(&mut hasher);
    for tool in tools {
        tool.definition.head.hash(&mut hasher);
        tool.definition.tail.hash(&mut hasher);
        hash_closed(Some(tool.arguments.schema.schema()), &mut hasher);
        hash_closed(tool.arguments.short.as_ref(), &mut hasher);
        hash_closed(tool.output.as_ref().map(|o| o.schema.schema()), &mut hasher);
    }
    hasher.finish()
}

impl Snapshot {
    pub fn server(&self, path: &str) -> Option<&Arc<Server>> {
        self.by_path.get(path).map(|i| &self.servers[*i])
    }
}

impl Server {
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.by_name.get(name).map(|i| &self.tools[*i])
    }

    /// The result of tools/list for a cursor; `None` for a cursor that is not of
    /// this list.
    pub fn list(&self, cursor: Option<&str>, modern: bool) -> Option<Bytes> {
        Some(match cursor {
            None => {
                let page = &self.first_pages[usize::from(modern)];
                page.get_or_init(|| self.page(0, modern)).clone()
            }
            Some(cursor) => self.page(self.parse_cursor(cursor)?, modern),
        })
    }

    fn page(&self, start: usize, modern: bool) -> Bytes {
        let end = (start + self.page_size).min(self.tools.len());
        let page = &self.tools[start..end];
        let bytes: usize = page.iter().map(|tool| tool.definition_len(modern) + 1).sum();
        // What stands around them is short.
        let mut out = Vec::with_capacity(bytes + 256);
        out.extend_from_slice(b"{\"tools\":[");
        for (i, tool) in page.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            tool.write_definition(modern, &mut out);
        }
        out.push(b']');
        if end < self.tools.len() {
            out.extend_from_slice(b",\"nextCursor\":\"");
            out.extend_from_slice(self.cursor(end).as_bytes());
            out.push(b'"');
        }
        match modern {
            true => out.extend_from_slice(&self.results.cacheable_tail),
            false => out.push(b'}'),
        }
        // The message ends here too; see `mcp::results`.
        out.push(b'}');
        out.into()
    }

    /// A position in this very list: a reload that changes the list makes old
    /// cursors invalid, so that a client starts again rather than miss tools.
    fn cursor(&self, position: usize) -> String {
        format!("{position}.{:016x}", self.fingerprint)
    }

    fn parse_cursor(&self, cursor: &str) -> Option<usize> {
        let (position, fingerprint) = cursor.split_once('.')?;
        let position: usize = position.parse().ok()?;
        (position < self.tools.len() && fingerprint == format!("{:016x}", self.fingerprint))
            .then_some(position)
    }

    /// Tools that only read, and tools that change data.
    pub fn counts(&self) -> (usize, usize) {
        let read = self.tools.iter().filter(|t| t.hints.read_only).count();
        (read, self.tools.len() - read)
    }
}

/// A definition as clients see it, for the command line.
pub fn definition(tool: &Tool, modern: bool) -> Bytes {
    let mut out = Vec::new();
    tool.write_definition(modern, &mut out);
    out.into()
}
