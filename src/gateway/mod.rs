//! The Pingora shell: sockets, time and bodies around `exchange`. It decides
//! nothing about MCP, tools or results.

mod body;
mod calls;
mod client;
mod connector;
mod cork;
mod demo_api;
mod descriptors;
mod edge;
mod failure;
mod framing;
mod header;
mod idle;
mod live;
mod memory;
mod opening;
mod peers;
mod permit;
mod plain;
mod ports;
mod pump;
mod relay;
mod reloading;
mod reply;
mod serve;
mod shared;
mod stream;
mod unread;
mod unwritten;

pub use live::{Live, Loaded};
pub use peers::load_peers;
pub use ports::Ports;
pub use reloading::fixed;
pub use serve::{Ready, check_tls, load, run};
use shared::{Shared, random, unix_now};

use crate::exchange::{Admitted, Facts, Next, Record, Subscription};
use crate::fault::{Class, Fault};
use crate::observe::metrics;
use crate::tool::request::is_idempotent;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::HOST;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{Error, HttpPeer};
use pingora_core::ErrorSource;
use pingora_core::modules::http::HttpModules;
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The `ProxyHttp` of a listener.
pub struct Gateway {
    upstream: connector::Upstream,
    shared: Arc<Shared>,
}

/// What is kept of one request.
#[derive(Default)]
pub struct Context {
    started: Option<Instant>,
    loaded: Option<Arc<Loaded>>,
    relay: Option<Box<relay::Relay>>,
    record: Option<(Record, Option<Arc<crate::snapshot::Server>>)>,
    request_id: u64,
    /// Which request of its connection this is, from one.
    nth: u32,
    /// Of its connection, where that is HTTP/1.
    progress: Option<Arc<edge::Progress>>,
    cork: Option<cork::Cork>,
    /// The room that the body takes.
    body_room: Option<body::Room>,
    sent: usize,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    /// None: answers are not compressed.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    fn on_connection_reuse(
        &self,
        _: &mut Session,
        ctx: &mut Context,
        carried: Box<dyn Any + Send + Sync>,
    ) {
        if let Ok(nth) = carried.downcast::<edge::Nth>() {
            let (nth, progress, cork) = nth.mark();
            (ctx.nth, ctx.progress, ctx.cork) = (nth, Some(progress), Some(cork));
        }
    }

    /// Sets what Pingora leaves open: `read_request` resets it for every request.
    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        ctx.started = Some(Instant::now());
        ctx.request_id = self.request_id();
        let loaded = self.shared.live.load();
        let limits = &loaded.limits;
        let draining = self.shared.draining.load(Ordering::Relaxed);
        let last = ctx.nth >= limits.requests_per_connection;
        let keep = match draining || last || !header::keeps_alive(session) {
            true => None,
            // Without a time: `Edge` has the deadline.
            false => Some(0),
        };
        session.set_keepalive(keep);
        // `Edge` and `body::read` have the deadlines. This one is of a whole body.
        session.set_read_timeout(None);
        session.set_write_timeout(Some(limits.write_timeout));
        ctx.loaded = Some(loaded);
        session.set_total_drain_timeout(Some(Duration::from_secs(2)));
        session.set_ignore_info_resp(true);
        session.set_pipelining_enabled(true);
        let is_bad = ctx.cork.as_ref().is_some_and(|cork| cork.is_bad(ctx.nth));
        match header::refused(session, is_bad) {
            None => Ok(()),
            Some(status) => {
                session.set_keepalive(None);
                Error::e_explain(pingora::ErrorType::HTTPStatus(status), "the header is refused")
            }
        }
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        let loaded = ctx.loaded.take().unwrap_or_else(|| self.shared.live.load());
        match self.decide(session, &loaded, ctx).await? {
            Next::Reply(reply) => self.send(session, ctx, reply).await?,
            Next::Exchange(call) => self.exchange(session, ctx, &loaded, call).await?,
            Next::Stream(subscription) => {
                // It may be open for long, and not hold what a reload replaces.
                drop(loaded);
                Box::pin(self.stream(session, ctx, subscription)).await?;
            }
            Next::Relay(call) => return self.relay(session, ctx, loaded, call).await,
        }
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        relay::of(ctx)?.peer()
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        relay::of(ctx)?.write_request(request)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        // Runs again on a retry: the body is cloned, not taken.
        *body = relay::of(ctx)?.call.request.body.clone();
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        relay::open(session, response, ctx).await
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        relay::transform(session, body, end_of_stream, ctx)
    }

    /// Nothing was sent: the next address may be tried.
    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        ctx: &mut Context,
        mut e: Box<Error>,
    ) -> Box<Error> {
        e.set_retry(!ctx.relay.as_ref().is_some_and(|relay| relay.is_late()));
        e
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut e: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        let relay = ctx.relay.as_mut().filter(|r| is_idempotent(&r.call.request.method));
        match relay.filter(|_| session.response_written().is_none()) {
            Some(relay) => {
                e.retry.decide_reuse(reused);
                relay.stale |= e.retry();
            }
            None => e.set_retry(false),
        }
        e
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        e: &Error,
        ctx: &mut Context,
    ) -> FailToProxy {
        self.fail(session, e, ctx).await
    }

    async fn logging(&self, session: &mut Session, e: Option<&Error>, ctx: &mut Context) {
        self.finish(session, e, ctx);
    }

    /// What clients do to their connections is no error of ours.
    fn suppress_error_log(&self, _: &Session, ctx: &Context, e: &Error) -> bool {
        // Those of relayed calls are told with the call.
        ctx.relay.is_some()
            || *e.esource() == ErrorSource::Downstream
            || matches!(e.etype(), pingora::ErrorType::HTTPStatus(_))
    }

    fn allow_spawning_subrequest(&self, _: &Session, _: &Context) -> bool {
        false
    }
}

