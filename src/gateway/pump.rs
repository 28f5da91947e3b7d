//! Answers passed on piece by piece by our own client, with the back-pressure of
//! each write.
//!
//! The proxy path makes one piece of each that it reads, which cannot be done with
//! an answer that its API compressed: four kilobytes may hold sixty-four megabytes.
//! It also tells no end of an answer of HTTP/2 that has trailers. Both come here:
//! HTTP/2 at once, and the calls of an API that was seen to compress its answers
//! although it was asked not to.

use super::connector::{Opened, unless_gone};
use super::failure::{broken, late};
use super::permit::Permit;
use super::{Context, Gateway, Loaded, calls};
use crate::exchange::decode::Decoder;
use crate::exchange::{Call, ResponseHead, Writer};
use crate::fault::{Class, Fault};
use crate::observe::{Outcome, metrics};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Version};
use pingora::Result;
use pingora::prelude::Error;
use pingora_proxy::Session;
use tokio::time::{Instant, timeout_at};

/// A call whose answer is passed on here.
pub struct Pumped {
    pub call: Box<Call>,
    pub loaded: std::sync::Arc<Loaded>,
    pub deadline: Instant,
    pub permit: Permit,
}

/// An answer on its way.
struct Flow<'p> {
    opened: Opened<'p>,
    decoder: Option<Decoder>,
    writer: Writer,
}

impl Gateway {
    /// Makes a call and passes its answer on. Nothing was written before.
    pub(super) async fn pump(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        pumped: Pumped,
    ) -> Result<()> {
        let Pumped { call, loaded, deadline, permit: _permit } = &pumped;
        let done = self.pumped(session, ctx, call, loaded, *deadline).await;
        // Whatever went wrong on the way was the client's going.
        self.record_call(ctx, call, *done.as_ref().unwrap_or(&Outcome::Cancelled));
        done.map(drop)
    }

    async fn pumped(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        call: &Call,
        loaded: &Loaded,
        deadline: Instant,
    ) -> Result<Outcome> {
        let peers = &loaded.peers[call.tool.upstream];
        let opened = {
            let mut opened = std::pin::pin!(self.upstream.open(peers, call, deadline));
            unless_gone(session.as_downstream_mut(), opened.as_mut()).await?
        };
        let begun = opened.and_then(|opened| {
            let head = opened.head()?;
            let text = |name| head.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
            let decoder = Decoder::new(text(CONTENT_ENCODING), call.tool.stream_bytes_max)?;
            let head = ResponseHead { status: head.status, headers: &head.headers };
            let writer = call.writer(&head);
            // Some answers say by their header that they have no body.
            let empty = head.status == http::StatusCode::NO_CONTENT
                || text(CONTENT_LENGTH).is_some_and(|n| n == "0");
            let whole = empty.then(|| call.answer(&head, b""));
            Ok((Flow { opened, decoder, writer }, whole))
        });
        let (mut flow, whole) = match begun {
            Ok(begun) => begun,
            Err(fault) => {
                let told = calls::told(call, &fault);
                self.send_rendered(session, ctx, told.body).await?;
                return Ok(told.outcome);
            }
        };
        if let Some(rendered) = whole {
            self.send_rendered(session, ctx, rendered.body).await?;
            return Ok(rendered.outcome);
        }
        let mut head = super::reply::json();
        if session.req_header().version == Version::HTTP_11 {
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        session.write_response_header(Box::new(head.into()), false).await?;
        self.flow(session, ctx, &mut flow, call, deadline).await?;
        let outcome = flow.writer.outcome();
        if flow.writer.received_all() {
            flow.opened.give_back(&self.upstream).await;
        }
        Ok(outcome)
    }

    /// Reads pieces and writes what becomes of them, until the result is complete.
    async fn flow(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        flow: &mut Flow<'_>,
        call: &Call,
        deadline: Instant,
    ) -> Result<()> {
        while !flow.writer.has_ended() {
            let read = {
                let read = timeout_at(deadline, flow.opened.piece());
                let mut read = std::pin::pin!(read);
                unless_gone(session.as_downstream_mut(), read.as_mut()).await?
            };
            let mut out = Vec::new();
            match read {
                Ok(Ok(Some(piece))) => {
                    metrics().upstream_response_bytes.inc_by(piece.len() as u64);
                    self.pieces(session, ctx, flow, &piece, deadline).await?;
                    continue;
                }
                Ok(Ok(None)) => flow.end(&mut out),
                Ok(Err(e)) => flow.cut(&broken(&e), &mut out),
                Err(_) => flow.cut(&late(call), &mut out),
            }
            self.write(session, ctx, out, deadline).await?;
        }
        session.write_response_body(None, true).await
    }

    /// Writes what becomes of one piece, in as many as it takes.
    async fn pieces(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        flow: &mut Flow<'_>,
        piece: &Bytes,
        deadline: Instant,
    ) -> Result<()> {
        let mut input = &piece[..];
        loop {
            let mut out = Vec::new();
            let more = flow.step(&mut input, &mut out);
            if !out.is_empty() {
                self.write(session, ctx, out, deadline).await?;
            }
            if !more || flow.writer.has_ended() {
                return Ok(());
            }
        }
    }

    async fn write(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        out: Vec<u8>,
        deadline: Instant,
    ) -> Result<()> {
        ctx.sent += out.len();
        // A client that takes too little holds the call no longer than it may last.
        let written = session.write_response_body(Some(out.into()), false);
        match timeout_at(deadline, written).await {
            Ok(written) => written,
            Err(_) => {
                Error::e_explain(pingora::ErrorType::WriteTimedout, "the call's time is over")
                    .map_err(Error::into_down)
            }
        }
    }
}

impl Flow<'_> {
    /// Turns some of a piece into some of the result; gives whether there is more.
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> bool {
        let Some(decoder) = &mut self.decoder else {
            self.writer.chunk(input, out);
            return false;
        };
        match decoder.step(input) {
            Ok(bytes) => {
                self.writer.chunk(&bytes, out);
                !bytes.is_empty()
            }
            Err(fault) => {
                self.cut(&fault, out);
                false
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match self.decoder.as_mut().map_or(Ok(Vec::new()), Decoder::end) {
            Ok(bytes) => {
                self.writer.chunk(&bytes, out);
                self.writer.end(out);
            }
            Err(fault) => self.cut(&fault, out),
        }
    }

    fn cut(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        let why = match fault.class {
            Class::UpstreamTimeout => "the call's time is over",
            _ => &fault.message,
        };
        self.writer.cut(fault.class, &format!("cut here: {why}"), out);
    }
}
