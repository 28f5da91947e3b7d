//! What stands before the proxy: the number of connections, and deadlines that
//! Pingora does not have (its own are for each read, so a byte now and then
//! keeps a connection for ever).

use super::cork::Cork;
use super::opening::{self, Opened};
use super::{Gateway, Shared};
use crate::observe::metrics;
use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream, ServerApp};
use pingora_core::listeners::ConnectionFilter;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Serves connections; gives each request's header a deadline as a whole.
pub struct Edge {
    pub proxy: Arc<HttpProxy<Gateway>>,
    pub shared: Arc<Shared>,
    /// Handshakes are made here, where they are counted and have their time.
    pub tls: Option<Acceptor>,
    /// HTTP/2 without TLS.
    pub h2c: bool,
}

/// Closes connections over the limit as they are accepted: later, those that wait
/// for their turn could use the descriptors up.
pub struct Door(pub Arc<Shared>);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

#[async_trait]
impl ConnectionFilter for Door {
    async fn should_accept(&self, _: Option<&SocketAddr>) -> bool {
        let max = self.0.live.load().limits.connections.min(self.0.connections_max);
        let accepted = self.0.connections.fetch_add(1, Ordering::Relaxed) < max;
        if !accepted {
            self.0.connections.fetch_sub(1, Ordering::Relaxed);
            metrics().connections_refused.inc();
        }
        accepted
    }
}

struct Open<'e>(&'e AtomicUsize);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        metrics().connections_open.dec();
    }
}

