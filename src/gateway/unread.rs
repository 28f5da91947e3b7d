//! A connection some bytes of which were read before it was known who is to read
//! them.

use super::opening::Watch;
use async_trait::async_trait;
use bytes::{Buf, Bytes};
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

/// Gives these bytes first, then what the connection has.
#[derive(Debug)]
pub struct Unread {
    bytes: Bytes,
    inner: Stream,
    /// Of a connection of HTTP/2, which looks for its first header.
    watch: Option<Watch>,
}

impl Unread {
    pub fn new(bytes: Bytes, inner: Stream) -> Self {
        Unread { bytes, inner, watch: None }
    }

    /// The same, watched: what is read is shown to `watch`.
    pub fn watched(bytes: Bytes, inner: Stream, watch: Watch) -> Self {
        Unread { bytes, inner, watch: Some(watch) }
    }

    /// The connection itself, where all of the bytes were read; others as they are.
    pub fn unwrapped(stream: Stream) -> Option<Stream> {
        if !(*stream).as_any().is::<Unread>() {
            return Some(stream);
        }
        let unread = stream.into_any().downcast::<Unread>().ok()?;
        unread.bytes.is_empty().then_some(unread.inner)
    }
}

impl AsyncRead for Unread {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
            if let Some(watch) = &mut self.watch
                && watch.take(&buf.filled()[before..])
            {
                self.watch = None;
            }
            return Poll::Ready(Ok(()));
        }
        let count = self.bytes.len().min(buf.remaining());
        buf.put_slice(&self.bytes[..count]);
        self.bytes.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Unread {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Unread {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl Peek for Unread {}

impl UniqueID for Unread {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl Ssl for Unread {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

impl GetTimingDigest for Unread {
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

impl GetProxyDigest for Unread {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.inner.set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Unread {
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
    async fn bytes_come_first_and_then_the_connection() {
        let (ours, mut theirs) = duplex(64);
        theirs.write_all(b" world").await.unwrap();
        let mut unread = Unread::new(Bytes::from_static(b"hello"), Box::new(ours));
        let mut seen = [0; 3];
        unread.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"hel");
        let mut seen = [0; 8];
        unread.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"lo world");
        unread.write_all(b"!").await.unwrap();
        assert_eq!(theirs.read_u8().await.unwrap(), b'!');
    }

    #[test]
    fn what_is_not_read_to_its_end_is_not_given_back() {
        for (bytes, given) in [(&b""[..], true), (b"x", false)] {
            let unread = Unread::new(Bytes::from_static(bytes), Box::new(duplex(1).0));
            let back = Unread::unwrapped(Box::new(unread));
            assert_eq!(back.is_some_and(|s| !(*s).as_any().is::<Unread>()), given);
        }
        assert!(Unread::unwrapped(Box::new(duplex(1).0)).is_some());
    }
}
