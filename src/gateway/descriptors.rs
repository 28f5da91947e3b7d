//! File descriptors: how many connections the process can have open.
//!
//! Where they run out, nothing works: no client is accepted, no API is reached, no
//! file is read, and the admin listener is silent. So connections end before that.

use crate::config::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for files, the admin listener and the runtime.
const RESERVE_FILES: usize = 128;

/// The share of all descriptors that is kept at most.
const RESERVE_SHARE: usize = 2;

/// How the descriptors of the process are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Connections of clients.
    pub connections: usize,
    /// Connections to APIs that are kept idle.
    pub idle: usize,
}

/// Raises the limit on open files as far as it goes, and shares out what there is.
pub fn share(limits: &Limits) -> Shares {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Refused where the hard limit is lower than the system says: the soft one stays.
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = current.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let shares = shared(files, limits.calls);
    if shares.connections < limits.connections {
        tracing::info!(
            "open connections are limited to {}: the process may open {files} files, and {} are kept for calls, files and the admin listener; raise the limit (`ulimit -n`) for `limits.connections` ({})",
            shares.connections,
            files - shares.connections,
            limits.connections
        );
    }
    shares
}

/// Each call may need one, and each idle connection is one.
fn shared(files: usize, calls: usize) -> Shares {
    let wanted = calls.saturating_mul(2).saturating_add(RESERVE_FILES);
    let reserve = wanted.min(files / RESERVE_SHARE);
    Shares { connections: files - reserve, idle: reserve.saturating_sub(RESERVE_FILES) / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_for_all() {
        for (files, calls, connections, idle) in [
            (1_048_576, 1024, 1_046_400, 1024),
            (4096, 1024, 2048, 960),
            (1024, 1024, 512, 192),
            (64, 1024, 32, 0),
            (usize::MAX, 10, usize::MAX - 148, 10),
        ] {
            assert_eq!(shared(files, calls), Shares { connections, idle }, "{files} {calls}");
        }
    }
}
