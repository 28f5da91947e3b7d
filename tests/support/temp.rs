//! A directory of one test, gone when it ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub struct Temp(PathBuf);

impl Temp {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("drawbridge-test-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory for the test");
        Temp(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file as a whole: a reader sees the old one or the new one.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let (path, part) = (self.0.join(name), self.0.join(format!("{name}.part")));
        std::fs::write(&part, content).expect("a file for the test");
        std::fs::rename(&part, &path).expect("a file for the test");
        path
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
