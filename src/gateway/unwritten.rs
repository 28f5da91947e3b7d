//! What the proxy path has not written yet.

use bytes::Bytes;
use std::collections::VecDeque;

/// Pieces of the result that were handed to Pingora and are not written by it. It
/// writes several at once, and drops them when the next thing is an error.
#[derive(Default)]
pub struct Unwritten {
    pieces: VecDeque<Bytes>,
    /// Bytes of the result before the first piece.
    before: usize,
}

impl Unwritten {
    pub fn keep(&mut self, piece: Bytes) {
        self.pieces.push_back(piece);
    }

    /// Forgets what is written, given the bytes that are.
    pub fn forget(&mut self, written: usize) {
        while let Some(first) = self.pieces.front() {
            if self.before + first.len() > written {
                break;
            }
            self.before += first.len();
            self.pieces.pop_front();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub fn take(&mut self) -> Vec<u8> {
        self.pieces.drain(..).flatten().collect()
    }
}
