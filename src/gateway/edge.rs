//! What stands before the proxy: the number of connections, and deadlines that
//! Pingora does not have (its own are for each read, so a byte now and then
//! keeps a connection for ever).

use super::{Gateway, Shared};
use crate::observe::metrics;
use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use pingora_timeout::fast_timeout::fast_timeout;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counts connections and refuses those over the limit.
pub struct Edge {
    inner: Arc<Timed>,
    shared: Arc<Shared>,
    /// HTTP/2 without TLS: Pingora looks for its preface first, without a time.
    h2c: bool,
}

impl Edge {
    pub fn new(proxy: HttpProxy<Gateway>, shared: Arc<Shared>, h2c: bool) -> Self {
        let inner = Timed { proxy: Arc::new(proxy), shared: shared.clone() };
        Edge { inner: Arc::new(inner), shared, h2c }
    }
}

/// Bytes of the HTTP/2 preface (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;

struct Open<'e>(&'e AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        metrics().connections_open.dec();
    }
}

#[async_trait]
impl ServerApp for Edge {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        stop: &ShutdownWatch,
    ) -> Option<Stream> {
        let before = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        metrics().connections_open.inc();
        let _open = Open(&self.shared.connections);
        let (max, header_timeout) = {
            let loaded = self.shared.live.load();
            (loaded.limits.connections, loaded.limits.header_timeout)
        };
        if before >= max {
            metrics().connections_refused.inc();
            return None;
        }
        if self.h2c {
            let mut preface = [0; PREFACE_BYTES];
            let seen = tokio::time::timeout(header_timeout, stream.try_peek(&mut preface));
            seen.await.ok()?.ok()?;
        }
        self.inner.process_new(stream, stop).await
    }

    async fn cleanup(&self) {
        ServerApp::cleanup(&*self.inner).await;
    }
}

/// Gives each request's header a deadline as a whole.
struct Timed {
    proxy: Arc<HttpProxy<Gateway>>,
    shared: Arc<Shared>,
}

/// Travels with a request to tell that its header is complete.
pub struct HeaderSeen {
    seen: Arc<AtomicBool>,
    nth: u32,
}

impl HeaderSeen {
    /// Tells so, and which request of its connection this is, from one.
    pub fn mark(&self) -> u32 {
        self.seen.store(true, Ordering::Relaxed);
        self.nth
    }
}

/// Travels from one request of a connection to the next: how many there were.
pub struct Served(pub u32);

#[async_trait]
impl HttpServerApp for Timed {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        stop: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // HTTP/2 sessions begin with their header complete.
        if session.is_http2() {
            return self.proxy.process_new_http(session, stop).await;
        }
        let carried = session.take_connection_user_context();
        let served = carried.and_then(|c| c.downcast::<Served>().ok()).map_or(0, |s| s.0);
        let limit = {
            let loaded = self.shared.live.load();
            if served > 0 { loaded.limits.idle_timeout } else { loaded.limits.header_timeout }
        };
        let seen = Arc::new(AtomicBool::new(false));
        session.set_connection_user_context(Some(Box::new(HeaderSeen {
            seen: seen.clone(),
            nth: served + 1,
        })));
        let mut request = self.proxy.process_new_http(session, stop);
        match fast_timeout(limit, &mut request).await {
            Ok(done) => done,
            Err(_) if seen.load(Ordering::Relaxed) => request.await,
            // Dropping the request closes its connection.
            Err(_) => None,
        }
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.proxy.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
