//! What is held, what leaves, and who is told of what.

use super::*;
use std::task::Waker;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

fn is_quiet(stream: &mut DuplexStream) -> bool {
    let mut byte = [0];
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
}

#[tokio::test]
async fn a_flush_waits_for_its_release() {
    let (ours, mut theirs) = duplex(1 << 20);
    let mut cork = Cork::new(Box::new(ours));
    let mut cx = Context::from_waker(Waker::noop());
    cork.write_all(b"head").await.unwrap();
    cork.release(&mut cx).unwrap();
    assert!(is_quiet(&mut theirs), "nobody flushed");
    cork.flush().await.unwrap();
    assert!(is_quiet(&mut theirs), "nobody waits");
    cork.release(&mut cx).unwrap();
    let mut seen = [0; 4];
    theirs.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"head");
}

#[tokio::test]
async fn bounds_at_them_and_one_past_them() {
    for (piece, pieces, held) in [
        (PIECE_MAX, HELD_MAX / PIECE_MAX, true),
        (PIECE_MAX, HELD_MAX / PIECE_MAX + 1, false),
        (PIECE_MAX + 1, 1, false),
        (1, HELD_MAX, true),
        (1, HELD_MAX + 1, false),
    ] {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut cork = Cork::new(Box::new(ours));
        for _ in 0..pieces {
            cork.write_all(&vec![7; piece]).await.unwrap();
            cork.flush().await.unwrap();
        }
        assert_eq!(is_quiet(&mut theirs), held, "{pieces} of {piece}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_told_of() {
    let (ours, mut theirs) = duplex(10);
    let mut cork = Cork::new(Box::new(ours));
    let mut cx = Context::from_waker(Waker::noop());
    cork.write_all(&[7; 20]).await.unwrap();
    cork.flush().await.unwrap();
    assert!(cork.release(&mut cx).unwrap().is_some());
    theirs.read_exact(&mut [0; 10]).await.unwrap();
    cork.drain().await.unwrap();
    assert!(cork.release(&mut cx).unwrap().is_none());
    drop(theirs);
    cork.write_all(b"more").await.unwrap();
    cork.flush().await.unwrap();
    assert!(cork.release(&mut cx).is_err());
    assert!(cork.write_all(b"x").await.is_err(), "told to the next writer");
}

#[tokio::test]
async fn an_interruption_is_of_one_read_and_a_failure_of_what_comes_first() {
    let (ours, mut theirs) = duplex(10);
    let mut cork = Cork::new(Box::new(ours));
    theirs.write_all(b"xy").await.unwrap();
    cork.interrupt(true);
    cork.write_all(b"1").await.unwrap();
    assert!(cork.is_interrupted());
    assert_eq!(cork.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(cork.read_u8().await.unwrap(), b'x');
    cork.interrupt(true);
    cork.interrupt(false);
    theirs.write_all(b"z").await.unwrap();
    assert_eq!(cork.read_u8().await.unwrap(), b'y');
    cork.fail();
    assert_eq!(cork.write_all(b"2").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(cork.read_u8().await.unwrap(), b'z');
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
                match shut {
                    true => AsyncWriteExt::shutdown(&mut cork).await.unwrap(),
                    false => cork.drain().await.unwrap(),
                }
            };
            tokio::join!(write, async { theirs.read_to_end(&mut seen).await.unwrap() });
            assert!(seen == all, "{room} {shut}: {} of {} bytes", seen.len(), all.len());
        }
    }
}

#[tokio::test]
async fn the_end_of_what_a_client_sends_is_kept_until_an_answer_begins() {
    let mut cx = Context::from_waker(Waker::noop());
    let read = |cork: &mut Cork, cx: &mut Context<'_>| {
        let mut bytes = [0; 8];
        let mut buffer = ReadBuf::new(&mut bytes);
        let polled = Pin::new(cork).poll_read(cx, &mut buffer);
        polled.map_ok(|()| buffer.filled().len()).map_err(|e| e.kind())
    };
    let (ours, mut theirs) = duplex(100);
    let mut cork = Cork::new(Box::new(ours));
    AsyncWriteExt::shutdown(&mut theirs).await.unwrap();
    cork.keep_end(true);
    assert!(!cork.is_half_closed());
    assert_eq!(read(&mut cork, &mut cx), Poll::Pending);
    assert!(cork.is_half_closed());
    cork.probe(&mut cx).unwrap();
    let mut seen = [0; 25];
    theirs.read_exact(&mut seen).await.unwrap();
    assert_eq!(&seen, b"HTTP/1.1 100 Continue\r\n\r\n");
    cork.write_all(b"answer").await.unwrap();
    cork.probe(&mut cx).unwrap();
    let mut seen = Vec::new();
    cork.drain().await.unwrap();
    cork.tell_end();
    assert_eq!(read(&mut cork, &mut cx), Poll::Ready(Ok(0)));
    drop(cork);
    theirs.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, b"answer", "nothing comes between");
}

#[tokio::test]
async fn a_broken_body_is_passed_on_up_to_where_it_breaks() {
    let (ours, mut theirs) = duplex(1000);
    let mut cork = Cork::new(Box::new(ours));
    let good = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
    theirs.write_all(&[good.as_slice(), b"ZZ\r\nGET / HTTP/1.1\r\n\r\n"].concat()).await.unwrap();
    let mut seen = Vec::new();
    let e = cork.read_to_end(&mut seen).await.unwrap_err();
    assert_eq!((e.kind(), &*seen), (io::ErrorKind::InvalidData, good.as_slice()));
    assert!(cork.read_u8().await.is_err(), "and nothing more");
}
