//! Event streams made by the gateway: they stay open, tell of a changed list,
//! and say that they are alive.

use super::{Context, Gateway};
use crate::exchange::{Record, Subscription};
use pingora::Result;
use pingora_proxy::Session;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between comment lines that keep proxies from closing a quiet stream.
const ALIVE_EVERY: Duration = Duration::from_secs(20);

/// How often a stream looks whether the process is ending.
const DRAIN_CHECK: Duration = Duration::from_millis(500);

/// The oldest a stream gets; clients open another.
const AGE_MAX: Duration = Duration::from_secs(3600);

pub async fn run(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
    mut subscription: Subscription,
) -> Result<()> {
    let modern = subscription.is_modern();
    let record = Record::new(if modern { "subscriptions/listen" } else { "GET" }, modern);
    ctx.record = Some((record, Some(subscription.server.clone())));
    let mut changes = gateway.shared.live.changes();
    gateway.open_events(session).await?;
    send(session, ctx, subscription.opening()).await?;
    let mut tick = interval(DRAIN_CHECK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let opened = Instant::now();
    let mut last_written = opened;
    loop {
        tokio::select! {
            gone = session.as_downstream_mut().read_body_or_idle(true) => {
                // Nothing more may come on this request: whatever this is, the
                // client is done with the stream.
                gone.map_err(pingora::prelude::Error::into_down)?;
                return Ok(());
            }
            _ = changes.changed() => {
                let loaded = gateway.shared.live.load();
                let Some(server) = loaded.snapshot.server(&subscription.server.path) else { break };
                if let Some(event) = subscription.changed(server) {
                    send(session, ctx, event).await?;
                    last_written = Instant::now();
                }
            }
            _ = tick.tick() => {
                let ending = gateway.shared.draining.load(Ordering::Relaxed)
                    || session.is_process_shutting_down();
                if ending || opened.elapsed() > AGE_MAX {
                    break;
                }
                if last_written.elapsed() >= ALIVE_EVERY {
                    send(session, ctx, b": alive\n\n".to_vec()).await?;
                    last_written = Instant::now();
                }
            }
        }
    }
    let closing = subscription.closing();
    ctx.sent += closing.len();
    session.set_keepalive(None);
    session.write_response_body(Some(closing.into()), true).await
}

async fn send(session: &mut Session, ctx: &mut Context, event: Vec<u8>) -> Result<()> {
    ctx.sent += event.len();
    session.write_response_body(Some(event.into()), false).await
}
