//! Asking an API through Pingora's own connectors, and reading its answer whole.
//!
//! The way of most calls: the answer is known before the first byte of ours, it
//! leaves in one write, and whatever goes wrong is a clear result.

use super::edge::Progress;
use super::failure::{broken, late, too_large, unreachable};
use super::peers::{Peer, Peers};
use crate::exchange::decode::Decoder;
use crate::exchange::{Call, Rendered, ResponseHead};
use crate::fault::{Class, Fault};
use crate::observe::metrics;
use crate::tool::request::{is_idempotent, is_safe};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{Error, HttpPeer};
use pingora::{ErrorType, Result as PingoraResult};
use pingora_core::connectors::http::Connector;
use pingora_core::connectors::{ConnectorOptions, http::v1};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::client::HttpSession as ClientSession;
use pingora_core::protocols::http::v1::client::HttpSession as Http1;
use pingora_timeout::fast_timeout::fast_timeout;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant as Clock;
use tokio::time::{Instant, timeout_at};

/// Informational answers (1xx) before the real one.
const INFORMATIONAL_MAX: usize = 10;

/// Opens connections to all upstreams; those of HTTP/1 are kept by their peer.
pub struct Upstream {
    any: Connector,
    /// Upstreams that speak HTTP/1 only.
    http1: v1::Connector,
}

/// An answer whose header is here.
pub struct Opened<'p> {
    session: ClientSession,
    peer: &'p Peer,
    /// In place of the peer's pool of HTTP/2, after a retry.
    unpooled: Option<Box<HttpPeer>>,
}

type Result<T> = std::result::Result<T, Fault>;

impl Upstream {
    pub fn new(options: &ConnectorOptions) -> Self {
        Upstream {
            any: Connector::new(Some(options.clone())),
            http1: v1::Connector::new(Some(options.clone())),
        }
    }

    /// Sends the request of a call and makes its result of the answer, all within
    /// its tool's time.
    pub async fn ask(
        &self,
        peers: &Peers,
        call: &Call,
        progress: Option<&Progress>,
    ) -> Result<Rendered> {
        // Pinned here: moving it would double this future.
        let mut asked = std::pin::pin!(async {
            let opened = self.open_untimed(peers, call).await?;
            self.read_untimed(opened, call).await
        });
        let time = call.tool.timeout;
        let answer = match progress {
            Some(progress) => progress.within(time, asked.as_mut()).await,
            None => fast_timeout(time, asked.as_mut()).await.ok(),
        };
        answer.unwrap_or_else(|| Err(late(call)))
    }

