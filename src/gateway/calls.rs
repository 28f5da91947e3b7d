//! Calls whose answer is read whole, with and without notices on the way.

use super::cork::Cork;
use super::{Context, Gateway, Loaded, connector};
use crate::exchange::{Call, Phase, Record, Rendered, Reply, event_into, fault_reply};
use crate::fault::{Class, Fault};
use crate::observe::{Outcome, metrics};
use bytes::Bytes;
use pingora::Result;
use pingora_proxy::Session;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Gateway {
    pub(super) async fn exchange(
        &self,
        session: &mut Session,
        ctx: &mut Context,
        loaded: &Arc<Loaded>,
        call: Box<Call>,
    ) -> Result<()> {
        let Some(_permit) = self.call_permit(&loaded.limits) else {
            let reply = overloaded(&call);
            return self.send(session, ctx, reply).await;
        };
        if call.notices.any() {
            return Box::pin(self.exchange_with_notices(session, ctx, loaded, &call)).await;
        }
        super::relay::keep_end(session, ctx);
        let peers = &loaded.peers[call.tool.upstream];
        let started = Instant::now();
        let asked = {
            let mut asked =
                std::pin::pin!(self.upstream.ask(peers, &call, ctx.progress.as_deref()));
            connector::unless_gone(session.as_downstream_mut(), asked.as_mut()).await
        };
        if asked.is_ok() {
            metrics().upstream_seconds.observe(started.elapsed().as_secs_f64());
        }
        let rendered = match asked {
            Ok(Ok(rendered)) => rendered,
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
        let told = self.tell(session, ctx.cork.as_ref(), loaded, call).await;
        // Whatever went wrong on the way was the client's going.
        let outcome = told.as_ref().map_or(Outcome::Cancelled, |(_, outcome)| *outcome);
        self.record_call(ctx, call, outcome);
        let (last, _) = told?;
        ctx.sent = last.len();
        session.write_response_body(Some(last.into()), true).await
    }

    /// Makes the call and sends the notices; gives the last events.
    async fn tell(
        &self,
        session: &mut Session,
        cork: Option<&Cork>,
        loaded: &Arc<Loaded>,
        call: &Call,
    ) -> Result<(Vec<u8>, Outcome)> {
        if let Some(cork) = cork {
            cork.keep_end_throughout();
        }
        let peers = &loaded.peers[call.tool.upstream];
        let deadline = tokio::time::Instant::now() + call.tool.timeout;
        self.open_events(session).await?;
        session.write_response_body(Some(call.notice(Phase::Sent).into()), false).await?;
        let opened = {
            let mut opened = std::pin::pin!(self.upstream.open(peers, call, deadline));
            unless_deaf(session, cork, opened.as_mut()).await?
        };
        let rendered = match opened {
            Err(fault) => told(call, &fault),
            Ok(opened) => {
                session
                    .write_response_body(Some(call.notice(Phase::Headers).into()), false)
                    .await?;
                let mut read = std::pin::pin!(self.upstream.read(opened, call, deadline));
                match unless_deaf(session, cork, read.as_mut()).await? {
                    Ok(rendered) => rendered,
                    Err(fault) => told(call, &fault),
                }
            }
        };
        let mut last = call.notice(Phase::Body);
        event_into(&rendered.body, &mut last);
        Ok((last, rendered.outcome))
    }

    pub(super) fn record_call(&self, ctx: &mut Context, call: &Call, outcome: Outcome) {
        call.tool.figures.count(outcome);
        if let Some(started) = ctx.started {
            metrics().call_seconds.observe(started.elapsed().as_secs_f64());
        }
        let record = Record { outcome, ..Record::new("tools/call", call.era.is_modern()) };
        ctx.record = Some((record, Some(call.server.clone())));
    }
}

/// Between comments to a client that closed its side: they tell whether it is there.
const COMMENT_EVERY: Duration = Duration::from_millis(300);

/// Runs `work` while events are sent, unless the client goes away first. One that
/// closed its side may wait for the last of them.
async fn unless_deaf<T>(
    session: &mut Session,
    cork: Option<&Cork>,
    mut work: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> Result<T> {
    loop {
        let half_closed = cork.is_some_and(Cork::is_half_closed);
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            idle = session.as_downstream_mut().read_body_or_idle(true) => return match idle {
                Err(e) => Err(e.into_down()),
                Ok(_) => Ok(work.await),
            },
            () = tokio::time::sleep(COMMENT_EVERY) => {}
        }
        if half_closed {
            session.write_response_body(Some(Bytes::from_static(b": alive\n\n")), false).await?;
        }
    }
}

/// A fault of a call as its result; the log keeps the details.
pub(super) fn told(call: &Call, fault: &Fault) -> Rendered {
    tracing::warn!(
        request_id = %call.request_name(),
        tool = &*call.tool.name,
        class = fault.class.name(),
        "{}",
        fault.detail.as_deref().unwrap_or(&fault.message)
    );
    call.fail(fault)
}

pub(super) fn overloaded(call: &Call) -> Reply {
    let fault = Fault::new(Class::Overloaded, "too many calls in flight; try again in a second");
    let modern = call.era.is_modern();
    call.tool.figures.count(Outcome::Fault(Class::Overloaded));
    let mut reply = fault_reply(Some(&call.id), modern, fault, Record::new("tools/call", modern));
    reply.server = Some(call.server.clone());
    reply
}
