//! Counted permits: calls in flight, open streams.

use super::Gateway;
use crate::config::Limits;
use crate::observe::metrics;
use prometheus::IntGauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of a bounded number, given back when dropped.
pub struct Permit {
    count: Arc<AtomicUsize>,
    gauge: &'static IntGauge,
}

impl Permit {
    pub fn take(count: &Arc<AtomicUsize>, max: usize, gauge: &'static IntGauge) -> Option<Self> {
        if count.fetch_add(1, Ordering::Relaxed) >= max {
            count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        gauge.inc();
        Some(Permit { count: count.clone(), gauge })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.gauge.dec();
    }
}

impl Gateway {
    pub(super) fn call_permit(&self, limits: &Limits) -> Option<Permit> {
        Permit::take(&self.shared.calls, limits.calls, &metrics().calls_in_flight)
    }
}