    /// Sends the request and waits for the answer's header.
    pub async fn open<'p>(
        &self,
        peers: &'p Peers,
        call: &Call,
        deadline: Instant,
    ) -> Result<Opened<'p>> {
        timeout_at(deadline, self.open_untimed(peers, call))
            .await
            .unwrap_or_else(|_| Err(late(call)))
    }

    /// Reads the answer's body and makes the result.
    pub async fn read(
        &self,
        opened: Opened<'_>,
        call: &Call,
        deadline: Instant,
    ) -> Result<Rendered> {
        timeout_at(deadline, self.read_untimed(opened, call))
            .await
            .unwrap_or_else(|_| Err(late(call)))
    }

    /// One retry: on a new connection where a pooled one turned out dead and the
    /// method may be repeated, or where nothing was sent at all.
    async fn open_untimed<'p>(&self, peers: &'p Peers, call: &Call) -> Result<Opened<'p>> {
        let mut retried = false;
        let mut stale = false;
        loop {
            let Some(peer) = peers.pick() else {
                let message = "The API's address cannot be found at the moment; try again later";
                return Err(Fault::new(Class::UpstreamRefused, message));
            };
            let unpooled = stale.then(|| peer.unpooled());
            let connected = self.connect(peers.http1_only, peer, unpooled.as_deref());
            let (mut session, reused) = match connected.await {
                Ok(connected) => connected,
                Err(_) if !retried => {
                    retried = true;
                    continue;
                }
                Err(e) => return Err(unreachable(&e)),
            };
            match send(&mut session, peer, call).await {
                Ok(()) => return Ok(Opened { session, peer, unpooled }),
                Err(mut e) => {
                    e.retry.decide_reuse(reused);
                    if e.retry() && !retried && is_idempotent(&call.request.method) {
                        (retried, stale) = (true, true);
                        continue;
                    }
                    return Err(broken(&e));
                }
            }
        }
    }

    /// A connection, and whether it was used before; a new one by the peer that is
    /// `unpooled` where another turned out stale, since the rest may be as dead.
    async fn connect(
        &self,
        http1_only: bool,
        peer: &Peer,
        unpooled: Option<&HttpPeer>,
    ) -> PingoraResult<(ClientSession, bool)> {
        if unpooled.is_none()
            && let Some(stream) = peer.idle.take(Clock::now())
        {
            let session = Http1::new_with_options(stream, &peer.peer);
            return Ok((ClientSession::H1(session), true));
        }
        let target = unpooled.unwrap_or(&peer.peer);
        // Boxed: connecting is rare and its future is large.
        if http1_only {
            let (session, reused) = Box::pin(self.http1.get_http_session(target)).await?;
            return Ok((ClientSession::H1(session), reused));
        }
        Box::pin(self.any.get_http_session(target)).await
    }

    async fn read_untimed(&self, mut opened: Opened<'_>, call: &Call) -> Result<Rendered> {
        let body = read_body(&mut opened.session, call).await?;
        metrics().upstream_response_bytes.inc_by(body.len() as u64);
        // While the connection is held: the header stays where it was read.
        let head = head_of(&opened.session)?;
        let rendered =
            call.answer(&ResponseHead { status: head.status, headers: &head.headers }, &body);
        let peer = opened.peer;
        match opened.session {
            ClientSession::H1(mut session) => {
                session.respect_keepalive();
                if let Some(stream) = session.reuse().await {
                    peer.idle.give(stream, Clock::now());
                }
            }
            session => {
                let peer = opened.unpooled.as_deref().unwrap_or(&peer.peer);
                let idle = peer.options.idle_timeout;
                Box::pin(self.any.release_http_session(session, peer, idle)).await;
            }
        }
        Ok(rendered)
    }
}

fn head_of(session: &ClientSession) -> Result<&ResponseHeader> {
    session
        .response_header()
        .ok_or_else(|| Fault::new(Class::UpstreamInvalid, "The API's answer has no header"))
}

/// The request header of a call for a peer, for HTTP/1.
pub fn request_header(call: &Call, peer: &Peer) -> PingoraResult<RequestHeader> {
    let request = &call.request;
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 3);
    headers.insert(HOST, peer.authority.clone());
    for (name, value) in &request.headers {
        headers.append(name.clone(), value.clone());
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    match &request.body {
        Some(body) => drop(headers.insert(CONTENT_LENGTH, body.len().into())),
        // Methods that mostly have a body must say that there is none.
        None if !is_safe(&request.method) => drop(headers.insert(CONTENT_LENGTH, 0.into())),
        None => {}
    }
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method.clone();
    parts.uri = http::Uri::try_from(&*request.target)
        .map_err(|e| Error::because(ErrorType::InvalidHTTPHeader, "the request target", e))?;
    // Pingora's own setters look every name up again.
    parts.headers = headers;
    Ok(parts.into())
}

/// What HTTP/2 wants instead: an absolute URI and no `Host`.
pub fn for_http2(header: &mut RequestHeader, peer: &Peer) -> PingoraResult<()> {
    let uri = http::Uri::builder()
        .scheme(if peer.tls { "https" } else { "http" })
        .authority(peer.authority.as_bytes())
        .path_and_query(header.raw_path())
        .build()
        .map_err(|e| Error::because(ErrorType::InvalidHTTPHeader, "the request target", e))?;
    header.remove_header(&HOST);
    header.set_uri(uri);
    header.set_version(Version::HTTP_2);
    Ok(())
}

