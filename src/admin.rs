//! The admin listener: is it alive, is it ready, what is loaded, the figures.

use crate::observe::metrics;
use crate::policy::origin::OriginPolicy;
use async_trait::async_trait;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderValue, Method, Version};
use pingora::http::ResponseHeader;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::ConnectionFilter;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use prometheus::TextEncoder;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// What the gateway tells of itself.
pub trait Status: Send + Sync {
    /// False while the process is ending.
    fn ready(&self) -> bool;
    /// Servers, tools and the generation, for people.
    fn loaded(&self) -> serde_json::Value;
}

const TEXT: &str = "text/plain; charset=utf-8";

pub struct Admin {
    status: Arc<dyn Status>,
    origin: OriginPolicy,
    header_timeout: Duration,
    /// Where connections come in; it is asked before.
    pub door: Arc<AdminDoor>,
}

impl Admin {
    /// `address` is where it listens, which decides what `Host` may say.
    pub fn new(status: Arc<dyn Status>, address: SocketAddr, header_timeout: Duration) -> Self {
        let origin = OriginPolicy::compile(&[], &[], &[address]);
        Admin { status, origin, header_timeout, door: Arc::default() }
    }

    fn answer(&self, method: &Method, path: &str) -> (u16, &'static str, Vec<u8>) {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (405, TEXT, b"only GET\n".to_vec());
        }
        match path {
            "/livez" => (200, TEXT, b"ok\n".to_vec()),
            "/readyz" if self.status.ready() => (200, TEXT, b"ok\n".to_vec()),
            "/readyz" => (503, TEXT, b"ending\n".to_vec()),
            "/status" => (200, "application/json", self.status.loaded().to_string().into_bytes()),
            "/metrics" => {
                let mut text = Vec::new();
                let families = metrics().registry.gather();
                match prometheus::Encoder::encode(&TextEncoder::new(), &families, &mut text) {
                    Ok(()) => (200, prometheus::TEXT_FORMAT, text),
                    Err(e) => (500, TEXT, format!("{e}\n").into_bytes()),
                }
            }
            _ => (404, TEXT, b"/livez /readyz /status /metrics\n".to_vec()),
        }
    }
}

/// Connections at one time: whoever reaches this listener must not use up the
/// descriptors of the others.
pub const CONNECTIONS_MAX: usize = 64;

/// Closes connections over the limit as they are accepted.
#[derive(Debug, Default)]
pub struct AdminDoor(AtomicUsize);

#[async_trait]
impl ConnectionFilter for AdminDoor {
    async fn should_accept(&self, _: Option<&SocketAddr>) -> bool {
        let accepted = self.0.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_MAX;
        if !accepted {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
        accepted
    }
}

/// One connection that the door let in.
struct Inside<'d>(&'d AdminDoor);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long one answer may take to be read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

#[async_trait]
impl ServerApp for Admin {
    /// One request a connection: whoever scrapes asks seldom.
    async fn process_new(self: &Arc<Self>, stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        let _inside = Inside(&self.door);
        let mut session = ServerSession::new_http1(stream);
        let (status, content_type, body) =
            match timeout(self.header_timeout, session.read_request()).await {
                Ok(Ok(true)) => self.judge(&session),
                Ok(Ok(false)) | Err(_) => return None,
                Ok(Err(_)) => {
                    // There is nobody else to tell.
                    let _ = session.respond_error(400).await;
                    return None;
                }
            };
        if let Err(e) = send(&mut session, status, content_type, body).await {
            tracing::debug!(error = %e.etype().as_str(), "an answer of the admin listener broke off");
        }
        None
    }
}

impl Admin {
    /// The answer to a request, if it is one for this listener.
    fn judge(&self, session: &ServerSession) -> (u16, &'static str, Vec<u8>) {
        let request = session.req_header();
        let mut hosts = request.headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|h| h.to_str().ok());
        let old = request.version != Version::HTTP_11;
        if hosts.next().is_some() || host.map_or(!old, str::is_empty) {
            return (400, TEXT, b"give one Host\n".to_vec());
        }
        let origins = request.headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
        match self.origin.check(host, origins) {
            Ok(()) => self.answer(&request.method, request.uri.path()),
            Err(fault) => (403, TEXT, format!("{}\n", fault.message).into_bytes()),
        }
    }
}

async fn send(
    session: &mut ServerSession,
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
) -> pingora_core::Result<()> {
    let is_head = session.req_header().method == Method::HEAD;
    let mut head = ResponseHeader::build(status, Some(5))?;
    head.insert_header(CONTENT_TYPE, content_type)?;
    head.insert_header(CONTENT_LENGTH, body.len())?;
    head.insert_header(CACHE_CONTROL, "no-store")?;
    session.set_keepalive(None);
    session.set_write_timeout(Some(WRITE_TIMEOUT));
    session.write_response_header(Box::new(head)).await?;
    let body = if is_head { Vec::new() } else { body };
    session.write_response_body(body.into(), true).await
}
