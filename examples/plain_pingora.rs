//! What the load test holds Drawbridge against: Pingora passing requests through, nothing else.
//!
//! Listener, runtime, allocator and pool are set as Drawbridge sets its own, so that the difference
//! between the two is the translation.

use async_trait::async_trait;
use pingora::Result;
use pingora::apps::HttpServerOptions;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A request head fits in 4 KiB; most answers leave in one write from 16 KiB.
const READ_BUFFER_BYTES: usize = 4096;
const WRITE_BUFFER_BYTES: usize = 16384;
const UPSTREAM_IDLE_CONNECTIONS_MAX: usize = 4096;

struct PassThrough {
    peer: HttpPeer,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.peer.clone()))
    }
}

struct Arguments {
    listen: String,
    upstream: String,
    /// HTTP/2 without TLS for clients.
    h2c: bool,
    /// TLS to the upstream, whose certificate is not looked at.
    tls: bool,
}

impl Arguments {
    fn parse() -> Option<Self> {
        let mut words = std::env::args().skip(1);
        let (listen, upstream) = (words.next()?, words.next()?);
        let rest: Vec<String> = words.collect();
        let has = |word: &str| rest.iter().any(|r| r == word);
        let known = rest.iter().all(|word| matches!(word.as_str(), "h2c" | "tls"));
        known.then(|| Self { listen, upstream, h2c: has("h2c"), tls: has("tls") })
    }
}

fn main() {
    let Some(arguments) = Arguments::parse() else {
        eprintln!("usage: plain_pingora LISTEN_ADDRESS UPSTREAM_ADDRESS [h2c] [tls]");
        std::process::exit(2);
    };
    let conf = ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: UPSTREAM_IDLE_CONNECTIONS_MAX,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();

    let mut peer =
        HttpPeer::new(arguments.upstream.as_str(), arguments.tls, "localhost".to_owned());
    peer.options.verify_cert = false;
    peer.options.verify_hostname = false;
    let mut service = http_proxy_service(&server.configuration, PassThrough { peer });
    let mut options = HttpServerOptions::default();
    options.h2c = arguments.h2c;
    if let Some(proxy) = service.app_logic_mut() {
        proxy.server_options = Some(options);
    }
    let buffers = L4BufferSettings::new(READ_BUFFER_BYTES, WRITE_BUFFER_BYTES);
    service.add_listener(ListenerConfig::tcp(arguments.listen).l4_buffer(buffers));
    server.add_service(service);
    server.run_forever();
}
