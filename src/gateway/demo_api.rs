//! The demo's bookshop as a service.

use crate::demo::Bookshop;
use async_trait::async_trait;
use http::Response;
use http::header::{CONTENT_LENGTH, HeaderName};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;

/// The demo's bookshop on a socket.
pub(super) struct DemoApi(pub Bookshop);

/// The demo's own limit on a request body.
const DEMO_BODY_BYTES_MAX: usize = 1 << 20;

#[async_trait]
impl ServeHttp for DemoApi {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let mut body = Vec::new();
        while let Ok(Some(piece)) = session.read_request_body().await {
            if body.len() + piece.len() > DEMO_BODY_BYTES_MAX {
                break;
            }
            body.extend_from_slice(&piece);
        }
        let request = session.req_header();
        let target = request.uri.path_and_query().map_or("/", |p| p.as_str());
        let is_head = request.method == http::Method::HEAD;
        let answer = self.0.handle(request.method.as_str(), target, &body);
        if !answer.delay.is_zero() {
            tokio::time::sleep(answer.delay).await;
        }
        let mut built = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                built = built.header(name, value);
            }
        }
        if !is_head && answer.status != 204 {
            built = built.header(CONTENT_LENGTH, answer.body.len());
        }
        built.body(answer.body).unwrap_or_default()
    }
}
