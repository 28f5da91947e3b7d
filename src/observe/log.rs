//! Setting up the log: on stderr, as text or as JSON lines.

use crate::config::Log;
use tracing_subscriber::EnvFilter;

/// Starts logging; a second call changes nothing. Pingora's own errors about
/// clients that went away are not ours to report.
pub fn start(log: &Log) -> Result<(), String> {
    let filter = format!(
        "{},pingora_core=warn,pingora_proxy=error,pingora_pool=error,pingora_core::connectors=off",
        log.filter
    );
    let filter =
        EnvFilter::try_new(filter).map_err(|e| format!("`log.level` cannot be read: {e}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let started = if log.json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_target(false).try_init()
    };
    // Somebody set a logger before: a test harness.
    let _ = started;
    Ok(())
}
