//! Reading a client's body: bounded in bytes and in time.

use super::edge::Progress;
use crate::config::units::show_bytes;
use crate::fault::{Class, Fault};
use crate::observe::metrics;
use bytes::{Bytes, BytesMut};
use http::header;
use pingora::Result;
use pingora_proxy::Session;
use pingora_timeout::fast_timeout::fast_timeout;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// Room for the bodies of requests that come in more than one piece, over all
/// connections: given back when it is dropped, with the request.
pub struct Room {
    held: usize,
    total: Arc<AtomicUsize>,
    max: usize,
}

impl Room {
    pub fn new(total: Arc<AtomicUsize>, max: usize) -> Self {
        Room { held: 0, total, max }
    }

    /// Takes room for more bytes, where there is any.
    fn take(&mut self, bytes: usize) -> bool {
        if self.total.fetch_add(bytes, Ordering::Relaxed) > self.max.saturating_sub(bytes) {
            self.total.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.held += bytes;
        metrics().body_bytes_held.add(i64::try_from(bytes).unwrap_or(i64::MAX));
        true
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.held > 0 {
            self.total.fetch_sub(self.held, Ordering::Relaxed);
            metrics().body_bytes_held.sub(i64::try_from(self.held).unwrap_or(i64::MAX));
        }
    }
}

/// Why a body is not read to its end.
enum Stopped {
    TooLarge,
    NoRoom,
}

/// Reads the whole body. The inner error is the client's to read; after it the
/// connection cannot be used again.
pub async fn read(
    session: &mut Session,
    limit: usize,
    time: Duration,
    progress: Option<&Progress>,
    room: &mut Room,
) -> Result<std::result::Result<Bytes, Fault>> {
    if expects_continue(session) {
        let keepalive = session.get_keepalive();
        session.write_continue_response().await?;
        // Pingora gives the connection up when a header goes out before the
        // body came in.
        session.set_keepalive(keepalive);
    }
    let read = read_all(session, limit, room);
    let read = match progress {
        Some(progress) => progress.within(time, read).await,
        None => fast_timeout(time, read).await.ok(),
    };
    match read {
        Some(Ok(Ok(body))) => Ok(Ok(body)),
        Some(Ok(Err(Stopped::NoRoom))) => {
            discard(session).await;
            let message = "too many large messages are under way; try again in a second";
            Ok(Err(Fault::new(Class::Overloaded, message)))
        }
        Some(Ok(Err(Stopped::TooLarge))) => {
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

/// One piece stays where it is.
async fn read_all(
    session: &mut Session,
    limit: usize,
    room: &mut Room,
) -> Result<std::result::Result<Bytes, Stopped>> {
    let Some(first) = session.read_request_body().await? else { return Ok(Ok(Bytes::new())) };
    if first.len() > limit {
        return Ok(Err(Stopped::TooLarge));
    }
    if session.is_body_done() {
        return Ok(Ok(first));
    }
    if !room.take(first.len()) {
        return Ok(Err(Stopped::NoRoom));
    }
    let mut body = BytesMut::from(&first[..]);
    while let Some(piece) = session.read_request_body().await? {
        if body.len() + piece.len() > limit {
            return Ok(Err(Stopped::TooLarge));
        }
        if !room.take(piece.len()) {
            return Ok(Err(Stopped::NoRoom));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Ok(body.freeze()))
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
        loop {
            match session.read_request_body().await {
                Ok(Some(piece)) => seen += piece.len(),
                Ok(None) => return true,
                // What is broken has no end that could be found.
                Err(_) => return false,
            }
            if seen > BYTES_MAX {
                return false;
            }
        }
    });
    if !drained.await.unwrap_or(false) {
        session.set_keepalive(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_and_given_back() {
        let total = Arc::new(AtomicUsize::new(0));
        let mut first = Room::new(total.clone(), 10);
        assert!(first.take(4));
        let mut second = Room::new(total.clone(), 10);
        assert!(second.take(6), "at the limit");
        assert!(!first.take(1), "one past it");
        drop(second);
        assert!(first.take(1));
        drop(first);
        assert_eq!(total.load(Ordering::Relaxed), 0);
    }
}
