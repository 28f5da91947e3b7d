//! Writing answers: whole in one write, or as events.

use super::{Context, Gateway};
use crate::exchange::{Body, Reply};
use http::{HeaderValue, StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora::prelude::Error;
use pingora::{ErrorType, Result};
use pingora_proxy::Session;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The header of an answer. Pingora's own setters look every name up again.
fn head() -> http::response::Parts {
    let (mut head, ()) = http::Response::new(()).into_parts();
    // Pingora adds two.
    head.headers.reserve(6);
    head.headers.insert(header::CACHE_CONTROL, NO_STORE);
    head
}

/// The header of a message, all but how it is framed.
pub fn json() -> http::response::Parts {
    let mut head = head();
    head.headers.insert(header::CONTENT_TYPE, JSON);
    head
}

fn whole(status: u16, bytes: usize) -> Result<http::response::Parts> {
    let mut head = head();
    head.status = StatusCode::from_u16(status)
        .map_err(|e| Error::because(ErrorType::InternalError, "the status of an answer", e))?;
    head.headers.insert(header::CONTENT_LENGTH, bytes.into());
    Ok(head)
}

impl Gateway {
    /// Sends a whole answer: one header, one write.
    pub(super) async fn send(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        reply: Reply,
    ) -> Result<()> {
        let has_body = !reply.body.is_empty();
        let mut head = whole(reply.status, reply.body.len())?;
        if has_body {
            head.headers.insert(header::CONTENT_TYPE, JSON);
        }
        if reply.status == 503 {
            head.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        head.headers.extend(reply.headers);
        ctx.sent = reply.body.len();
        ctx.record = Some((reply.record, reply.server));
        session.write_response_header(Box::new(head.into()), !has_body).await?;
        let Body { own, shared } = reply.body;
        if !own.is_empty() {
            session.write_response_body(Some(own), shared.is_empty()).await?;
        }
        if !shared.is_empty() {
            session.write_response_body(Some(shared), true).await?;
        }
        Ok(())
    }

    /// Answers a request that is no message with a status alone, and ends its
    /// connection.
    pub(super) async fn refuse(&self, session: &mut Session, status: u16) -> Result<()> {
        let head = whole(status, 0)?;
        session.set_keepalive(None);
        session.write_response_header(Box::new(head.into()), true).await
    }

    /// Opens an event stream.
    pub(super) async fn open_events(&self, session: &mut Session) -> Result<()> {
        let mut head = ResponseHeader::build_no_case(200, Some(5))?;
        head.insert_header(header::CONTENT_TYPE, "text/event-stream")?;
        head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
        head.insert_header("x-accel-buffering", "no")?;
        if session.req_header().version == Version::HTTP_11 {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        session.write_response_header(Box::new(head), false).await
    }

    pub(super) async fn send_rendered(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        body: Vec<u8>,
    ) -> Result<()> {
        let mut head = json();
        head.headers.insert(header::CONTENT_LENGTH, body.len().into());
        ctx.sent = body.len();
        session.write_response_header(Box::new(head.into()), false).await?;
        session.write_response_body(Some(body.into()), true).await
    }
}
