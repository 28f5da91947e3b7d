//! Figures for Prometheus and the log's setup. Label values are known names
//! only: nothing a client sends becomes a label.

pub mod log;
mod metrics;

pub use metrics::{METHODS, Metrics, Outcome, ServerFigures, ToolFigures, metrics};
