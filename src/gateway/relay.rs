//! Answers passed on as they come, by Pingora's proxy path: constant memory and
//! back-pressure, however large the answer is.

use super::edge::Until;
use super::pump::Pumped;
use super::unwritten::Unwritten;
use super::{Context, Gateway, Loaded, client, peers::Peer, permit::Permit};
use crate::config::AnswerAs;
use crate::exchange::decode::Decoder;
use crate::exchange::{Call, Record, ResponseHead, Writer};
use crate::fault::{Class, Fault};
use crate::observe::{Outcome, metrics};
use crate::snapshot::Server;
use crate::tool::request::is_idempotent;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{Error, HttpPeer};
use pingora::{ErrorType, Result};
use pingora_proxy::Session;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The end of a relayed call whose result is complete.
pub const ENDED: ErrorType = ErrorType::new("ResultComplete");

/// The end of a call that is made again by [`Gateway::pump`].
pub const PUMPED: ErrorType = ErrorType::new("AnswerCompressed");

/// One relayed call.
pub struct Relay {
    pub call: Box<Call>,
    loaded: Arc<Loaded>,
    peer: Option<usize>,
    /// Whether a request may have reached the API.
    sent: bool,
    /// A pooled connection turned out dead: the retry takes a new one.
    pub stale: bool,
    deadline: Instant,
    /// The same, told by `Edge`; HTTP/2 has none, and Pingora's time for each read.
    until: Option<Until>,
    /// Pieces that Pingora may still drop when the upstream fails.
    unwritten: Unwritten,
    /// Answers before the answer.
    informational: usize,
    writer: Option<Writer>,
    decoder: Option<Decoder>,
    /// The answer was written whole: it had no body.
    done: bool,
    outcome: Outcome,
    permit: Permit,
}

/// The relayed call of a request. The proxy path is entered for no other.
pub fn of(ctx: &mut Context) -> Result<&mut Relay> {
    match &mut ctx.relay {
        Some(relay) => Ok(relay),
        None => Error::e_explain(ErrorType::InternalError, "no call to relay"),
    }
}

/// Whether a message may become a relayed call. Only then is its body kept for
/// the proxy path, which cannot run without.
pub fn possible(server: &Server, request: &RequestHeader) -> bool {
    let streams = |name: &str| server.tool(name).is_some_and(|t| t.answer == AnswerAs::Stream);
    match request.headers.get("mcp-name").map(HeaderValue::to_str) {
        Some(Ok(name)) => streams(name),
        _ => server.has_streams,
    }
}

impl Gateway {
    /// Starts a relayed call; `false` sends Pingora on to the upstream.
    pub(super) async fn relay(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        loaded: Arc<Loaded>,
        call: Box<Call>,
    ) -> Result<bool> {
        // The proxy path replays a body of at most 64 KiB, and must have one.
        let replayable = session.get_retry_buffer().is_some() && !session.retry_buffer_truncated();
        if !replayable || loaded.peers[call.tool.upstream].is_empty() {
            self.exchange(session, ctx, &loaded, call).await?;
            return Ok(true);
        }
        let Some(permit) = self.call_permit(&loaded.limits) else {
            self.send(session, ctx, super::calls::overloaded(&call)).await?;
            return Ok(true);
        };
        let time = call.tool.timeout;
        let deadline = Instant::now() + time;
        keep_end(session, ctx);
        let peers = &loaded.peers[call.tool.upstream];
        if !peers.http1_only || peers.compresses.load(Ordering::Relaxed) {
            let pumped = Pumped { call, loaded, deadline: deadline.into(), permit };
            Box::pin(self.pump(session, ctx, pumped)).await?;
            return Ok(true);
        }
        let until = ctx.progress.clone().map(|progress| Until::new(progress, time));
        if until.is_some() {
            forget_headers(session);
        }
        ctx.relay = Some(Box::new(Relay {
            call,
            loaded,
            peer: None,
            sent: false,
            stale: false,
            deadline,
            until,
            unwritten: Unwritten::default(),
            informational: 0,
            writer: None,
            decoder: None,
            done: false,
            outcome: Outcome::Cancelled,
            permit,
        }));
        Ok(false)
    }
}

/// Lets a client that closed its side have its answer.
pub fn keep_end(session: &Session, ctx: &Context) {
    if let Some(cork) = &ctx.cork {
        cork.keep_end(session.req_header().version == Version::HTTP_11);
    }
}

