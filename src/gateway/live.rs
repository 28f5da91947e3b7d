//! The snapshot in use and its prebuilt peers, behind one atomic pointer.

use super::peers::Peers;
use crate::config::Limits;
use crate::observe::metrics;
use crate::snapshot::Snapshot;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// A snapshot with the peers of its upstreams, index for index.
pub struct Loaded {
    pub snapshot: Snapshot,
    pub peers: Vec<Peers>,
    pub limits: Limits,
}

impl Loaded {
    /// Takes over the idle connections of the state before.
    pub fn inherit(&mut self, before: &Loaded) {
        self.peers.iter_mut().for_each(|peers| peers.inherit(&before.peers));
    }

    /// Closes idle connections that are of no more use.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.peers.iter().flat_map(Peers::iter).for_each(|peer| peer.idle.sweep(now));
    }
}

/// What is in use now. Readers take no lock; a swap wakes open streams.
pub struct Live {
    current: ArcSwap<Loaded>,
    changed: watch::Sender<u64>,
}

impl Live {
    pub fn new(loaded: Loaded) -> Self {
        let changed = watch::Sender::new(loaded.snapshot.generation);
        tell(&loaded);
        Live { current: ArcSwap::from_pointee(loaded), changed }
    }

    pub fn load(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Takes a new snapshot into use. Calls under way end with their old one.
    pub fn swap(&self, loaded: Loaded) {
        tell(&loaded);
        let generation = loaded.snapshot.generation;
        self.current.store(Arc::new(loaded));
        self.changed.send_replace(generation);
    }

    /// Wakes at every swap.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

fn tell(loaded: &Loaded) {
    let m = metrics();
    m.snapshot_generation.set(i64::try_from(loaded.snapshot.generation).unwrap_or(i64::MAX));
    m.tools.reset();
    for server in &loaded.snapshot.servers {
        let count = i64::try_from(server.tools.len()).unwrap_or(i64::MAX);
        m.tools.with_label_values(&[&*server.name]).set(count);
    }
}
