//! How a connection begins: TLS, the preface of HTTP/2, its first header. All of it
//! has one deadline, and Pingora has none for any of it.

use super::unread::Unread;
use bytes::{Bytes, BytesMut};
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::protocols::{ALPN, Stream};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until, timeout_at};

/// What an HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose protocol is known.
pub enum Opened {
    Http1(Stream),
    /// With whether its first header came.
    Http2(Stream, Arc<AtomicBool>),
}

/// Finds out what a client speaks; `None` where it does not say so in time, or
/// breaks a promise.
pub async fn open(
    stream: Stream,
    tls: Option<&Acceptor>,
    h2c: bool,
    due: Instant,
) -> Option<Opened> {
    let stream = match tls {
        None => stream,
        Some(acceptor) => {
            // Boxed: a handshake happens once, and its future is large.
            let handshake = Box::pin(secured(acceptor, stream));
            timeout_at(due, handshake).await.ok().flatten()?
        }
    };
    let promised = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
    if !promised && !h2c {
        return Some(Opened::Http1(stream));
    }
    let (bytes, stream) = timeout_at(due, preface(stream)).await.ok()??;
    if *bytes != *PREFACE {
        let http1 = (!promised).then(|| Box::new(Unread::new(bytes, stream)));
        return http1.map(|stream| Opened::Http1(stream));
    }
    let seen = Arc::new(AtomicBool::new(false));
    let watched = Unread::watched(bytes, stream, Watch::new(seen.clone()));
    Some(Opened::Http2(Box::new(watched), seen))
}

async fn secured(acceptor: &Acceptor, stream: Stream) -> Option<Stream> {
    let socket = stream.into_any().downcast::<Socket>().ok()?;
    match acceptor.tls_handshake(*socket).await {
        Ok(stream) => Some(Box::new(stream)),
        Err(e) => {
            tracing::debug!(error = %e.etype().as_str(), "a TLS handshake failed");
            None
        }
    }
}

/// The first bytes: the preface, or as many as tell that it is none.
async fn preface(mut stream: Stream) -> Option<(Bytes, Stream)> {
    let mut seen = BytesMut::with_capacity(PREFACE.len());
    while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
        let mut rest = [0; PREFACE.len()];
        let room = PREFACE.len() - seen.len();
        match stream.read(&mut rest[..room]).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => seen.extend_from_slice(&rest[..n]),
        }
    }
    Some((seen.freeze(), stream))
}

/// Serves a connection of HTTP/2, unless its first header does not come in time.
pub async fn unless_silent<T>(
    serving: impl Future<Output = Option<T>>,
    seen: &AtomicBool,
    due: Instant,
) -> Option<T> {
    let (mut serving, mut timer) = (std::pin::pin!(serving), std::pin::pin!(sleep_until(due)));
    let mut watching = true;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = serving.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        watching = watching && !seen.load(Ordering::Relaxed);
        match watching && timer.as_mut().poll(cx).is_ready() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    })
    .await
}

/// Looks for the end of the first header among the frames that a client sends
/// (RFC 9113 §4.1).
#[derive(Debug)]
pub struct Watch {
    seen: Arc<AtomicBool>,
    /// The header of the frame at hand, as far as it came.
    head: [u8; 9],
    filled: usize,
    /// Bytes of its payload that are to come.
    left: usize,
}

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

impl Watch {
    fn new(seen: Arc<AtomicBool>) -> Self {
        Watch { seen, head: [0; 9], filled: 0, left: 0 }
    }

    /// Takes the next bytes in; gives whether there is nothing more to look for.
    pub fn take(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
            } else {
                let wanted = (self.head.len() - self.filled).min(bytes.len());
                self.head[self.filled..self.filled + wanted].copy_from_slice(&bytes[..wanted]);
                self.filled += wanted;
                bytes = &bytes[wanted..];
                if self.filled < self.head.len() {
                    return false;
                }
                self.left = self.head[..3].iter().fold(0, |n, b| (n << 8) | usize::from(*b));
                self.filled = 0;
            }
            let (kind, flags) = (self.head[3], self.head[4]);
            let ends = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
            if ends && self.left == 0 {
                self.seen.store(true, Ordering::Relaxed);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, duplex};

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn the_first_header_is_seen_when_it_is_whole() {
        let settings = frame(4, 0, &[0; 12]);
        let ping = frame(6, END_HEADERS, &[0; 8]);
        let whole = frame(HEADERS, END_HEADERS, b"header");
        let begun = frame(HEADERS, 0, b"hea");
        let rest = frame(CONTINUATION, END_HEADERS, b"der");
        let empty = frame(HEADERS, END_HEADERS, b"");
        for (bytes, seen) in [
            ([&settings[..], &ping].concat(), false),
            ([&settings[..], &whole].concat(), true),
            ([&settings[..], &begun].concat(), false),
            ([&begun[..], &rest].concat(), true),
            (empty, true),
            (whole[..whole.len() - 1].to_vec(), false),
        ] {
            for size in [1, 4, 1000] {
                let flag = Arc::new(AtomicBool::new(false));
                let mut watch = Watch::new(flag.clone());
                let done = bytes.chunks(size).any(|piece| watch.take(piece));
                assert_eq!((done, flag.load(Ordering::Relaxed)), (seen, seen), "{bytes:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_protocol_is_known_by_as_few_bytes_as_tell_it() {
        let due = || Instant::now() + std::time::Duration::from_secs(20);
        for (bytes, http2) in [(&b"GET / HTTP/1.1"[..], false), (b"P", false), (PREFACE, true)] {
            let (ours, mut theirs) = duplex(100);
            theirs.write_all(bytes).await.unwrap();
            if bytes == b"P" {
                theirs.write_all(b"O").await.unwrap();
            }
            let opened = open(Box::new(ours), None, true, due()).await;
            assert_eq!(matches!(opened, Some(Opened::Http2(..))), http2, "{bytes:?}");
            assert!(opened.is_some(), "{bytes:?}");
        }
        let (ours, _theirs) = duplex(100);
        let soon = Instant::now() + std::time::Duration::from_millis(10);
        assert!(open(Box::new(ours), None, true, soon).await.is_none(), "silent");
    }
}
