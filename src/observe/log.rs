//! Setting up the log: on stderr, as text or as JSON lines.
//!
//! A client must not be able to fill it. What Pingora and its libraries say of
//! clients at all is off unless `log.level` names them, and each place of the
//! program has a number of warnings for a minute.

use super::metrics::metrics;
use crate::config::Log;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// Lines of level warn or error that one place of the program logs in a minute.
/// More are counted, and left out.
pub const LINES_MAX: u32 = 60;

const WINDOW: Duration = Duration::from_secs(60);

/// Lines of this target are the operator's own doing, and all of them are logged.
pub const PROBLEMS: &str = "drawbridge::problem";

/// What libraries log of clients and of upstreams, which this program tells itself.
const QUIET: &str = "pingora_core=off,pingora_core::services=error,pingora_core::server=warn,\
pingora_proxy=off,pingora_pool=error,rustls=off,h2=off";

/// Starts logging; a second call changes nothing.
pub fn start(log: &Log) -> Result<(), String> {
    // What the operator names comes last and wins.
    let filter = EnvFilter::try_new(format!("{QUIET},{}", log.filter))
        .map_err(|e| format!("`log.level` cannot be read: {e}"))?;
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
    let lines = match log.json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.with_target(false).boxed(),
    };
    // Somebody set a logger before: a test harness.
    let _ = Registry::default().with(lines).with(Quota::default()).with(filter).try_init();
    Ok(())
}

/// Leaves lines out of which there are too many.
#[derive(Default)]
struct Quota(Mutex<HashMap<Identifier, Window>>);

struct Window {
    since: Instant,
    lines: u32,
}

impl Quota {
    fn takes(&self, metadata: &Metadata<'_>, now: Instant) -> bool {
        if *metadata.level() > Level::WARN || metadata.target() == PROBLEMS {
            return true;
        }
        // Places are as many as the program has.
        let Ok(mut places) = self.0.lock() else { return true };
        let new = Window { since: now, lines: 0 };
        let window = places.entry(metadata.callsite()).or_insert(new);
        if now.saturating_duration_since(window.since) >= WINDOW {
            *window = Window { since: now, lines: 0 };
        }
        window.lines = window.lines.saturating_add(1);
        window.lines <= LINES_MAX
    }
}

impl<S: Subscriber> Layer<S> for Quota {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let takes = self.takes(event.metadata(), Instant::now());
        if !takes {
            metrics().log_lines_dropped.inc();
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Callsite;

    #[test]
    fn a_place_has_so_many_lines_a_minute() {
        // Two places of the program.
        let [a, b] = [
            tracing::callsite!(name: "a", kind: tracing::metadata::Kind::EVENT, target: "x", level: Level::WARN, fields: ),
            tracing::callsite!(name: "b", kind: tracing::metadata::Kind::EVENT, target: "x", level: Level::INFO, fields: ),
        ];
        let (quota, now) = (Quota::default(), Instant::now());
        for n in 1..=LINES_MAX + 1 {
            assert_eq!(quota.takes(a.metadata(), now), n <= LINES_MAX, "{n}");
            assert!(quota.takes(b.metadata(), now), "{n}: it is no warning");
        }
        assert!(!quota.takes(a.metadata(), now + WINDOW - Duration::from_nanos(1)));
        assert!(quota.takes(a.metadata(), now + WINDOW));
    }
}