#[async_trait]
impl ServerApp for Edge {
    async fn process_new(self: &Arc<Self>, stream: Stream, stop: &ShutdownWatch) -> Option<Stream> {
        // `Door` has counted it.
        metrics().connections_open.inc();
        let _open = Open(&self.shared.connections);
        let due = Instant::now() + self.shared.live.load().limits.header_timeout;
        match opening::open(stream, self.tls.as_ref(), self.h2c, due).await? {
            Opened::Http1(stream) => self.http1(stream, stop, due).await,
            Opened::Http2(stream, seen) => {
                let serving = self.proxy.process_new(stream, stop);
                opening::unless_silent(serving, &seen, due).await
            }
        }
    }

    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Edge {
    /// Serves the requests of a connection, one after the other. The first header
    /// is due with all that came before it.
    async fn http1(
        &self,
        stream: Stream,
        stop: &ShutdownWatch,
        first_due: Instant,
    ) -> Option<Stream> {
        let mut connection = Connection::new(Cork::new(stream), first_due);
        let mut session = ServerSession::new_http1(Box::new(connection.cork.clone()));
        for nth in 1.. {
            let (idle_timeout, write_timeout) = {
                let loaded = self.shared.live.load();
                (loaded.limits.idle_timeout, loaded.limits.write_timeout)
            };
            let header_due = match nth {
                1 => first_due,
                _ => Instant::now() + idle_timeout,
            };
            let turn = Turn { nth, header_due, write_timeout };
            let progress = connection.progress.clone();
            connection.begin_turn();
            let cork = connection.cork.clone();
            session.set_connection_user_context(Some(Box::new(Nth { nth, progress, cork })));
            let mut request = self.proxy.process_new_http(session, stop);
            let done = std::future::poll_fn(|cx| connection.poll(request.as_mut(), &turn, cx));
            let done = done.await;
            drop(request);
            let Some((stream, settings)) = done.map(ReusedHttpStream::consume) else {
                // What is held is lost with the connection. A client that takes
                // nothing until then, or is gone, loses nothing more by it.
                let _ = tokio::time::timeout(write_timeout, connection.cork.drain()).await;
                return None;
            };
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
        None
    }
}

/// One request of a connection.
struct Turn {
    nth: u32,
    header_due: Instant,
    write_timeout: Duration,
}

/// What the requests of a connection share.
struct Connection {
    cork: Cork,
    progress: Arc<Progress>,
    alarm: Alarm,
    /// Whether the request being served was interrupted.
    interrupted: bool,
    /// When a client that closed its side is looked for.
    probe_due: Option<Instant>,
}

/// Between looks for a client that closed its side: one that is gone is let go
/// after two of them, since its system answers the first.
const PROBE_EVERY: Duration = Duration::from_millis(300);

/// How long an interruption may wait for somebody to read. Pingora does not read
/// while it writes to either side, and never again once a client has sent a byte
/// too many.
const UNHEARD_MAX: Duration = Duration::from_secs(1);

impl Connection {
    fn new(cork: Cork, first_due: Instant) -> Self {
        let alarm = Alarm(Box::pin(sleep_until(first_due)));
        let progress = Arc::new(Progress::new());
        Connection { cork, progress, alarm, interrupted: false, probe_due: None }
    }

    /// Forgets what was meant for the request before.
    fn begin_turn(&mut self) {
        self.cork.interrupt(false);
        self.cork.tell_end();
        (self.interrupted, self.probe_due) = (false, None);
    }

    /// Polls a request. Where it waits, what it wrote is released, and it is told
    /// or given up when its time is over. `None` closes the connection.
    fn poll(
        &mut self,
        mut request: Pin<&mut (dyn Future<Output = Option<ReusedHttpStream>> + Send)>,
        turn: &Turn,
        cx: &mut Context<'_>,
    ) -> Poll<Option<ReusedHttpStream>> {
        loop {
            if let Poll::Ready(done) = request.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            let Ok(blocked) = self.cork.release(cx) else { return last_words(request, cx) };
            let begun = self.progress.header_is_complete(turn.nth);
            let due = if begun { self.progress.deadline() } else { Some(turn.header_due) };
            let stuck = blocked.map(|since| since + turn.write_timeout);
            let probe = self.probe_due();
            let Some(due) = due.into_iter().chain(stuck).chain(probe).min() else {
                return Poll::Pending;
            };
            ready!(self.alarm.poll(due, cx));
            if probe == Some(due) {
                self.probe_due = Some(Instant::now() + PROBE_EVERY);
                if self.cork.probe(cx).is_err() {
                    self.cork.fail();
                    return last_words(request, cx);
                }
                continue;
            }
            if stuck == Some(due) {
                tracing::debug!("a client takes nothing; its connection is closed");
                self.cork.fail();
                return last_words(request, cx);
            }
            if !begun {
                return Poll::Ready(None);
            }
            if self.progress.ring() && self.interrupt(blocked.is_some()).is_err() {
                tracing::debug!("nobody hears that a call's time is over; its client is let go");
                return Poll::Ready(None);
            }
        }
    }

    fn probe_due(&mut self) -> Option<Instant> {
        if !self.cork.is_half_closed() {
            return None;
        }
        Some(*self.probe_due.get_or_insert_with(|| Instant::now() + PROBE_EVERY))
    }

    /// Tells the proxy path that the time of its call is over. An error where it was
    /// told before, and neither heard it nor waits for its client.
    fn interrupt(&mut self, writing: bool) -> Result<(), ()> {
        let unheard = self.interrupted && self.cork.is_interrupted();
        if unheard && !writing {
            return Err(());
        }
        if unheard || !self.interrupted {
            self.interrupted = true;
            self.cork.interrupt(true);
            self.progress.ring_again(UNHEARD_MAX);
        }
        Ok(())
    }
}

/// Polls a request whose connection has failed: who reads or writes next is told,
/// if there is one.
fn last_words<T>(
    request: Pin<&mut (dyn Future<Output = Option<T>> + Send)>,
    cx: &mut Context<'_>,
) -> Poll<Option<T>> {
    match request.poll(cx) {
        Poll::Pending => Poll::Ready(None),
        done => done,
    }
}

/// What is known of the requests of a connection, by them and by [`Edge`].
pub struct Progress {
    began: Instant,
    /// How many have a complete header.
    headers: AtomicU32,
    /// Until when the one being served waits: milliseconds from `began`, or zero.
    due: AtomicU64,
    /// Whether that time is over.
    late: AtomicBool,
    /// Whether whoever reads from the client is to be told of it.
    interrupts: AtomicBool,
}

impl Progress {
    fn new() -> Self {
        Progress {
            began: Instant::now(),
            headers: AtomicU32::new(0),
            due: AtomicU64::new(0),
            late: AtomicBool::new(false),
            interrupts: AtomicBool::new(false),
        }
    }

    fn header_is_complete(&self, nth: u32) -> bool {
        self.headers.load(Ordering::Relaxed) >= nth
    }

    fn deadline(&self) -> Option<Instant> {
        let due = self.due.load(Ordering::Relaxed);
        (due > 0).then(|| self.began + Duration::from_millis(due))
    }

    /// Tells the one being served that its time is over; gives whether by a read
    /// that fails.
    fn ring(&self) -> bool {
        self.due.store(0, Ordering::Relaxed);
        self.late.store(true, Ordering::Relaxed);
        self.interrupts.load(Ordering::Relaxed)
    }

    fn ring_again(&self, time: Duration) {
        let due = (self.began.elapsed() + time).as_millis();
        self.due.store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn begin(&self, time: Duration, interrupts: bool) {
        self.late.store(false, Ordering::Relaxed);
        self.interrupts.store(interrupts, Ordering::Relaxed);
        self.ring_again(time);
    }

    /// Does `work` by a deadline, with the one timer of the connection; `None`
    /// when the time is over. One at a time.
    pub async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.begin(time, false);
        // Also where the work is given up.
        let _until = Until(self);
        let mut work = std::pin::pin!(work);
        let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.late.load(Ordering::Relaxed) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        done.await
    }
}

/// The time of some work, until this is dropped.
pub struct Until<P: Deref<Target = Progress> = Arc<Progress>>(P);

impl Until {
    /// That of work which is not ours to poll: when it is over, the next read from
    /// the client fails, which the proxy path mostly waits for.
    pub fn new(progress: Arc<Progress>, time: Duration) -> Self {
        progress.begin(time, true);
        Until(progress)
    }

    pub fn is_over(&self) -> bool {
        self.0.late.load(Ordering::Relaxed)
    }
}

impl<P: Deref<Target = Progress>> Drop for Until<P> {
    fn drop(&mut self) {
        self.0.due.store(0, Ordering::Relaxed);
    }
}

/// Travels with a request: what its connection is.
pub struct Nth {
    /// Which request of the connection it is, from one.
    nth: u32,
    progress: Arc<Progress>,
    cork: Cork,
}

impl Nth {
    /// Tells that the header is complete.
    pub fn mark(self) -> (u32, Arc<Progress>, Cork) {
        self.progress.headers.store(self.nth, Ordering::Relaxed);
        (self.nth, self.progress, self.cork)
    }
}

/// One timer for deadlines that mostly are not reached: it is set anew where it
/// rang too early, or where it would ring too late.
struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if due < self.0.deadline() {
            self.0.as_mut().reset(due);
        }
        loop {
            ready!(self.0.as_mut().poll(cx));
            if self.0.deadline() >= due {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(due);
        }
    }
}
