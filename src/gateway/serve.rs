//! Listeners, services and signals: a running process.

use super::demo_api::DemoApi;
use super::edge::{Door, Edge};
use super::ports::{OnPorts, Ports};
use super::reloading::Reloader;
use super::{Gateway, Live, Loaded, Shared, connector, descriptors, load_peers};
use crate::admin::{Admin, Status};
use crate::config::{Config, Limits, Listener};
use crate::demo::Bookshop;
use crate::mcp::session::SessionKey;
use crate::observe::metrics;
use crate::problem::Problem;
use crate::reload::{Embedded, Origin, Watched};
use async_trait::async_trait;
use pingora::prelude::Server;
use pingora_core::apps::HttpServerOptions;
use pingora_core::apps::http_app::HttpServer;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::listeners::ListenerConfig;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, ShutdownSignal, ShutdownSignalWatch};
use pingora_core::services::background::background_service;
use pingora_core::services::listening::Service;
use pingora_proxy::http_proxy;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Everything needed to run.
pub struct Ready {
    pub config: Config,
    pub origin: Origin,
    pub embedded: Embedded,
    pub session_key: Arc<SessionKey>,
    /// Sockets of every address that is listened on.
    pub ports: Ports,
    pub live: Arc<Live>,
    /// Where the demo API listens, when it runs.
    pub demo: Option<SocketAddr>,
    pub files: Watched,
    /// Set by a SIGHUP that came before the runtime could take it.
    pub hangup: Arc<AtomicBool>,
    /// What [`super::reloading::fixed`] says of the configuration as it was read.
    pub fixed: String,
}

/// Read buffer of a connection. The default of 64 KiB is touched whole and
/// costs that much for every idle connection.
const READ_BUFFER: usize = 4 << 10;
/// None to write: `Cork` has one for HTTP/1, and HTTP/2 its own.
const WRITE_BUFFER: usize = 0;

/// Pooled upstream connections of one worker.
const POOL_SIZE: usize = 4096;

/// Streams on one HTTP/2 connection of a client.
const H2_STREAMS_MAX: u32 = 100;
const H2_HEADER_BYTES_MAX: u32 = 64 << 10;

/// A state for [`crate::reload::build`]'s snapshot, its peers resolved.
pub fn load(
    snapshot: crate::snapshot::Snapshot,
    limits: Limits,
    problems: &mut Vec<Problem>,
) -> Loaded {
    let (peers, more) = load_peers(&snapshot.upstreams);
    problems.extend(more);
    Loaded { snapshot, peers, limits }
}

/// A panic ends one connection; it is counted, and logged by where it was: its
/// message could hold what a client sent.
fn count_panics() {
    std::panic::set_hook(Box::new(|info| {
        metrics().panics.inc();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("a fault of the program itself at {place}; please report it");
    }));
}

/// Whether the TLS files of all listeners can be used.
pub fn check_tls(config: &Config) -> Result<(), String> {
    config
        .listeners
        .iter()
        .filter_map(|l| l.tls.as_ref())
        .try_for_each(|t| tls_settings(t).map(drop))
}

