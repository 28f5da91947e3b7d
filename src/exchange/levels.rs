//! Log levels that handshake sessions asked for (`logging/setLevel`).
//!
//! The one thing such a session can say that later requests do not repeat. It is
//! kept in this process only: on another node the session gets no log notices,
//! which MCP allows. Reading it takes no lock.

use crate::mcp::Level;
use arc_swap::ArcSwap;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Sessions remembered; the oldest is forgotten first.
pub const SESSIONS_MAX: usize = 4096;

type Key = [u8; 16];

#[derive(Default)]
pub struct LogLevels {
    levels: ArcSwap<HashMap<Key, Level>>,
    order: Mutex<VecDeque<Key>>,
}

impl LogLevels {
    pub fn get(&self, session: &Key) -> Option<Level> {
        let levels = self.levels.load();
        if levels.is_empty() { None } else { levels.get(session).copied() }
    }

    pub fn set(&self, session: Key, level: Level) {
        let Ok(mut order) = self.order.lock() else { return };
        let mut levels = HashMap::clone(&self.levels.load());
        if levels.insert(session, level).is_none() {
            order.push_back(session);
            if order.len() > SESSIONS_MAX
                && let Some(oldest) = order.pop_front()
            {
                levels.remove(&oldest);
            }
        }
        self.levels.store(Arc::new(levels));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_so_many_sessions_and_no_more() {
        let levels = LogLevels::default();
        let key = |i: usize| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&(i as u64).to_be_bytes());
            key
        };
        (0..=SESSIONS_MAX).for_each(|i| levels.set(key(i), Level::Debug));
        levels.set(key(7), Level::Error);
        assert_eq!(levels.get(&key(0)), None);
        assert_eq!(levels.get(&key(7)), Some(Level::Error));
        assert_eq!(levels.get(&key(SESSIONS_MAX)), Some(Level::Debug));
    }
}
