//! The Pingora shell: sockets, time and bodies around `exchange`. It decides
//! nothing about MCP, tools or results.

mod body;
mod connector;
mod edge;
mod live;
mod peers;
mod relay;
mod serve;
mod stream;

pub use live::{Live, Loaded};
pub use peers::load_peers;
pub use serve::{Ready, load, run, settle};

use crate::config::Limits;
use crate::exchange::{Call, Facts, LogLevels, Next, Record, Reply, Subscription};
use crate::fault::{Class, Fault};
use crate::observe::{Outcome, metrics};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::{Error, HttpPeer};
use pingora_core::ErrorSource;
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use ring::rand::{SecureRandom, SystemRandom};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One `ProxyHttp` for all listeners.
pub struct Gateway {
    live: Arc<Live>,
    upstream: connector::Upstream,
    limits: Limits,
    levels: LogLevels,
    calls: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
    next_id: AtomicU64,
    /// Set when the process is asked to end: answers then close connections.
    draining: Arc<AtomicBool>,
}

/// What is kept of one request.
#[derive(Default)]
pub struct Context {
    started: Option<Instant>,
    relay: Option<Box<relay::Relay>>,
    record: Option<(Record, Option<Arc<crate::snapshot::Server>>)>,
    request_id: u64,
    header_seen: Option<Box<edge::HeaderSeen>>,
    sent: usize,
}

