//! Asking an API through Pingora's own connectors, and reading its answer whole.
//!
//! The way of most calls: the answer is known before the first byte of ours, it
//! leaves in one write, and whatever goes wrong is a clear result.

use super::client::{count_request, head_of, read_body, read_head, send};
use super::edge::Progress;
use super::failure::{broken, late, too_large, unreachable};
use super::peers::{Peer, Peers};
use super::plain::{self, Asked};
use super::unread::Unread;
use crate::exchange::{Call, Rendered, ResponseHead};
use crate::fault::{Class, Fault};
use crate::observe::metrics;
use crate::tool::request::is_idempotent;
use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora::prelude::{Error, HttpPeer};
use pingora::{ErrorType, Result as PingoraResult};
use pingora_core::connectors::http::Connector;
use pingora_core::connectors::{ConnectorOptions, http::v1};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::client::HttpSession as ClientSession;
use pingora_core::protocols::http::v1::client::HttpSession as Http1;
use pingora_timeout::fast_timeout::fast_timeout;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant as Clock;
use tokio::time::{Instant, timeout_at};

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
        let mut asked = std::pin::pin!(self.ask_untimed(peers, call));
        let time = call.tool.timeout;
        let answer = match progress {
            Some(progress) => progress.within(time, asked.as_mut()).await,
            None => fast_timeout(time, asked.as_mut()).await.ok(),
        };
        answer.unwrap_or_else(|| Err(late(call)))
    }

    /// On an idle connection without Pingora's client, where that can be.
    async fn ask_untimed(&self, peers: &Peers, call: &Call) -> Result<Rendered> {
        let peer = pick(peers)?;
        let idle = match plain::possible(&call.request) {
            true => peer.idle.take(Clock::now()),
            false => None,
        };
        let Some(stream) = idle else {
            return Box::pin(self.ask_by_pingora(peers, peer, call, false)).await;
        };
        count_request(call);
        match plain::ask(stream, peer, call).await.map_err(|e| closed(&e))? {
            Asked::Answered { head, body, stream } => {
                metrics().upstream_response_bytes.inc_by(body.len() as u64);
                peer.idle.give(stream, Clock::now());
                let head = ResponseHead { status: head.status, headers: &head.headers };
                Ok(call.answer(&head, &body))
            }
            Asked::Unread(stream) => {
                Box::pin(self.read_by_pingora(stream, peers, peer, call)).await
            }
            Asked::TooLarge => Err(too_large(call.tool.response_bytes_max)),
            Asked::Stale(_) if is_idempotent(&call.request.method) => {
                Box::pin(self.ask_by_pingora(peers, pick(peers)?, call, true)).await
            }
            Asked::Stale(e) => Err(closed(&e)),
        }
    }

    async fn ask_by_pingora(
        &self,
        peers: &Peers,
        peer: &Peer,
        call: &Call,
        stale: bool,
    ) -> Result<Rendered> {
        let opened = self.open_untimed(peers, peer, call, stale).await?;
        self.read_untimed(opened, call).await
    }

    /// The rest of an exchange whose request was sent on a connection used before.
    async fn read_by_pingora(
        &self,
        stream: Stream,
        peers: &Peers,
        peer: &Peer,
        call: &Call,
    ) -> Result<Rendered> {
        let mut session = ClientSession::H1(Http1::new_with_options(stream, &peer.peer));
        if let Err(mut e) = read_head(&mut session).await {
            e.retry.decide_reuse(true);
            if e.retry() && is_idempotent(&call.request.method) {
                return self.ask_by_pingora(peers, pick(peers)?, call, true).await;
            }
            return Err(broken(&e));
        }
        self.read_untimed(Opened { session, peer, unpooled: None }, call).await
    }

    /// Sends the request and waits for the answer's header.
    pub async fn open<'p>(
        &self,
        peers: &'p Peers,
        call: &Call,
        deadline: Instant,
    ) -> Result<Opened<'p>> {
        let opened = async { self.open_untimed(peers, pick(peers)?, call, false).await };
        timeout_at(deadline, opened).await.unwrap_or_else(|_| Err(late(call)))
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
    async fn open_untimed<'p>(
        &self,
        peers: &'p Peers,
        mut peer: &'p Peer,
        call: &Call,
        mut stale: bool,
    ) -> Result<Opened<'p>> {
        let mut retried = stale;
        loop {
            let unpooled = stale.then(|| peer.unpooled());
            let connected = self.connect(peers.http1_only, peer, unpooled.as_deref());
            let (mut session, reused) = match connected.await {
                Ok(connected) => connected,
                Err(_) if !retried => {
                    (retried, peer) = (true, pick(peers)?);
                    continue;
                }
                Err(e) => return Err(unreachable(&e)),
            };
            match send(&mut session, peer, call).await {
                Ok(()) => return Ok(Opened { session, peer, unpooled }),
                Err(mut e) => {
                    e.retry.decide_reuse(reused);
                    if e.retry() && !retried && is_idempotent(&call.request.method) {
                        (retried, stale, peer) = (true, true, pick(peers)?);
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

    /// Keeps the connection of an answer that was read to its end.
    async fn release(&self, session: ClientSession, peer: &Peer, unpooled: Option<&HttpPeer>) {
        match session {
            ClientSession::H1(mut session) => {
                session.respect_keepalive();
                if let Some(stream) = session.reuse().await.and_then(Unread::unwrapped) {
                    peer.idle.give(stream, Clock::now());
                }
            }
            session => {
                let peer = unpooled.unwrap_or(&peer.peer);
                let idle = peer.options.idle_timeout;
                Box::pin(self.any.release_http_session(session, peer, idle)).await;
            }
        }
    }

    async fn read_untimed(&self, mut opened: Opened<'_>, call: &Call) -> Result<Rendered> {
        let body = read_body(&mut opened.session, call).await?;
        metrics().upstream_response_bytes.inc_by(body.len() as u64);
        // While the connection is held: the header stays where it was read.
        let head = head_of(&opened.session)?;
        let rendered =
            call.answer(&ResponseHead { status: head.status, headers: &head.headers }, &body);
        let Opened { session, peer, unpooled } = opened;
        self.release(session, peer, unpooled.as_deref()).await;
        Ok(rendered)
    }
}

impl Opened<'_> {
    /// The answer's header.
    pub fn head(&self) -> Result<&ResponseHeader> {
        head_of(&self.session)
    }

    /// The next piece of its body; `None` at the end.
    pub async fn piece(&mut self) -> PingoraResult<Option<Bytes>> {
        self.session.read_response_body().await.map_err(Error::into_up)
    }

    /// Gives the connection back, once the body was read to its end.
    pub async fn give_back(self, upstream: &Upstream) {
        upstream.release(self.session, self.peer, self.unpooled.as_deref()).await;
    }
}

fn pick(peers: &Peers) -> Result<&Peer> {
    let message = "The API's address cannot be found at the moment; try again later";
    peers.pick().ok_or_else(|| Fault::new(Class::UpstreamRefused, message))
}

fn closed(e: &std::io::Error) -> Fault {
    broken(&Error::explain(ErrorType::ConnectionClosed, e.to_string()))
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
