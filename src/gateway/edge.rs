//! What stands before the proxy: the number of connections, and deadlines that
//! Pingora does not have (its own are for each read, so a byte now and then
//! keeps a connection for ever).

use super::cork::Cork;
use super::{Gateway, Shared};
use crate::observe::metrics;
use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Counts connections and refuses those over the limit; gives each request's
/// header a deadline as a whole.
pub struct Edge {
    proxy: Arc<HttpProxy<Gateway>>,
    shared: Arc<Shared>,
    /// HTTP/2 without TLS: Pingora looks for its preface first, without a time.
    h2c: bool,
}

impl Edge {
    pub fn new(proxy: HttpProxy<Gateway>, shared: Arc<Shared>, h2c: bool) -> Self {
        Edge { proxy: Arc::new(proxy), shared, h2c }
    }
}

/// What an HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
        let mut http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        if self.h2c {
            let mut preface = [0; PREFACE.len()];
            let seen = tokio::time::timeout(header_timeout, stream.try_peek(&mut preface));
            seen.await.ok()?.ok()?;
            http2 |= preface == *PREFACE;
        }
        match http2 {
            true => self.proxy.process_new(stream, stop).await,
            false => self.http1(stream, stop, header_timeout).await,
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Edge {
    /// Serves the requests of a connection, one after the other.
    async fn http1(
        &self,
        stream: Stream,
        stop: &ShutdownWatch,
        header_timeout: Duration,
    ) -> Option<Stream> {
        let progress = Arc::new(Progress::default());
        let mut alarm = Alarm::new(Instant::now() + header_timeout);
        let mut session = ServerSession::new_http1(Box::new(Cork::new(stream)));
        for nth in 1.. {
            let mut request = {
                session.set_connection_user_context(Some(Box::new(Nth(nth, progress.clone()))));
                self.proxy.process_new_http(session, stop)
            };
            let done = std::future::poll_fn(|cx| match request.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(done),
                Poll::Pending if progress.header_is_complete(nth) => Poll::Pending,
                // Dropping the request closes its connection.
                Poll::Pending => alarm.poll(cx).map(|()| None),
            });
            let (stream, settings) = done.await?.consume();
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
            let idle_timeout = self.shared.live.load().limits.idle_timeout;
            alarm.set(Instant::now() + idle_timeout);
        }
        None
    }
}

/// The requests of a connection whose header is complete.
#[derive(Default)]
struct Progress(AtomicU32);

impl Progress {
    fn header_is_complete(&self, nth: u32) -> bool {
        self.0.load(Ordering::Relaxed) >= nth
    }
}

/// Travels with a request: which one of its connection it is, from one.
pub struct Nth(u32, Arc<Progress>);

impl Nth {
    /// Tells that the header is complete.
    pub fn mark(&self) -> u32 {
        self.1.0.store(self.0, Ordering::Relaxed);
        self.0
    }
}

/// A deadline that moves with every request. Its timer is set anew only where it
/// rang too early.
struct Alarm {
    at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new(at: Instant) -> Self {
        Alarm { at, timer: Box::pin(sleep_until(at)) }
    }

    fn set(&mut self, at: Instant) {
        // The timer may ring early, never late.
        if at < self.timer.deadline() {
            self.timer.as_mut().reset(at);
        }
        self.at = at;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= self.at {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.at);
        }
    }
}
