//! A client's connection whose writes wait until something must be waited for.
//!
//! Pingora flushes the header of a chunked answer, each of its chunks and its
//! end: a system call each, and a wake of the client for each. Here a flush is
//! only noted. [`Edge`](super::edge::Edge), which polls the requests of a
//! connection of HTTP/1, releases what is held whenever one of them waits, and
//! when the last has ended. What is held meanwhile is bounded, and leaves together
//! with what is too large to be held.

use super::framing::Framing;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::SslDigest;
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Bytes that are held back.
const HELD_MAX: usize = 16 << 10;

/// More than this is not copied to be held, but leaves at once with what is.
const PIECE_MAX: usize = 4 << 10;

/// A buffer up to this size is kept from one answer to the next.
const KEPT_MAX: usize = 4 << 10;

/// Slices that leave in one system call.
const SLICES_MAX: usize = 8;

/// For HTTP/1 only: HTTP/2 reads and writes on its own. Clones are one
/// connection, used by one task: the lock is never waited for.
#[derive(Clone, Debug)]
pub struct Cork(Arc<Mutex<Line>>);

#[derive(Debug)]
struct Line {
    inner: Stream,
    held: Vec<u8>,
    /// Bytes of `held` that are written.
    written: usize,
    /// Whether what is held was to be flushed.
    due: bool,
    /// Since when the client takes nothing, while there is something to take.
    blocked: Option<Instant>,
    /// What a release ran into, until somebody reads or writes.
    failed: Option<io::ErrorKind>,
    /// Whether the next read is to fail, and it alone.
    interrupted: bool,
    /// What the client sends, checked.
    framing: Framing,
    /// Whether the client broke the framing: nothing more of it is read.
    broken: bool,
    end: End,
    /// Whether anything was written since the end is kept.
    answering: bool,
    /// Whether the client knows informational answers.
    probes: bool,
    /// Whether the end is kept while an answer is written, too.
    throughout: bool,
}

/// The end of what a client sends. One that says all it has to say and then closes
/// its side still wants its answer; one that is gone does not, and looks the same
/// until something is written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is told to who reads.
    Told,
    /// An answer is being made that is worth waiting for: it would not be told.
    Kept,
    /// It came, and was not told.
    Came,
}

impl Cork {
    pub fn new(inner: Stream) -> Self {
        Cork(Arc::new(Mutex::new(Line {
            inner,
            held: Vec::new(),
            written: 0,
            due: false,
            blocked: None,
            failed: None,
            interrupted: false,
            framing: Framing::default(),
            broken: false,
            end: End::Told,
            answering: false,
            probes: false,
            throughout: false,
        })))
    }

    /// Makes who reads or writes next give up: the client takes nothing.
    pub fn fail(&self) {
        self.0.lock().failed = Some(io::ErrorKind::TimedOut);
    }

    /// Makes the next read fail, or not. What is written meanwhile still arrives.
    pub fn interrupt(&self, whether: bool) {
        self.0.lock().interrupted = whether;
    }

    /// Whether nobody has read since.
    pub fn is_interrupted(&self) -> bool {
        self.0.lock().interrupted
    }

    /// Whether the header of a request, counted from one, is none.
    pub fn is_bad(&self, nth: u32) -> bool {
        self.0.lock().framing.is_bad(nth)
    }

    /// Keeps the end of what the client sends to itself until an answer begins.
    /// `probes`: the client knows informational answers, as those of HTTP/1.1 do.
    pub fn keep_end(&self, probes: bool) {
        let mut line = self.0.lock();
        (line.end, line.answering, line.probes) = (End::Kept, false, probes);
    }

    /// The same until it is told again, for whoever writes now and then.
    pub fn keep_end_throughout(&self) {
        let mut line = self.0.lock();
        (line.end, line.answering, line.throughout) = (End::Kept, true, true);
    }

    /// Tells it again.
    pub fn tell_end(&self) {
        let mut line = self.0.lock();
        (line.end, line.throughout) = (End::Told, false);
    }

    /// Whether the client closed its side while an answer was made: it may wait for
    /// it, or be gone.
    pub fn is_half_closed(&self) -> bool {
        self.0.lock().end == End::Came
    }

