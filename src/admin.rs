//! The admin listener: is it alive, is it ready, what is loaded, the figures.

use crate::observe::metrics;
use async_trait::async_trait;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Response};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use prometheus::TextEncoder;
use std::sync::Arc;

/// What the gateway tells of itself.
pub trait Status: Send + Sync {
    /// False while the process is ending.
    fn ready(&self) -> bool;
    /// Servers, tools and the generation, for people.
    fn loaded(&self) -> serde_json::Value;
}

pub struct Admin {
    status: Arc<dyn Status>,
}

impl Admin {
    pub fn new(status: Arc<dyn Status>) -> Self {
        Admin { status }
    }

    fn answer(&self, method: &Method, path: &str) -> (u16, &'static str, Vec<u8>) {
        const TEXT: &str = "text/plain; charset=utf-8";
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

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        let (status, content_type, body) = self.answer(&request.method, request.uri.path());
        let body = if request.method == Method::HEAD { Vec::new() } else { body };
        let built = Response::builder()
            .status(status)
            .header(CONTENT_TYPE, content_type)
            .header(CONTENT_LENGTH, body.len())
            .header(CACHE_CONTROL, "no-store")
            .body(body);
        built.unwrap_or_default()
    }
}