/// Writes the request and reads the answer's header.
async fn send(session: &mut ClientSession, peer: &Peer, call: &Call) -> PingoraResult<()> {
    // The call has one deadline, and no other time.
    session.set_read_timeout(None);
    session.set_write_timeout(None);
    let mut header = request_header(call, peer)?;
    let body = call.request.body.as_ref();
    metrics().upstream_request_bytes.inc_by(body.map_or(0, |b| b.len() as u64));
    match (&mut *session, body) {
        (ClientSession::H2(session), None) => {
            for_http2(&mut header, peer)?;
            session.write_request_header(Box::new(header), true)?;
        }
        (ClientSession::H2(_), Some(body)) => {
            for_http2(&mut header, peer)?;
            session.write_request_header(Box::new(header)).await?;
            session.write_request_body(body.clone(), true).await?;
            session.finish_request_body().await?;
        }
        (_, body) => {
            session.write_request_header(Box::new(header)).await?;
            if let Some(body) = body {
                session.write_request_body(body.clone(), true).await?;
            }
            session.finish_request_body().await?;
        }
    }
    let mut informational = 0;
    loop {
        session.read_response_header().await?;
        let Some(head) = session.response_header() else { continue };
        sound(head, &mut informational)?;
        if !head.status.is_informational() {
            return match has_two_framings(session, head) {
                true => Error::e_explain(ErrorType::InvalidHTTPHeader, "two framings at once"),
                false => Ok(()),
            };
        }
    }
}

/// Both a length and chunks: the front of a smuggled answer (RFC 9112 §6.3).
/// Pingora takes the length out, so the header's bytes are looked at.
fn has_two_framings(session: &ClientSession, head: &ResponseHeader) -> bool {
    let Some(http1) = session.as_http1().filter(|_| head.headers.contains_key(TRANSFER_ENCODING))
    else {
        return false;
    };
    let raw = http1.get_headers_raw_bytes();
    raw.split(|b| *b == b'\n')
        .any(|line| line.get(..15).is_some_and(|l| l.eq_ignore_ascii_case(b"content-length:")))
}

/// Refuses headers that no answer may have: a change of protocol nobody asked
/// for, informational ones without end.
pub fn sound(head: &ResponseHeader, informational: &mut usize) -> PingoraResult<()> {
    let refused = |why: &'static str| Error::e_explain(ErrorType::InvalidHTTPHeader, why);
    if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
        return refused("a change of protocol");
    }
    *informational += usize::from(head.status.is_informational());
    if *informational > INFORMATIONAL_MAX {
        return refused("too many informational answers");
    }
    Ok(())
}

async fn read_body(session: &mut ClientSession, call: &Call) -> Result<Bytes> {
    let limit = call.tool.response_bytes_max;
    let no_body = call.request.method == http::Method::HEAD;
    let (length, mut decoder) = {
        let headers = &head_of(session)?.headers;
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let length = text(CONTENT_LENGTH).and_then(|v| v.parse::<usize>().ok());
        if !no_body && length.is_some_and(|n| n > limit) {
            return Err(too_large(limit));
        }
        match no_body {
            true => (length, None),
            false => (length, Decoder::new(text(CONTENT_ENCODING), limit)?),
        }
    };
    let Some(first) = session.read_response_body().await.map_err(|e| broken(&e))? else {
        return Ok(Bytes::new());
    };
    if decoder.is_none() && length == Some(first.len()) && session.response_done() {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(length.unwrap_or(first.len() * 2).min(limit));
    let mut next = Some(first);
    while let Some(piece) = next {
        match &mut decoder {
            Some(decoder) => body.extend_from_slice(&decoder.push(&piece)?),
            None => body.extend_from_slice(&piece),
        }
        if body.len() > limit {
            return Err(too_large(limit));
        }
        next = session.read_response_body().await.map_err(|e| broken(&e))?;
    }
    if let Some(mut decoder) = decoder {
        body.extend_from_slice(&decoder.end()?);
        if body.len() > limit {
            return Err(too_large(limit));
        }
    }
    Ok(body.freeze())
}

/// Runs `work` unless the client goes away first: then `work` is dropped, which
/// closes its upstream connection or resets its stream.
pub async fn unless_gone<T>(
    client: &mut ServerSession,
    mut work: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> PingoraResult<T> {
    tokio::select! {
        biased;
        done = &mut work => Ok(done),
        idle = client.read_body_or_idle(true) => match idle {
            Err(e) => Err(e.into_down()),
            Ok(_) => Ok(work.await),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<T>(_: impl FnOnce() -> T) -> usize {
        std::mem::size_of::<T>()
    }

    fn never<T>() -> T {
        unreachable!("only its type is looked at")
    }

    /// Every request's future is boxed and copied by `async_trait`.
    #[test]
    fn the_hot_future_stays_small() {
        let ask = size(|| never::<&Upstream>().ask(never(), never(), never()));
        assert!(ask < 4 << 10, "{ask} bytes");
    }
}