impl Gateway {
    pub fn new(shared: Arc<Shared>, upstream: connector::Upstream) -> Self {
        Gateway { upstream, shared }
    }

    /// Ids of one process follow each other; processes begin at random.
    fn request_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Reads what must be read and asks `exchange` what to do.
    async fn decide(
        &self,
        session: &mut Session,
        loaded: &Arc<Loaded>,
        ctx: &mut Context,
    ) -> Result<Next> {
        let server = match crate::exchange::admit(&loaded.snapshot, &self.facts(session, ctx)) {
            Admitted::Message(server) => server,
            Admitted::Done(next) => {
                if !session.is_body_empty() {
                    body::discard(session).await;
                }
                return Ok(next);
            }
        };
        if relay::possible(&server, session.req_header()) {
            session.enable_retry_buffering();
        }
        let limit = server.request_bytes_max;
        let (time, progress) = (loaded.limits.body_timeout, ctx.progress.as_deref());
        let room = body::Room::new(self.shared.body_bytes.clone(), loaded.limits.request_memory);
        let room = ctx.body_room.insert(room);
        let body = match body::read(session, limit, time, progress, room).await? {
            Ok(body) => body,
            Err(fault) => {
                session.set_keepalive(None);
                let mut reply =
                    crate::exchange::fault_reply(None, false, fault, Record::new("none", false));
                reply.server = Some(server);
                return Ok(Next::Reply(reply));
            }
        };
        metrics().request_bytes.inc_by(body.len() as u64);
        Ok(crate::exchange::prepare(&server, &self.facts(session, ctx), &body))
    }

    fn facts<'a>(&'a self, session: &'a Session, ctx: &Context) -> Facts<'a> {
        let request = session.req_header();
        let host = request.headers.get(HOST).and_then(|h| h.to_str().ok());
        Facts {
            method: &request.method,
            path: request.uri.path(),
            authority: request.uri.authority().map(|a| a.as_str()).or(host),
            headers: &request.headers,
            now: unix_now,
            request_id: ctx.request_id,
            random,
            levels: &self.shared.levels,
        }
    }

    /// The answer to a request that Pingora gave up on.
    async fn fail(&self, session: &mut Session, e: &Error, ctx: &mut Context) -> FailToProxy {
        let code = match e.etype() {
            pingora::ErrorType::HTTPStatus(status) => *status,
            _ if *e.esource() == ErrorSource::Downstream => 0,
            _ => 502,
        };
        if e.etype() == &relay::PUMPED {
            let sent = relay::again(self, session, ctx).await;
            return FailToProxy { error_code: 200, can_reuse_downstream: sent.is_ok() };
        }
        let reuse = match (&mut ctx.relay, code) {
            (Some(relay), _) if relay.is_late() => relay::fail(self, session, e, ctx).await.is_ok(),
            (Some(_), 502) => relay::fail(self, session, e, ctx).await.is_ok(),
            (Some(_), _) if e.etype() == &relay::ENDED => {
                relay::fail(self, session, e, ctx).await.is_ok()
            }
            (_, 0) => false,
            _ if session.response_written().is_some() => false,
            _ => {
                // The client may be gone; there is nobody else to tell.
                let _ = self.refuse(session, code).await;
                false
            }
        };
        FailToProxy { error_code: code, can_reuse_downstream: reuse }
    }

    /// Counts a request and tells the log of it.
    fn finish(&self, session: &mut Session, e: Option<&Error>, ctx: &mut Context) {
        relay::finish(ctx);
        metrics().response_bytes.inc_by(ctx.sent as u64);
        let Some((record, server)) = ctx.record.take() else {
            if let Some(e) = e {
                tracing::debug!(error = %e.etype().as_str(), "connection ended");
            }
            return;
        };
        if let Some(server) = &server {
            server.figures.count(record.method, record.modern, record.outcome);
        }
        tracing::debug!(
            target: "drawbridge::access",
            request_id = format_args!("{:016x}", ctx.request_id),
            server = server.as_ref().map_or("-", |s| &*s.name),
            method = record.method,
            outcome = record.outcome.name(),
            status = session.response_written().map_or(0, |r| r.status.as_u16()),
            seconds = ctx.started.map_or(0.0, |s| s.elapsed().as_secs_f64()),
            "request"
        );
        if let Some(detail) = record.detail {
            tracing::warn!(
                request_id = format_args!("{:016x}", ctx.request_id),
                outcome = record.outcome.name(),
                "{detail}"
            );
        }
    }

    async fn stream(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        subscription: Box<Subscription>,
    ) -> Result<()> {
        let streams_max = self.shared.live.load().limits.streams;
        let Some(_permit) =
            permit::Permit::take(&self.shared.streams, streams_max, &metrics().streams_open)
        else {
            let fault = Fault::new(Class::Overloaded, "too many open streams; try again later");
            let method = if subscription.is_modern() { "subscriptions/listen" } else { "GET" };
            let record = Record::new(method, subscription.is_modern());
            let mut reply = crate::exchange::fault_reply(
                subscription.id(),
                subscription.is_modern(),
                fault,
                record,
            );
            reply.server = Some(subscription.server.clone());
            return self.send(session, ctx, reply).await;
        };
        stream::run(self, session, ctx, *subscription).await
    }
}
