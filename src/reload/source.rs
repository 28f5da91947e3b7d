//! Reading one file or URL, within bounds.

use crate::config::is_url;
use crate::read::DOCUMENT_BYTES_MAX;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A document's bytes, and the URL it has if it came from one.
pub struct Fetched {
    pub bytes: Vec<u8>,
    pub url: Option<String>,
}

const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads a file or fetches a URL; one byte over the limit is enough to know.
pub fn read_document_source(source: &str) -> Result<Fetched, String> {
    if is_url(source) {
        let bytes = fetch(source)?;
        return Ok(Fetched { bytes, url: Some(source.to_owned()) });
    }
    let file = std::fs::File::open(source).map_err(|e| format!("cannot be read: {e}"))?;
    let mut bytes = Vec::new();
    file.take(DOCUMENT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot be read: {e}"))?;
    Ok(Fetched { bytes, url: None })
}

fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(FETCH_TIMEOUT))
        .user_agent(concat!("drawbridge/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|e| format!("cannot be fetched: {e}"))?;
    response
        .body_mut()
        .with_config()
        .limit(DOCUMENT_BYTES_MAX as u64 + 1)
        .read_to_vec()
        .map_err(|e| format!("cannot be fetched: {e}"))
}

/// What stands for `${NAME}` and `${file:PATH}` in a configuration. A file's
/// last line break is not part of a secret; its path is relative to `base`, the
/// configuration's directory.
pub fn lookup(base: &Path, name: &str) -> Result<String, String> {
    match name.strip_prefix("file:") {
        Some(path) => std::fs::read_to_string(base.join(path))
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|e| format!("the file `{path}` cannot be read: {e}")),
        None => {
            std::env::var(name).map_err(|_| format!("the environment variable `{name}` is not set"))
        }
    }
}

/// From where other files of a document may be read.
pub struct Allowed {
    directories: Vec<PathBuf>,
    urls: Vec<String>,
}

impl Allowed {
    /// A file's own directory, and what the configuration adds. A document from
    /// a URL has no directory: what it refers to must be allowed by name.
    pub fn new(source: &str, configured: &[String]) -> Self {
        let (urls, mut directories): (Vec<String>, Vec<String>) =
            configured.iter().cloned().partition(|s| is_url(s));
        if !is_url(source) {
            let parent = Path::new(source).parent().unwrap_or(Path::new(""));
            let parent = parent.to_string_lossy().into_owned();
            directories.push(if parent.is_empty() { ".".to_owned() } else { parent });
        }
        let directories =
            directories.iter().filter_map(|d| std::fs::canonicalize(d).ok()).collect();
        Allowed { directories, urls }
    }

    pub fn fetch(&self, address: &str) -> Result<serde_json::Value, String> {
        if is_url(address) {
            if !self.urls.iter().any(|prefix| below(address, prefix)) {
                return Err("not under `references`, so it is not fetched".to_owned());
            }
        } else {
            // Resolved, so that no link leads out.
            let path =
                std::fs::canonicalize(address).map_err(|e| format!("cannot be read: {e}"))?;
            if !self.directories.iter().any(|d| path.starts_with(d)) {
                return Err("outside the document's directory and `references`".to_owned());
            }
        }
        let fetched = read_document_source(address)?;
        crate::read::read(fetched.bytes).map_err(|e| e.message)
    }
}

/// Whether a URL lies under a prefix, which ends where a path part does.
fn below(url: &str, prefix: &str) -> bool {
    url.strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}
