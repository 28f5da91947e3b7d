//! What all listeners of a process share.

use super::Live;
use crate::exchange::LogLevels;
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::{SystemTime, UNIX_EPOCH};

/// Counters and state over all listeners.
pub struct Shared {
    pub live: Arc<Live>,
    pub levels: LogLevels,
    pub calls: Arc<AtomicUsize>,
    pub streams: Arc<AtomicUsize>,
    pub connections: AtomicUsize,
    /// The most connections that the process has descriptors for.
    pub connections_max: usize,
    /// Bytes of request bodies that are held.
    pub body_bytes: Arc<AtomicUsize>,
    pub next_id: AtomicU64,
    /// Set when the process is asked to end: answers then close connections.
    pub draining: Arc<AtomicBool>,
}

impl Shared {
    pub fn new(live: Arc<Live>, draining: Arc<AtomicBool>, connections_max: usize) -> Self {
        let first_id = u64::from_be_bytes(random()[..8].try_into().unwrap_or([0; 8]));
        Shared {
            live,
            levels: LogLevels::default(),
            calls: Arc::default(),
            streams: Arc::default(),
            connections: AtomicUsize::new(0),
            connections_max,
            body_bytes: Arc::default(),
            next_id: AtomicU64::new(first_id),
            draining,
        }
    }
}

/// Bytes from the system's generator; it does not fail after start.
pub fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random bytes");
    }
    bytes
}

/// Unix time in seconds.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