/// Makes a relayed call again whose answer came compressed, by
/// [`Gateway::pump`]. Nothing was written.
pub async fn again(gateway: &Gateway, session: &mut Session, ctx: &mut Context) -> Result<()> {
    let Some(relay) = ctx.relay.take() else { return Ok(()) };
    let Relay { call, loaded, deadline, permit, .. } = *relay;
    session.set_keepalive(None);
    let pumped = Pumped { call, loaded, deadline: deadline.into(), permit };
    Box::pin(gateway.pump(session, ctx, pumped)).await
}

/// Takes the client's headers away, of which nothing is passed on: Pingora would
/// copy them to begin the API's request with.
fn forget_headers(session: &mut Session) {
    let request = session.req_header_mut();
    let (mut parts, ()) = http::Request::new(()).into_parts();
    (parts.method, parts.version) = (request.method.clone(), request.version);
    parts.uri = request.uri.clone();
    *request = parts.into();
}

impl Relay {
    /// Whether its time is over.
    pub fn is_late(&self) -> bool {
        self.until.as_ref().is_some_and(Until::is_over)
    }

    fn picked(&self) -> Option<&Peer> {
        let peers = &self.loaded.peers[self.call.tool.upstream];
        peers.at(self.peer?)
    }

    pub fn peer(&mut self) -> Result<Box<HttpPeer>> {
        let peers = &self.loaded.peers[self.call.tool.upstream];
        self.peer = peers.pick_index();
        match self.picked() {
            Some(peer) => {
                let mut peer = match self.stale {
                    true => peer.unpooled(),
                    false => Box::new(peer.peer.clone()),
                };
                let time = Some(self.call.tool.timeout);
                peer.options.read_timeout = time.filter(|_| self.until.is_none());
                // Always: a client that is gone, or a deadline, is not seen meanwhile.
                peer.options.write_timeout = time;
                let left = self.deadline.saturating_duration_since(Instant::now());
                let options = &mut peer.options;
                options.connection_timeout = options.connection_timeout.map(|t| t.min(left));
                options.total_connection_timeout =
                    options.total_connection_timeout.map(|t| t.min(left));
                Ok(peer)
            }
            None => Error::e_explain(ErrorType::ConnectNoRoute, "no upstream address"),
        }
    }

    /// Puts the call's request in place of the client's: nothing of it is kept
    /// but the version, which Pingora chose for the upstream.
    pub fn write_request(&mut self, request: &mut RequestHeader) -> Result<()> {
        if self.is_late() {
            return Error::e_explain(ErrorType::ConnectTimedout, "connected too late");
        }
        self.sent = true;
        let Some(peer) = self.picked() else {
            return Error::e_explain(ErrorType::InternalError, "no peer was chosen");
        };
        let version = request.version;
        *request = client::request_header(&self.call, peer)?;
        if self.call.request.body.is_none() {
            // The client's message had a body, so Pingora would announce one.
            request.insert_header(CONTENT_LENGTH, 0)?;
        }
        if version == Version::HTTP_2 {
            client::for_http2(request, peer)?;
        }
        request.set_version(version);
        Ok(())
    }
}

