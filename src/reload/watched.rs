//! The files that something was read from, and whether they changed since.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files with their state from before they were read, so that a change during
/// the reading counts as one.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    files: Vec<(PathBuf, Stamp)>,
}

/// When a file was written and how long it is; `None` where it cannot be told.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Watched {
    /// Adds a file that is about to be read.
    pub fn add(&mut self, path: impl Into<PathBuf>) {
        let path = path.into();
        if !self.files.iter().any(|(known, _)| *known == path) {
            let stamp = stamp(&path);
            self.files.push((path, stamp));
        }
    }

    /// Takes the files of `other` in.
    pub fn join(&mut self, other: Watched) {
        self.files.extend(other.files);
    }

    pub fn changed(&self) -> bool {
        self.files.iter().any(|(path, known)| stamp(path) != *known)
    }

    /// Takes the files as they are now for what is known.
    pub fn renew(&mut self) {
        self.files.iter_mut().for_each(|(path, known)| *known = stamp(path));
    }
}
