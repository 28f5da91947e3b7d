//! Idle connections to one address of an API, kept for its next calls.
//!
//! Pingora's own pool sets a task and a timer up for every connection it is
//! given, and asks the system whose it is whenever one is taken: 6 % of a call.
//! Here a connection is looked at when it is taken, and all of them now and then.

use crossbeam_queue::SegQueue;
use pingora_core::protocols::Stream;
use std::cell::Cell;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};

/// Shorter than what servers commonly allow, so that they rarely close a
/// connection as it is used.
pub const IDLE_MAX: Duration = Duration::from_secs(30);

/// Connections that one worker keeps for an address.
const KEPT_MAX: usize = 1024;

/// Connections that are kept over all addresses and workers, and how many may be.
static KEPT: AtomicUsize = AtomicUsize::new(0);
static KEPT_MAX_OF_ALL: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Sets how many connections are kept over all addresses.
pub fn keep_at_most(max: usize) {
    KEPT_MAX_OF_ALL.store(max, Ordering::Relaxed);
}

/// One that is kept, as long as it is.
struct Counted;

impl Counted {
    fn new() -> Option<Counted> {
        let kept = KEPT.fetch_add(1, Ordering::Relaxed);
        // Given back by its drop where it is one too many.
        let counted = Counted;
        (kept < KEPT_MAX_OF_ALL.load(Ordering::Relaxed)).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Workers that have a queue of their own; more of them share.
const QUEUES: usize = 16;

/// A connection is best used by the worker that opened it: there the system
/// tells of its bytes.
pub struct Idle([SegQueue<Kept>; QUEUES]);

struct Kept {
    stream: Stream,
    since: Instant,
    _counted: Counted,
}

impl Default for Idle {
    fn default() -> Self {
        Idle(std::array::from_fn(|_| SegQueue::new()))
    }
}

impl Idle {
    /// The connection that has waited longest and still can be used.
    pub fn take(&self, now: Instant) -> Option<Stream> {
        loop {
            let kept = self.of_this_worker().pop()?;
            if let Some(kept) = kept.still_good(now) {
                return Some(kept.stream);
            }
        }
    }

    /// Keeps a connection on which the last answer was read to its end; closes it
    /// where there are enough.
    pub fn give(&self, stream: Stream, now: Instant) {
        let queue = self.of_this_worker();
        if queue.len() < KEPT_MAX
            && let Some(counted) = Counted::new()
        {
            queue.push(Kept { stream, since: now, _counted: counted });
        }
    }

    /// Closes those that have waited too long or that the server has closed.
    pub fn sweep(&self, now: Instant) {
        for queue in &self.0 {
            for _ in 0..queue.len() {
                let Some(kept) = queue.pop() else { break };
                if let Some(kept) = kept.still_good(now) {
                    queue.push(kept);
                }
            }
        }
    }

    fn of_this_worker(&self) -> &SegQueue<Kept> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static WORKER: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % QUEUES);
        }
        &self.0[WORKER.get()]
    }
}

impl Kept {
    /// Closes what is too old, or has something to read: the end, or bytes that
    /// nobody asked for.
    fn still_good(mut self, now: Instant) -> Option<Kept> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        let quiet = Pin::new(&mut self.stream).poll_read(&mut cx, &mut buffer).is_pending();
        (quiet && now.saturating_duration_since(self.since) < IDLE_MAX).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    fn pair() -> (Stream, DuplexStream) {
        let (ours, theirs) = duplex(64);
        (Box::new(ours), theirs)
    }

    #[tokio::test]
    async fn only_quiet_connections_are_used_again_and_the_oldest_first() {
        let (idle, now) = (Idle::default(), Instant::now());
        let (closed, end) = pair();
        drop(end);
        let (noisy, mut chatter) = pair();
        chatter.write_all(b"x").await.unwrap();
        let (mut first, mut first_end) = pair();
        first.write_all(b"1").await.unwrap();
        let (second, _second_end) = pair();
        for stream in [closed, noisy, first, second] {
            idle.give(stream, now);
        }
        let mut taken = idle.take(now).expect("the first that is quiet");
        taken.write_all(b"2").await.unwrap();
        let mut seen = [0; 2];
        tokio::io::AsyncReadExt::read_exact(&mut first_end, &mut seen).await.unwrap();
        assert_eq!(&seen, b"12");
        assert!(idle.take(now).is_some() && idle.take(now).is_none());
    }

    #[test]
    fn bounds_at_them_and_one_past_them() {
        let (idle, now) = (Idle::default(), Instant::now());
        let mut ends = Vec::new();
        for _ in 0..=KEPT_MAX {
            let (stream, end) = pair();
            idle.give(stream, now);
            ends.push(end);
        }
        let last = now + IDLE_MAX - Duration::from_nanos(1);
        assert_eq!(std::iter::from_fn(|| idle.take(last)).count(), KEPT_MAX);
        let (stream, _end) = pair();
        idle.give(stream, now);
        assert!(idle.take(now + IDLE_MAX).is_none());
    }

    #[test]
    fn a_sweep_closes_what_cannot_be_used() {
        let (idle, now) = (Idle::default(), Instant::now());
        let ((good, _end), (closed, end)) = (pair(), pair());
        idle.give(closed, now);
        idle.give(good, now);
        drop(end);
        idle.sweep(now);
        assert_eq!(idle.of_this_worker().len(), 1);
        idle.sweep(now + IDLE_MAX);
        assert!(idle.of_this_worker().is_empty());
    }

    #[test]
    fn another_worker_has_connections_of_its_own() {
        let (idle, now) = (Idle::default(), Instant::now());
        let (stream, _end) = pair();
        idle.give(stream, now);
        std::thread::scope(|s| s.spawn(|| assert!(idle.take(now).is_none())).join()).unwrap();
        assert!(idle.take(now).is_some());
    }
}