/// Replaces the answer's header with ours. An answer without a body is written
/// whole here: no body filter would run for it.
pub async fn open(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut Context,
) -> Result<()> {
    let relay = of(ctx)?;
    client::sound(response, &mut relay.informational)?;
    if response.status.is_informational() {
        return Ok(());
    }
    let head = ResponseHead { status: response.status, headers: &response.headers };
    let empty = matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || response.headers.get(CONTENT_LENGTH).is_some_and(|v| v == "0");
    client::check_coding(response)?;
    let encoding = response.headers.get(CONTENT_ENCODING).and_then(|v| v.to_str().ok());
    // All that a piece holds is decoded at once here, so it is bounded as if it
    // were read whole.
    let tool = &relay.call.tool;
    let decoded_max = tool.stream_bytes_max.min(tool.response_bytes_max);
    let decoder = Decoder::new(encoding, decoded_max);
    if matches!(decoder, Ok(Some(_))) {
        let peers = &relay.loaded.peers[tool.upstream];
        peers.compresses.store(true, Ordering::Relaxed);
        if is_idempotent(&relay.call.request.method) {
            return Error::e_explain(PUMPED, "the answer is compressed");
        }
    }
    let whole = match (&decoder, empty) {
        (Err(fault), _) => Some(relay.call.fail(fault)),
        (_, true) => Some(relay.call.answer(&head, b"")),
        _ => None,
    };
    let mut ours = super::reply::json();
    if let Some(rendered) = whole {
        relay.done = true;
        relay.outcome = rendered.outcome;
        ctx.sent = rendered.body.len();
        ours.headers.insert(CONTENT_LENGTH, rendered.body.len().into());
        if !empty {
            // The proxy path gives the connection up after an error.
            session.set_keepalive(None);
        }
        session.write_response_header(Box::new(ours.into()), false).await?;
        session.write_response_body(Some(rendered.body.into()), true).await?;
        return match empty {
            true => Ok(()),
            // There is a body, and nothing that can read it.
            false => Error::e_explain(ENDED, "the answer cannot be read"),
        };
    }
    relay.decoder = decoder.unwrap_or_default();
    relay.writer = Some(relay.call.writer(&head));
    if session.req_header().version == Version::HTTP_11 {
        ours.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    *response = ours.into();
    Ok(())
}

impl Relay {
    fn push(&mut self, piece: Option<&Bytes>, end: bool, out: &mut Vec<u8>) {
        let Some(writer) = &mut self.writer else { return };
        if Instant::now() >= self.deadline {
            writer.cut(Class::UpstreamTimeout, "cut here: the call's time is over", out);
        }
        if let Some(piece) = piece {
            match &mut self.decoder {
                None => writer.chunk(piece, out),
                Some(decoder) => match decoder.push(piece) {
                    Ok(bytes) => writer.chunk(&bytes, out),
                    Err(fault) => writer.cut(fault.class, &fault.message, out),
                },
            }
        }
        if end {
            if let Some(decoder) = &mut self.decoder {
                match decoder.end() {
                    Ok(bytes) => writer.chunk(&bytes, out),
                    Err(fault) => writer.cut(fault.class, &fault.message, out),
                }
            }
            writer.end(out);
        }
        // Until then the client may still go away.
        if writer.has_ended() {
            self.outcome = writer.outcome();
        }
    }
}

/// Turns one piece of the answer into one piece of the result.
pub fn transform(
    session: &Session,
    body: &mut Option<Bytes>,
    end: bool,
    ctx: &mut Context,
) -> Result<Option<std::time::Duration>> {
    let relay = of(ctx)?;
    if relay.done {
        *body = None;
        return Ok(None);
    }
    let piece = body.take();
    metrics().upstream_response_bytes.inc_by(piece.as_ref().map_or(0, |b| b.len() as u64));
    let ended = relay.writer.as_ref().is_some_and(Writer::has_ended);
    let written = session.as_downstream().body_bytes_sent();
    relay.unwritten.forget(written);
    if ended && !end && relay.unwritten.is_empty() {
        // The result is complete; the rest is not listened to.
        return Error::e_explain(ENDED, "the result is complete before the answer");
    }
    let mut out = Vec::with_capacity(piece.as_ref().map_or(0, Bytes::len) * 5 / 4 + 512);
    relay.push(piece.as_ref(), end, &mut out);
    ctx.sent += out.len();
    let out = Bytes::from(out);
    if !out.is_empty() {
        of(ctx)?.unwritten.keep(out.clone());
    }
    *body = (!out.is_empty()).then_some(out);
    Ok(None)
}

/// An upstream that failed: the whole result when nothing went out yet, else the
/// end of the one that did.
pub async fn fail(
    gateway: &Gateway,
    session: &mut Session,
    e: &Error,
    ctx: &mut Context,
) -> Result<()> {
    let relay = of(ctx)?;
    let late = relay.is_late();
    let fault: Fault = match (late, relay.sent) {
        (true, true) => super::failure::late(&relay.call),
        (true, false) => super::failure::unreached(),
        (false, _) => super::failure::broken(e),
    };
    if relay.done {
        return Ok(());
    }
    let complete = relay.writer.as_ref().is_some_and(Writer::has_ended);
    if !complete {
        relay.outcome = Outcome::Fault(fault.class);
    }
    if session.response_written().is_none() {
        session.set_keepalive(None);
        let rendered = super::calls::told(&relay.call, &fault);
        return gateway.send_rendered(session, ctx, rendered.body).await;
    }
    relay.unwritten.forget(session.as_downstream().body_bytes_sent());
    let mut out = relay.unwritten.take();
    if let Some(writer) = &mut relay.writer {
        let why = if late { "the call's time is over" } else { &fault.message };
        writer.cut(fault.class, &format!("cut here: {why}"), &mut out);
    }
    ctx.sent += out.len();
    session.write_response_body(Some(out.into()), true).await
}

/// Counts a relayed call.
pub fn finish(ctx: &mut Context) {
    let Some(relay) = ctx.relay.take() else { return };
    let outcome = relay.outcome;
    relay.call.tool.figures.count(outcome);
    if let Some(started) = ctx.started {
        metrics().call_seconds.observe(started.elapsed().as_secs_f64());
    }
    let record = Record { outcome, ..Record::new("tools/call", relay.call.era.is_modern()) };
    ctx.record = Some((record, Some(relay.call.server.clone())));
}
