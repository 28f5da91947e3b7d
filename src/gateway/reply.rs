//! Writing answers: whole in one write, or as events.

use super::{Context, Gateway};
use crate::exchange::Reply;
use http::{HeaderValue, Version, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora_proxy::Session;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl Gateway {
    /// Sends a whole answer: one header, one write.
    pub(super) async fn send(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        reply: Reply,
    ) -> Result<()> {
        let has_body = !reply.body.is_empty();
        let mut head = ResponseHeader::build_no_case(reply.status, Some(5))?;
        if has_body {
            head.insert_header(header::CONTENT_TYPE, JSON)?;
        }
        if reply.status == 503 {
            head.insert_header(header::RETRY_AFTER, "1")?;
        }
        for (name, value) in &reply.headers {
            head.insert_header(name.clone(), value.clone())?;
        }
        head.insert_header(header::CONTENT_LENGTH, reply.body.len())?;
        head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
        ctx.sent = reply.body.len();
        ctx.record = Some((reply.record, reply.server));
        session.write_response_header(Box::new(head), !has_body).await?;
        if has_body {
            session.write_response_body(Some(reply.body), true).await?;
        }
        Ok(())
    }

    /// Answers a request that is no message with a status alone, and ends its
    /// connection.
    pub(super) async fn refuse(&self, session: &mut Session, status: u16) -> Result<()> {
        let mut head = ResponseHeader::build_no_case(status, Some(4))?;
        head.insert_header(header::CONTENT_LENGTH, 0)?;
        head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
        session.set_keepalive(None);
        session.write_response_header(Box::new(head), true).await
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
        let mut head = ResponseHeader::build_no_case(200, Some(4))?;
        head.insert_header(header::CONTENT_TYPE, JSON)?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
        ctx.sent = body.len();
        session.write_response_header(Box::new(head), false).await?;
        session.write_response_body(Some(body.into()), true).await
    }
}
