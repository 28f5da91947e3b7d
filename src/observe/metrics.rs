//! The figures. Handles are resolved once and kept beside what they count, so
//! that a call adds to atomics and takes no lock.

use crate::fault::Class;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use std::sync::{LazyLock, OnceLock};

/// The methods that have a label of their own; all others are `other`.
pub const METHODS: [&str; 17] = [
    "server/discover",
    "initialize",
    "ping",
    "logging/setLevel",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "subscriptions/listen",
    "notification",
    "GET",
    "DELETE",
    "none",
    "other",
];

/// Seconds: from a loopback API to the longest a call may take.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// The API answered with a status that is no success.
    ErrorStatus,
    /// The client went away before the answer.
    Cancelled,
    Fault(Class),
}

const OUTCOMES: usize = Class::ALL.len() + 3;

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::ErrorStatus => "error_status",
            Outcome::Cancelled => "cancelled",
            Outcome::Fault(class) => class.name(),
        }
    }

    fn index(self) -> usize {
        match self {
            Outcome::Ok => 0,
            Outcome::ErrorStatus => 1,
            Outcome::Cancelled => 2,
            Outcome::Fault(class) => 3 + class as usize,
        }
    }
}

/// All figures of the process.
pub struct Metrics {
    pub registry: Registry,
    requests: IntCounterVec,
    calls: IntCounterVec,
    pub call_seconds: Histogram,
    pub upstream_seconds: Histogram,
    pub request_bytes: IntCounter,
    pub response_bytes: IntCounter,
    pub upstream_request_bytes: IntCounter,
    pub upstream_response_bytes: IntCounter,
    pub calls_in_flight: IntGauge,
    pub streams_open: IntGauge,
    pub connections_open: IntGauge,
    pub connections_refused: IntCounter,
    pub body_bytes_held: IntGauge,
    pub snapshot_generation: IntGauge,
    pub tools: IntGaugeVec,
    pub config_last_reload_ok: IntGauge,
    pub panics: IntCounter,
    pub log_lines_dropped: IntCounter,
}

/// The figures of the process, made at the first use.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let seconds = vec(
            r,
            HistogramVec::new(
                HistogramOpts::new(
                    "drawbridge_call_duration_seconds",
                    "Time of tools/call: `call` as a whole, `upstream` waiting for the API.",
                )
                .buckets(SECONDS.to_vec()),
                &["part"],
            ),
        );
        let bytes = counters(
            r,
            "drawbridge_bytes_total",
            "Bytes of bodies: from and to clients, to and from APIs.",
            &["direction"],
        );
        let now = gauges(r, "drawbridge_open", "What is open now.", &["what"]);
        Metrics {
            requests: counters(
                r,
                "drawbridge_requests_total",
                "MCP messages by how they ended.",
                &["server", "method", "era", "outcome"],
            ),
            calls: counters(
                r,
                "drawbridge_calls_total",
                "tools/call by tool and how it ended.",
                &["api", "tool", "outcome"],
            ),
            call_seconds: seconds.with_label_values(&["call"]),
            upstream_seconds: seconds.with_label_values(&["upstream"]),
            request_bytes: bytes.with_label_values(&["request"]),
            response_bytes: bytes.with_label_values(&["response"]),
            upstream_request_bytes: bytes.with_label_values(&["upstream_request"]),
            upstream_response_bytes: bytes.with_label_values(&["upstream_response"]),
            calls_in_flight: now.with_label_values(&["calls"]),
            streams_open: now.with_label_values(&["streams"]),
            connections_open: now.with_label_values(&["connections"]),
            connections_refused: counter(
                r,
                "drawbridge_connections_refused_total",
                "Connections over the limit.",
            ),
            body_bytes_held: gauge(
                r,
                "drawbridge_request_body_bytes",
                "Bytes of request bodies that are held.",
            ),
            snapshot_generation: gauge(
                r,
                "drawbridge_snapshot_generation",
                "Counts the configurations taken into use.",
            ),
            tools: gauges(r, "drawbridge_tools", "Tools by server.", &["server"]),
            config_last_reload_ok: gauge(
                r,
                "drawbridge_config_last_reload_ok",
                "1 when the configuration on disk is the one in use.",
            ),
            log_lines_dropped: counter(
                r,
                "drawbridge_log_lines_dropped_total",
                "Lines over the number that one place of the program may log in a minute.",
            ),
            panics: counter(r, "drawbridge_panics_total", "Faults of the program itself."),
            registry: process_figures(registry.clone()),
        }
    }
}

