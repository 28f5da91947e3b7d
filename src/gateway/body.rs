//! Reading a client's body: bounded in bytes and in time.

use super::edge::Progress;
use crate::config::units::show_bytes;
use crate::fault::{Class, Fault};
use bytes::{Bytes, BytesMut};
use http::header;
use pingora::Result;
use pingora_proxy::Session;
use pingora_timeout::fast_timeout::fast_timeout;
use std::time::Duration;
use tokio::time::timeout;

/// Reads the whole body. The inner error is the client's to read; after it the
/// connection cannot be used again.
pub async fn read(
    session: &mut Session,
    limit: usize,
    time: Duration,
    progress: Option<&Progress>,
) -> Result<std::result::Result<Bytes, Fault>> {
    if expects_continue(session) {
        let keepalive = session.get_keepalive();
        session.write_continue_response().await?;
        // Pingora gives the connection up when a header goes out before the
        // body came in.
        session.set_keepalive(keepalive);
    }
    let read = read_all(session, limit);
    let read = match progress {
        Some(progress) => progress.within(time, read).await,
        None => fast_timeout(time, read).await.ok(),
    };
    match read {
        Some(Ok(Some(body))) => Ok(Ok(body)),
        Some(Ok(None)) => {
            discard(session).await;
            let message = format!(
                "the message is larger than {}; the limit is `limits.request` of the server",
                show_bytes(limit)
            );
            Ok(Err(Fault::new(Class::BodyTooLarge, message)))
        }
        Some(Err(e)) => {
            let fault = Fault::new(Class::InvalidRequest, "the body is not framed as HTTP says");
            tracing::debug!("a broken body: {e}");
            Ok(Err(fault))
        }
        None => {
            let message = format!("the message did not arrive within {} s", time.as_secs());
            Ok(Err(Fault::new(Class::BodyTimeout, message)))
        }
    }
}

fn expects_continue(session: &Session) -> bool {
    let expect = session.req_header().headers.get(header::EXPECT);
    expect.is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// `None` when the body passes the limit. One piece stays where it is.
async fn read_all(session: &mut Session, limit: usize) -> Result<Option<Bytes>> {
    let Some(first) = session.read_request_body().await? else { return Ok(Some(Bytes::new())) };
    if first.len() > limit {
        return Ok(None);
    }
    if session.is_body_done() {
        return Ok(Some(first));
    }
    let mut body = BytesMut::from(&first[..]);
    while let Some(piece) = session.read_request_body().await? {
        if body.len() + piece.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body.freeze()))
}

/// Reads and drops the rest of a body that is refused, within bounds: a client
/// that is still sending would otherwise see a reset instead of the answer.
pub async fn discard(session: &mut Session) {
    if expects_continue(session) {
        // It waits for our word, and got another.
        return session.set_keepalive(None);
    }
    const BYTES_MAX: usize = 8 << 20;
    const TIME_MAX: Duration = Duration::from_secs(2);
    let mut seen = 0;
    let drained = timeout(TIME_MAX, async {
        while let Ok(Some(piece)) = session.read_request_body().await {
            seen += piece.len();
            if seen > BYTES_MAX {
                return false;
            }
        }
        session.is_body_done()
    });
    if !drained.await.unwrap_or(false) {
        session.set_keepalive(None);
    }
}
