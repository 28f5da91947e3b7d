//! A client's connection whose writes wait until something must be waited for.
//!
//! Pingora flushes the header of a chunked answer, each of its chunks and its
//! end: a system call each, and a wake of the client for each. Whoever waits on
//! a connection of HTTP/1 polls it for reading (for the next request, or to see
//! the client leave), so a flush can be put off until a read finds nothing. What
//! is held back meanwhile is bounded, and leaves together with what is too large
//! to be held.

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are held back.
const HELD_MAX: usize = 16 << 10;

/// More than this is not copied to be held, but leaves at once with what is.
const PIECE_MAX: usize = 4 << 10;

/// A buffer up to this size is kept from one answer to the next.
const KEPT_MAX: usize = 4 << 10;

/// Slices that leave in one system call.
const SLICES_MAX: usize = 8;

/// For HTTP/1 only: HTTP/2 reads and writes on its own, and would wait for ever.
#[derive(Debug)]
pub struct Cork {
    inner: Stream,
    held: Vec<u8>,
    /// Bytes of `held` that are written.
    written: usize,
    /// Whether what is held was to be flushed.
    due: bool,
}

impl Cork {
    pub fn new(inner: Stream) -> Self {
        Cork { inner, held: Vec::new(), written: 0, due: false }
    }

    /// Writes all that is held.
    fn release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.held.len() {
            let rest = &self.held[self.written..];
            let n = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            self.count(n)?;
        }
        self.empty();
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.due = false;
        Poll::Ready(Ok(()))
    }

    fn count(&mut self, written: usize) -> io::Result<()> {
        self.written += written;
        if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
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
            let inner = Pin::new(&mut self.inner);
            let n = ready!(inner.poll_write_vectored(cx, &all[..=count]))?;
            if n < held {
                self.count(n)?;
                continue;
            }
            self.empty();
            if n > held {
                return Poll::Ready(Ok(n - held));
            }
            if held == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
    }
}

impl AsyncRead for Cork {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if self.due && read.is_pending() {
            // Where the client takes no more, its next readiness wakes this task.
            if let Poll::Ready(Err(e)) = self.release(cx) {
                return Poll::Ready(Err(e));
            }
        }
        read
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
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        if bytes > PIECE_MAX || self.held.len() + bytes > HELD_MAX {
            return self.write_through(cx, slices);
        }
        slices.iter().for_each(|slice| self.held.extend_from_slice(slice));
        Poll::Ready(Ok(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.due = true;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.release(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Pingora drops a connection after its last answer; the system mostly takes
/// what is left at once.
impl Drop for Cork {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            let _ = self.release(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[async_trait]
impl Shutdown for Cork {
    async fn shutdown(&mut self) {
        // A client that is gone gets nothing more.
        let _ = std::future::poll_fn(|cx| self.release(cx)).await;
        self.inner.shutdown().await;
    }
}

#[async_trait]
impl Peek for Cork {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.inner.try_peek(buf).await
    }
}

impl UniqueID for Cork {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Cork {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.inner.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Cork {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for Cork {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Cork {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.set_socket_digest(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_flush_waits_for_a_read_that_waits() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut cork = Cork::new(Box::new(ours));
        let mut byte = [0];
        let (ours_too, mut theirs_too) = duplex(1 << 20);
        let mut other = Cork::new(Box::new(ours_too));
        other.write_all(&[7; PIECE_MAX + 1]).await.unwrap();
        theirs_too.read_exact(&mut [0; PIECE_MAX + 1]).await.unwrap();
        for (pieces, held) in [(1, true), (HELD_MAX / PIECE_MAX - 1, true), (1, false)] {
            for _ in 0..pieces {
                cork.write_all(&[7; PIECE_MAX]).await.unwrap();
                cork.flush().await.unwrap();
            }
            let mut cx = Context::from_waker(Waker::noop());
            let mut buf = ReadBuf::new(&mut byte);
            let quiet = Pin::new(&mut theirs).poll_read(&mut cx, &mut buf).is_pending();
            assert_eq!(quiet, held, "{pieces}");
        }
        let mut rest = vec![0; HELD_MAX + PIECE_MAX - 1];
        theirs.read_exact(&mut rest).await.unwrap();
        cork.write_all(b"more").await.unwrap();
        cork.flush().await.unwrap();
        tokio::select! {
            biased;
            _ = cork.read(&mut byte) => panic!("nobody wrote"),
            () = std::future::ready(()) => {}
        }
        let mut seen = [0; 4];
        theirs.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"more");
    }

    #[tokio::test]
    async fn everything_arrives_in_order_however_little_is_taken_at_once() {
        let sizes = [1, 100, PIECE_MAX, PIECE_MAX, PIECE_MAX + 1, 3 * HELD_MAX, 5, 70_000, 1];
        let all: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|i| (i % 251) as u8).collect();
        for room in [1, 1000, 1 << 20] {
            for shut in [true, false] {
                let (ours, mut theirs) = duplex(room);
                let (sent, mut seen) = (all.clone(), Vec::new());
                let write = async move {
                    let mut cork = Cork::new(Box::new(ours));
                    let mut rest = &sent[..];
                    for size in sizes {
                        let (piece, after) = rest.split_at(size);
                        cork.write_all(piece).await.unwrap();
                        cork.flush().await.unwrap();
                        rest = after;
                    }
                    // What a slow client has not taken is lost when the connection is dropped.
                    if shut || room < 1 << 20 {
                        AsyncWriteExt::shutdown(&mut cork).await.unwrap();
                    }
                };
                tokio::join!(write, async { theirs.read_to_end(&mut seen).await.unwrap() });
                assert!(seen == all, "{room} {shut}: {} of {} bytes", seen.len(), all.len());
            }
        }
    }
}
