//! What the integration tests share: the real binary, an API that follows a
//! script, and clients that take nothing on trust.
//!
//! Nothing here knows how the product works inside.
#![allow(dead_code, unused_imports)] // Each test binary uses a part.

pub mod api;
pub mod binary;
pub mod events;
pub mod h2;
pub mod http;
pub mod mcp;
pub mod message;
pub mod rig;
pub mod temp;
pub mod tls;
pub mod upstream;

use std::time::{Duration, Instant};

/// How long anything may take that must happen. Reaching it is a failure, so it
/// is generous: a loaded machine must not fail a test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The head of bytes as text, for messages.
pub fn shown(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(600)];
    format!("{} ({} bytes)", String::from_utf8_lossy(head), bytes.len())
}