/// The longest request target and header section, in bytes, and the most header
/// fields.
const TARGET_BYTES_MAX: usize = 8 << 10;
const HEADER_BYTES_MAX: usize = 64 << 10;
const HEADER_FIELDS_MAX: usize = 100;

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::default()
    }

    fn on_connection_reuse(
        &self,
        _: &mut Session,
        ctx: &mut Context,
        carried: Box<dyn Any + Send + Sync>,
    ) {
        if let Ok(seen) = carried.downcast::<edge::HeaderSeen>() {
            seen.mark();
            ctx.header_seen = Some(seen);
        }
    }

    fn persist_connection_context(
        &self,
        _: &Session,
        _: &Context,
    ) -> Option<Box<dyn Any + Send + Sync>> {
        Some(Box::new(edge::Reused))
    }

    /// Sets what Pingora leaves open: `read_request` resets it for every request.
    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        ctx.started = Some(Instant::now());
        ctx.request_id = self.request_id();
        let keep = match self.draining.load(Ordering::Relaxed) || !wants_keepalive(session) {
            true => None,
            false => Some(self.limits.idle_timeout.as_secs().max(1)),
        };
        session.set_keepalive(keep);
        session.set_read_timeout(Some(self.limits.body_timeout));
        session.set_write_timeout(Some(self.limits.write_timeout));
        session.set_total_drain_timeout(Some(Duration::from_secs(2)));
        session.set_ignore_info_resp(true);
        session.set_pipelining_enabled(true);
        match refused_header(session) {
            None => Ok(()),
            Some(status) => {
                session.set_keepalive(None);
                Error::e_explain(pingora::ErrorType::HTTPStatus(status), "the header is refused")
            }
        }
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        let loaded = self.live.load();
        match self.decide(session, &loaded, ctx).await? {
            Next::Reply(reply) => self.send(session, ctx, reply).await?,
            Next::Exchange(call) => self.exchange(session, ctx, &loaded, call).await?,
            Next::Stream(subscription) => {
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
        _: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        relay::transform(body, end_of_stream, ctx)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut e: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        let idempotent = ctx.relay.as_ref().is_some_and(|r| r.call.request.method.is_idempotent());
        if idempotent && session.response_written().is_none() {
            e.retry.decide_reuse(reused);
        } else {
            e.set_retry(false);
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
    fn suppress_error_log(&self, _: &Session, _: &Context, e: &Error) -> bool {
        *e.esource() == ErrorSource::Downstream
            || matches!(e.etype(), pingora::ErrorType::HTTPStatus(_))
    }

    fn allow_spawning_subrequest(&self, _: &Session, _: &Context) -> bool {
        false
    }
}

impl Gateway {
    pub fn new(
        live: Arc<Live>,
        limits: Limits,
        upstream: connector::Upstream,
        draining: Arc<AtomicBool>,
    ) -> Self {
        Gateway {
            live,
            upstream,
            limits,
            levels: LogLevels::default(),
            calls: Arc::default(),
            streams: Arc::default(),
            next_id: AtomicU64::new(u64::from_be_bytes(random()[..8].try_into().unwrap_or([0; 8]))),
            draining,
        }
    }

    fn call_permit(&self) -> Option<Permit> {
        Permit::take(&self.calls, self.limits.calls, &metrics().calls_in_flight)
    }

    /// Ids of one process follow each other; processes begin at random.
    fn request_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Reads what must be read and asks `exchange` what to do.
    async fn decide(
        &self,
        session: &mut Session,
        loaded: &Arc<Loaded>,
        ctx: &mut Context,
    ) -> Result<Next> {
        let server = match crate::exchange::admit(&loaded.snapshot, &self.facts(session, ctx)) {
            Ok(server) => server,
            Err(next) => {
                if session.req_header().method == http::Method::POST {
                    body::discard(session).await;
                }
                return Ok(next);
            }
        };
        if relay::possible(&server, session.req_header()) {
            session.enable_retry_buffering();
        }
        let limit = server.request_bytes_max;
        let body = match body::read(session, limit, self.limits.body_timeout).await? {
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
        let host = request.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        Facts {
            method: &request.method,
            path: request.uri.path(),
            authority: request.uri.authority().map(|a| a.as_str()).or(host),
            headers: &request.headers,
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            request_id: ctx.request_id,
            random,
            levels: &self.levels,
        }
    }

    /// Sends a whole answer: one header, one write.
    async fn send(&self, session: &mut Session, ctx: &mut Context, reply: Reply) -> Result<()> {
        let has_body = !reply.body.is_empty();
        let mut head = ResponseHeader::build(reply.status, Some(5))?;
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

    /// Opens an event stream.
    async fn open_events(&self, session: &mut Session) -> Result<()> {
        let mut head = ResponseHeader::build(200, Some(5))?;
        head.insert_header(header::CONTENT_TYPE, "text/event-stream")?;
        head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
        head.insert_header("x-accel-buffering", "no")?;
        if session.req_header().version == Version::HTTP_11 {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        session.write_response_header(Box::new(head), false).await
    }

    async fn exchange(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        loaded: &Arc<Loaded>,
        call: Box<Call>,
    ) -> Result<()> {
        let Some(_permit) = self.call_permit() else {
            let reply = overloaded(&call);
            return self.send(session, ctx, reply).await;
        };
        if call.notices.any() {
            return Box::pin(self.exchange_with_notices(session, ctx, loaded, &call)).await;
        }
        let peers = &loaded.peers[call.tool.upstream];
        let deadline = tokio::time::Instant::now() + call.tool.timeout;
        let asked = {
            let mut asked = std::pin::pin!(self.upstream.ask(peers, &call, deadline));
            connector::unless_gone(session.as_downstream_mut(), asked.as_mut()).await
        };
        let rendered = match asked {
            Ok(Ok(answer)) => call.answer(&answer.head(), &answer.body),
            Ok(Err(fault)) => told(&call, &fault),
            Err(e) => {
                self.record_call(ctx, &call, Outcome::Cancelled);
                return Err(e);
            }
        };
        self.record_call(ctx, &call, rendered.outcome);
        self.send_rendered(session, ctx, rendered.body).await
    }

    /// The same, telling the client how far it is.
    async fn exchange_with_notices(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        loaded: &Arc<Loaded>,
        call: &Call,
    ) -> Result<()> {
        use crate::exchange::Phase;
        let peers = &loaded.peers[call.tool.upstream];
        let deadline = tokio::time::Instant::now() + call.tool.timeout;
        self.open_events(session).await?;
        session.write_response_body(Some(call.notice(Phase::Sent).into()), false).await?;
        let opened = {
            let mut opened = std::pin::pin!(self.upstream.open(peers, call, deadline));
            connector::unless_gone(session.as_downstream_mut(), opened.as_mut()).await
        };
        let opened = opened.inspect_err(|_| self.record_call(ctx, call, Outcome::Cancelled))?;
        let rendered = match opened {
            Err(fault) => told(call, &fault),
            Ok(opened) => {
                session
                    .write_response_body(Some(call.notice(Phase::Headers).into()), false)
                    .await?;
                let read = {
                    let mut read = std::pin::pin!(self.upstream.read(opened, call, deadline));
                    connector::unless_gone(session.as_downstream_mut(), read.as_mut()).await
                };
                match read.inspect_err(|_| self.record_call(ctx, call, Outcome::Cancelled))? {
                    Ok(answer) => call.answer(&answer.head(), &answer.body),
                    Err(fault) => told(call, &fault),
                }
            }
        };
        self.record_call(ctx, call, rendered.outcome);
        let mut last = call.notice(Phase::Body);
        crate::exchange::event_into(&rendered.body, &mut last);
        ctx.sent = last.len();
        session.write_response_body(Some(last.into()), true).await
    }

    async fn send_rendered(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        body: Vec<u8>,
    ) -> Result<()> {
        let mut head = ResponseHeader::build(200, Some(4))?;
        head.insert_header(header::CONTENT_TYPE, JSON)?;
        head.insert_header(header::CONTENT_LENGTH, body.len())?;
        head.insert_header(header::CACHE_CONTROL, NO_STORE)?;
        ctx.sent = body.len();
        session.write_response_header(Box::new(head), false).await?;
        session.write_response_body(Some(body.into()), true).await
    }

    fn record_call(&self, ctx: &mut Context, call: &Call, outcome: Outcome) {
        call.tool.figures.count(outcome);
        if let Some(started) = ctx.started {
            metrics().call_seconds.observe(started.elapsed().as_secs_f64());
        }
        let record = Record { outcome, ..Record::new("tools/call", call.era.is_modern()) };
        ctx.record = Some((record, Some(call.server.clone())));
    }

    /// The answer to a request that Pingora gave up on.
    async fn fail(&self, session: &mut Session, e: &Error, ctx: &mut Context) -> FailToProxy {
        let code = match e.etype() {
            pingora::ErrorType::HTTPStatus(status) => *status,
            _ if *e.esource() == ErrorSource::Downstream => 0,
            _ => 502,
        };
        let reuse = match (&mut ctx.relay, code) {
            (Some(_), 502) => relay::fail(self, session, e, ctx).await.is_ok(),
            (_, 0) => false,
            _ if session.response_written().is_some() => false,
            _ => {
                session.set_keepalive(None);
                let _ = session.respond_error(code).await;
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
        let seconds = ctx.started.map_or(0.0, |s| s.elapsed().as_secs_f64());
        tracing::debug!(
            target: "drawbridge::access",
            request_id = format_args!("{:016x}", ctx.request_id),
            server = server.as_ref().map_or("-", |s| &*s.name),
            method = record.method,
            outcome = record.outcome.name(),
            status = session.response_written().map_or(0, |r| r.status.as_u16()),
            seconds,
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
        let Some(_permit) =
            Permit::take(&self.streams, self.limits.streams, &metrics().streams_open)
        else {
            let fault = Fault::new(Class::Overloaded, "too many open streams; try again later");
            let method = if subscription.is_modern() { "subscriptions/listen" } else { "GET" };
            let record = Record::new(method, subscription.is_modern());
            let mut reply =
                crate::exchange::fault_reply(None, subscription.is_modern(), fault, record);
            reply.server = Some(subscription.server.clone());
            return self.send(session, ctx, reply).await;
        };
        stream::run(self, session, ctx, *subscription).await
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A fault of a call as its result; the log keeps the details.
fn told(call: &Call, fault: &Fault) -> crate::exchange::Rendered {
    tracing::warn!(
        request_id = %call.request_name(),
        tool = &*call.tool.name,
        class = fault.class.name(),
        "{}",
        fault.detail.as_deref().unwrap_or_default()
    );
    call.fail(fault)
}

fn overloaded(call: &Call) -> Reply {
    let fault = Fault::new(Class::Overloaded, "too many calls in flight; try again in a second");
    let modern = call.era.is_modern();
    call.tool.figures.count(Outcome::Fault(Class::Overloaded));
    let mut reply = crate::exchange::fault_reply(
        Some(&call.id),
        modern,
        fault,
        Record::new("tools/call", modern),
    );
    reply.server = Some(call.server.clone());
    reply
}

/// One of a bounded number, given back when dropped.
struct Permit {
    count: Arc<AtomicUsize>,
    gauge: &'static prometheus::IntGauge,
}

impl Permit {
    fn take(
        count: &Arc<AtomicUsize>,
        max: usize,
        gauge: &'static prometheus::IntGauge,
    ) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= max {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        gauge.inc();
        Some(Permit { count: count.clone(), gauge })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.gauge.dec();
    }
}

/// Bytes from the system's generator; it does not fail after start.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random bytes");
    }
    bytes
}

/// `Connection: close`, and HTTP/1.0 without `keep-alive`.
fn wants_keepalive(session: &Session) -> bool {
    let request = session.req_header();
    let says = |word: &str| {
        request
            .headers
            .get(header::CONNECTION)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(word)))
    };
    match request.version {
        Version::HTTP_10 | Version::HTTP_09 => says("keep-alive"),
        _ => !says("close"),
    }
}

/// A status for headers no honest client sends.
fn refused_header(session: &Session) -> Option<u16> {
    let request = session.req_header();
    if request.uri.path_and_query().is_some_and(|p| p.as_str().len() > TARGET_BYTES_MAX) {
        return Some(414);
    }
    let bytes: usize = request.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 4).sum();
    if bytes > HEADER_BYTES_MAX || request.headers.len() > HEADER_FIELDS_MAX {
        return Some(431);
    }
    if request.headers.contains_key(header::UPGRADE) && request.version != Version::HTTP_2 {
        return Some(400);
    }
    // Both framings at once: the front of a smuggled request (RFC 9112 §6.1).
    let chunked = request.headers.get_all(header::TRANSFER_ENCODING).iter().collect::<Vec<_>>();
    if chunked.is_empty() {
        return None;
    }
    let raw = session.as_downstream().to_h1_raw();
    let has_length = raw
        .split(|b| *b == b'\n')
        .any(|line| line.get(..15).is_some_and(|l| l.eq_ignore_ascii_case(b"content-length:")));
    let plain = chunked.len() == 1 && chunked[0].as_bytes().eq_ignore_ascii_case(b"chunked");
    (has_length || !plain).then_some(400)
}
