//! What stands before the proxy: the number of connections, and deadlines that
//! Pingora does not have (its own are for each read, so a byte now and then
//! keeps a connection for ever).

use super::Gateway;
use crate::config::Limits;
use crate::observe::metrics;
use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Counts connections and refuses those over the limit.
pub struct Edge {
    inner: Arc<Timed>,
    connections: Arc<AtomicUsize>,
    connections_max: usize,
}

impl Edge {
    /// `connections` is shared by all listeners.
    pub fn new(proxy: HttpProxy<Gateway>, limits: &Limits, connections: Arc<AtomicUsize>) -> Self {
        let inner = Timed {
            proxy: Arc::new(proxy),
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
        };
        Edge { inner: Arc::new(inner), connections, connections_max: limits.connections }
    }
}

struct Open<'e>(&'e AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        metrics().connections_open.dec();
    }
}

#[async_trait]
impl ServerApp for Edge {
    async fn process_new(self: &Arc<Self>, stream: Stream, stop: &ShutdownWatch) -> Option<Stream> {
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        metrics().connections_open.inc();
        let _open = Open(&self.connections);
        if before >= self.connections_max {
            metrics().connections_refused.inc();
            return None;
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
    header_timeout: Duration,
    idle_timeout: Duration,
}

/// Travels with a request to tell that its header is complete.
pub struct HeaderSeen(Arc<AtomicBool>);

impl HeaderSeen {
    pub fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Travels from one request of a connection to the next.
pub struct Reused;

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
        let reused = session.take_connection_user_context().is_some();
        let limit = if reused { self.idle_timeout } else { self.header_timeout };
        let seen = Arc::new(AtomicBool::new(false));
        session.set_connection_user_context(Some(Box::new(HeaderSeen(seen.clone()))));
        let mut request = std::pin::pin!(self.proxy.process_new_http(session, stop));
        tokio::select! {
            biased;
            done = &mut request => return done,
            () = tokio::time::sleep(limit) => {}
        }
        match seen.load(Ordering::Relaxed) {
            true => request.await,
            // Dropping the request closes its connection.
            false => None,
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