/// Runs until a signal ends the process. Returns when everything has ended.
pub fn run(mut ready: Ready) -> Result<(), String> {
    let table = std::mem::take(&mut ready.ports).into_table();
    let shares = descriptors::share(&ready.config.limits);
    let conf = server_conf(&ready.config, shares.idle.clamp(1, POOL_SIZE));
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let draining = Arc::new(AtomicBool::new(false));
    super::idle::keep_at_most(shares.idle);
    let shared = Shared::new(ready.live.clone(), draining.clone(), shares.connections);
    let shared = Arc::new(shared);
    count_panics();
    for listener in &ready.config.listeners {
        let service = listen(&server, &ready, listener, &shared)?;
        server.add_service(OnPorts { service, table: table.clone() });
    }
    if let Some(address) = ready.config.admin {
        let status = Telling { live: ready.live.clone(), draining: draining.clone() };
        let app = Admin::new(Arc::new(status), address, ready.config.limits.header_timeout);
        let door = app.door.clone();
        let mut service = Service::new("admin".to_owned(), app);
        service.set_connection_filter(door);
        service.threads = Some(1);
        service.add_tcp(&address.to_string());
        server.add_service(OnPorts { service, table: table.clone() });
    }
    if let Some(address) = ready.demo {
        let app = HttpServer::new_app(DemoApi(Bookshop::new()));
        let mut service = Service::new("demo".to_owned(), app);
        service.threads = Some(1);
        service.add_tcp(&address.to_string());
        server.add_service(OnPorts { service, table: table.clone() });
    }
    metrics().config_last_reload_ok.set(1);
    let grace = ready.config.grace;
    server.add_service(background_service("reload", Reloader { ready: Arc::new(ready) }));
    let signals = Signals { draining, grace };
    server.run(RunArgs { shutdown_signal: Box::new(signals) });
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn server_conf(config: &Config, pool_size: usize) -> ServerConf {
    ServerConf {
        threads: config.threads.unwrap_or_else(cores),
        work_stealing: config.work_stealing,
        max_retries: 2,
        upstream_keepalive_pool_size: pool_size,
        // Signals waits for what is open; see there.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        // Neither file is used; the defaults are fixed names in /tmp.
        pid_file: String::new(),
        upgrade_sock: String::new(),
        ..ServerConf::default()
    }
}

fn listen(
    server: &Server,
    ready: &Ready,
    listener: &Listener,
    shared: &Arc<Shared>,
) -> Result<Service<Edge>, String> {
    let conf = &server.configuration;
    let limits = &ready.config.limits;
    let upstream = connector::Upstream::new(&ConnectorOptions::from_server_conf(conf));
    let mut proxy = http_proxy(conf, Gateway::new(shared.clone(), upstream));
    let mut options = HttpServerOptions::default();
    options.h2c = listener.h2c;
    options.h2_idle_timeout = Some(limits.idle_timeout);
    proxy.server_options = Some(options);
    let mut h2 = H2Options::new();
    h2.max_concurrent_streams(H2_STREAMS_MAX);
    h2.max_header_list_size(H2_HEADER_BYTES_MAX);
    proxy.h2_options = Some(h2);
    // Pingora would make handshakes before anything of ours counts or times them.
    let tls = listener.tls.as_ref().map(tls_settings).transpose()?.map(TlsSettings::build);
    let edge = Edge { proxy: Arc::new(proxy), shared: shared.clone(), tls, h2c: listener.h2c };
    let mut service = Service::new(format!("mcp {}", listener.address), edge);
    let buffers = L4BufferSettings::default().read(READ_BUFFER).write(WRITE_BUFFER);
    let endpoint = ListenerConfig::tcp(listener.address.to_string()).l4_buffer(buffers);
    service.set_connection_filter(Arc::new(Door(shared.clone())));
    service.add_listener(endpoint);
    Ok(service)
}

fn tls_settings(tls: &crate::config::ListenerTls) -> Result<TlsSettings, String> {
    let (cert, key) = (tls.cert.to_string_lossy(), tls.key.to_string_lossy());
    // Pingora panics on files it cannot use; this tells them first.
    let loaded = pingora_core::tls::load_certs_and_key_files(&cert, &key)
        .map_err(|e| format!("the TLS files {cert} and {key} cannot be used: {e}"))?;
    if loaded.is_none() {
        return Err(format!("the TLS files {cert} and {key} hold no certificate and key"));
    }
    let mut settings =
        TlsSettings::intermediate(&cert, &key).map_err(|e| format!("TLS cannot start: {e}"))?;
    settings.enable_h2();
    Ok(settings)
}

/// Ends the process when it is asked to: at once on SIGINT; on SIGTERM and
/// SIGQUIT when open calls and streams have ended, or the grace is over.
struct Signals {
    draining: Arc<AtomicBool>,
    grace: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let streams = [SignalKind::terminate(), SignalKind::quit(), SignalKind::interrupt()];
        let [Ok(mut term), Ok(mut quit), Ok(mut int)] = streams.map(signal) else {
            tracing::error!("signals cannot be watched; only SIGKILL ends this process");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = quit.recv() => {}
            _ = int.recv() => at_once(),
        }
        tracing::info!("ending: waiting for open calls");
        self.draining.store(true, Ordering::Relaxed);
        tokio::select! {
            () = self.drained() => {}
            _ = int.recv() => at_once(),
        }
        ShutdownSignal::GracefulTerminate
    }
}

/// Pingora's own fast shutdown takes the runtime from under listeners that then
/// try to accept for ever, and the process does not end. Nothing is to be saved.
fn at_once() -> ! {
    std::process::exit(0)
}

impl Signals {
    async fn drained(&self) {
        let deadline = Instant::now() + self.grace;
        let open = || metrics().calls_in_flight.get() + metrics().streams_open.get();
        // A moment for answers under way and for clients to see the close.
        tokio::time::sleep(Duration::from_millis(50)).await;
        while open() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Telling {
    live: Arc<Live>,
    draining: Arc<AtomicBool>,
}

impl Status for Telling {
    fn ready(&self) -> bool {
        !self.draining.load(Ordering::Relaxed)
    }

    fn loaded(&self) -> serde_json::Value {
        let loaded = self.live.load();
        let servers: Vec<_> = loaded
            .snapshot
            .servers
            .iter()
            .map(|s| serde_json::json!({"name": s.name, "path": s.path, "tools": s.tools.len()}))
            .collect();
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "generation": loaded.snapshot.generation,
            "servers": servers,
        })
    }
}