#[cfg(target_os = "linux")]
fn process_figures(registry: Registry) -> Registry {
    let collector = prometheus::process_collector::ProcessCollector::for_self();
    let _ = registry.register(Box::new(collector));
    registry
}

#[cfg(not(target_os = "linux"))]
fn process_figures(registry: Registry) -> Registry {
    registry
}

/// Registers a collector. Names and labels are constants of this file, so a
/// mistake in them shows in every test; at run time the figure is only unseen.
fn vec<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    match made {
        Ok(collector) => {
            let _ = registry.register(Box::new(collector.clone()));
            collector
        }
        Err(e) => unreachable_constant(&e),
    }
}

#[allow(clippy::panic)]
fn unreachable_constant(e: &prometheus::Error) -> ! {
    panic!("a constant metric name or label is malformed: {e}")
}

fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    vec(r, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    vec(r, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn counter(r: &Registry, name: &str, help: &str) -> IntCounter {
    vec(r, IntCounter::new(name, help))
}

fn gauge(r: &Registry, name: &str, help: &str) -> IntGauge {
    vec(r, IntGauge::new(name, help))
}

/// Counters of one tool; a series appears when its first call ends so.
pub struct ToolFigures {
    api: Box<str>,
    tool: Box<str>,
    outcomes: [OnceLock<IntCounter>; OUTCOMES],
}

impl ToolFigures {
    pub fn new(api: &str, tool: &str) -> Self {
        ToolFigures {
            api: api.into(),
            tool: tool.into(),
            outcomes: [const { OnceLock::new() }; OUTCOMES],
        }
    }

    pub fn count(&self, outcome: Outcome) {
        self.outcomes[outcome.index()]
            .get_or_init(|| {
                metrics().calls.with_label_values(&[&*self.api, &*self.tool, outcome.name()])
            })
            .inc();
    }
}

impl std::fmt::Debug for ToolFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ToolFigures")
    }
}

/// Counters of one server.
pub struct ServerFigures {
    server: Box<str>,
    requests: Box<[OnceLock<IntCounter>]>,
}

impl ServerFigures {
    pub fn new(server: &str) -> Self {
        let cells = METHODS.len() * 2 * OUTCOMES;
        ServerFigures {
            server: server.into(),
            requests: (0..cells).map(|_| OnceLock::new()).collect(),
        }
    }

    pub fn count(&self, method: &str, modern: bool, outcome: Outcome) {
        let m = METHODS.iter().position(|k| *k == method).unwrap_or(METHODS.len() - 1);
        let index = (m * 2 + usize::from(modern)) * OUTCOMES + outcome.index();
        self.requests[index]
            .get_or_init(|| {
                let era = if modern { "modern" } else { "legacy" };
                let labels = [&*self.server, METHODS[m], era, outcome.name()];
                metrics().requests.with_label_values(&labels)
            })
            .inc();
    }
}

impl std::fmt::Debug for ServerFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerFigures")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_appear_when_counted_and_unknown_methods_share_one() {
        let figures = ServerFigures::new("unit-test");
        figures.count("tools/list", true, Outcome::Ok);
        figures.count("no/such/method", true, Outcome::Fault(Class::MethodNotFound));
        figures.count("another", true, Outcome::Fault(Class::MethodNotFound));
        let text =
            prometheus::TextEncoder::new().encode_to_string(&metrics().registry.gather()).unwrap();
        assert!(text.contains(r#"drawbridge_requests_total{era="modern",method="tools/list",outcome="ok",server="unit-test"} 1"#));
        assert!(
            text.contains(r#"method="other",outcome="method_not_found",server="unit-test"} 2"#)
        );
    }

    #[test]
    fn every_class_has_its_own_cell() {
        for (i, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, i, "{class:?}");
        }
    }
}