    /// Looks whether a client that closed its side is still there. Only what is
    /// written to it tells: one that is gone refuses it, which is then an error
    /// here. Before its answer a client takes any number of informational ones
    /// (RFC 9110 §15.2); what has begun is a probe itself, and a write of nothing
    /// tells of its refusal, but through TLS.
    pub fn probe(&self, cx: &mut Context<'_>) -> io::Result<()> {
        const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut line = self.0.lock();
        if line.answering {
            return match Pin::new(&mut line.inner).poll_write(cx, &[]) {
                Poll::Ready(written) => written.map(drop),
                Poll::Pending => Ok(()),
            };
        }
        if line.probes {
            line.held.extend_from_slice(CONTINUE);
        }
        match line.release(cx) {
            Poll::Ready(done) => done,
            Poll::Pending => Ok(()),
        }
    }

    /// Writes what was to be flushed, as far as the client takes it. Gives since
    /// when it takes nothing, while there is something to take; an error is also
    /// told to who reads or writes next.
    pub fn release(&self, cx: &mut Context<'_>) -> io::Result<Option<Instant>> {
        let mut line = self.0.lock();
        if line.due
            && let Poll::Ready(Err(e)) = line.release(cx)
        {
            line.failed = Some(e.kind());
            return Err(e);
        }
        Ok(line.blocked)
    }

    /// Writes all that is held, due or not.
    pub async fn drain(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.0.lock().release(cx)).await
    }
}

impl Line {
    fn release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.held.len() {
            let rest = &self.held[self.written..];
            let n = Pin::new(&mut self.inner).poll_write(cx, rest);
            self.written += ready!(self.taken(n))?;
        }
        self.empty();
        let flushed = Pin::new(&mut self.inner).poll_flush(cx).map_ok(|()| 1);
        ready!(self.taken(flushed))?;
        self.due = false;
        Poll::Ready(Ok(()))
    }

    /// Notes whether the client takes anything.
    fn taken(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => drop(self.blocked.get_or_insert_with(Instant::now)),
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(_) => self.blocked = None,
        }
        written
    }

    fn empty(&mut self) {
        self.written = 0;
        self.held.clear();
        self.held.shrink_to(KEPT_MAX);
    }

    /// Writes what is held and as much of `slices` as the client takes with it.
    fn write_through(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut all = [io::IoSlice::new(&[]); SLICES_MAX];
            all[0] = io::IoSlice::new(&self.held[self.written..]);
            let count = slices.len().min(SLICES_MAX - 1);
            all[1..=count].copy_from_slice(&slices[..count]);
            let held = all[0].len();
            let n = Pin::new(&mut self.inner).poll_write_vectored(cx, &all[..=count]);
            let n = ready!(self.taken(n))?;
            if n < held {
                self.written += n;
                continue;
            }
            self.empty();
            if n > held {
                return Poll::Ready(Ok(n - held));
            }
        }
    }

    fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl AsyncRead for Cork {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut line = self.0.lock();
        line.check()?;
        if std::mem::take(&mut line.interrupted) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if line.broken {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if line.end == End::Came {
            // Whoever writes will see.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut line.inner).poll_read(cx, buf))?;
        let bytes = &buf.filled()[before..];
        let keeps = line.end == End::Kept && (line.throughout || !line.answering);
        if bytes.is_empty() && keeps && buf.capacity() > before {
            // `Edge`, whose poll this is a part of, looks after it.
            line.end = End::Came;
            return Poll::Pending;
        }
        // What is good is passed on: it may be the header that is answered.
        let good = line.framing.take(bytes);
        line.broken = good < bytes.len();
        buf.set_filled(before + good);
        match line.broken && good == 0 {
            true => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Cork {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut line = self.0.lock();
        line.check()?;
        line.answering = true;
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        if bytes > PIECE_MAX || line.held.len() + bytes > HELD_MAX {
            return line.write_through(cx, slices);
        }
        slices.iter().for_each(|slice| line.held.extend_from_slice(slice));
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().due = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = self.0.lock();
        ready!(line.release(cx))?;
        Pin::new(&mut line.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Cork {
    async fn shutdown(&mut self) {
        // A client that is gone gets nothing more.
        let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
    }
}

impl Peek for Cork {}

impl UniqueID for Cork {
    fn id(&self) -> UniqueIDType {
        self.0.lock().inner.id()
    }
}

impl Ssl for Cork {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.0.lock().inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.0.lock().inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Cork {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.0.lock().inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.0.lock().inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.0.lock().inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Cork {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.0.lock().inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.0.lock().inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Cork {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.0.lock().inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.0.lock().inner.set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests;
