//! Taking a changed configuration into use while everything runs.

use super::{Ready, load};
use crate::config::Config;
use crate::observe::log::PROBLEMS;
use crate::observe::metrics;
use crate::problem::Problem;
use crate::reload::{self, Origin, Watched};
use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Between looks at the configuration's files.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Takes a changed configuration into use, on SIGHUP and when its files change.
pub(super) struct Reloader {
    pub ready: Arc<Ready>,
}

/// Settings that are read once, when the process starts.
pub fn fixed(config: &Config) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        config.threads,
        config.work_stealing,
        config.log,
        config.session_key,
        config.listeners,
        config.admin
    )
}

impl Ready {
    /// Keeps what is in use unless everything new is sound. Gives the files the
    /// new state depends on.
    fn reload(&self) -> Option<Watched> {
        let generation = self.live.load().snapshot.generation + 1;
        // Addresses are those of the start: they do not change by a reload.
        let listeners: Vec<SocketAddr> = self.config.listeners.iter().map(|l| l.address).collect();
        let mut built = reload::build(
            &self.origin,
            self.embedded,
            Some(&listeners),
            &self.session_key,
            generation,
        );
        let config = built.config.take();
        let limits = config.as_ref().map(|c| c.limits.clone()).unwrap_or_default();
        let loaded = built.snapshot.take().map(|s| load(s, limits, &mut built.problems));
        for problem in &built.problems {
            match problem.is_error() {
                true => tracing::error!(target: PROBLEMS, "{problem}"),
                false => tracing::warn!(target: PROBLEMS, "{problem}"),
            }
        }
        match (loaded, config) {
            (Some(mut loaded), Some(config)) if !built.problems.iter().any(Problem::is_error) => {
                // First, so that whoever sees the new state sees it told.
                metrics().config_last_reload_ok.set(1);
                loaded.inherit(&self.live.load());
                self.live.swap(loaded);
                tracing::info!(generation, "configuration reloaded");
                if matches!(self.origin, Origin::File(_)) && fixed(&config) != self.fixed {
                    tracing::warn!(
                        "threads, log, session_key, listeners and admin take effect at the next start"
                    );
                }
                Some(built.files)
            }
            _ => {
                metrics().config_last_reload_ok.set(0);
                tracing::error!("the configuration is not taken into use; the running one stays");
                None
            }
        }
    }
}

#[async_trait]
impl BackgroundService for Reloader {
    async fn start(&self, mut stop: ShutdownWatch) {
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        let mut tick = tokio::time::interval(WATCH_EVERY);
        let mut files = self.ready.files.clone();
        let mut asked = self.ready.hangup.load(Ordering::Relaxed);
        loop {
            if asked || files.changed() {
                // Before reading, so that what changes meanwhile is read again.
                files.renew();
                let ready = self.ready.clone();
                // A failed reload was told; a panic in it leaves the old state.
                if let Ok(Some(now)) = tokio::task::spawn_blocking(move || ready.reload()).await {
                    files = now;
                }
            }
            asked = tokio::select! {
                _ = hangup.recv() => true,
                _ = tick.tick() => {
                    self.ready.live.load().sweep();
                    super::memory::give_back();
                    false
                }
                _ = stop.changed() => return,
            };
        }
    }
}
