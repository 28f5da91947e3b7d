//! Reading one file or URL, within bounds.

use super::fetch::fetch;
use crate::config::is_url;
use crate::read::DOCUMENT_BYTES_MAX;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the other files of one document may have together: two of the largest
/// documents, and twice the values of one.
const OTHER_BYTES_MAX: usize = 64 << 20;
const OTHER_VALUES_MAX: usize = 4_000_000;
/// No file is begun when reading the others has taken longer.
const OTHER_TIME_MAX: Duration = Duration::from_secs(120);

/// A document's bytes, and the URL it has if it came from one.
pub struct Fetched {
    pub bytes: Vec<u8>,
    pub url: Option<String>,
}

/// Reads a file or fetches a URL; one byte over the limit is enough to know.
pub fn read_document_source(source: &str) -> Result<Fetched, String> {
    if is_url(source) {
        let bytes = fetch(source, &|_| true)?;
        return Ok(Fetched { bytes, url: Some(source.to_owned()) });
    }
    let file = std::fs::File::open(source).map_err(|e| format!("cannot be read: {e}"))?;
    let mut bytes = Vec::new();
    file.take(DOCUMENT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format!("cannot be read: {e}"))?;
    Ok(Fetched { bytes, url: None })
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
    begun: Instant,
    bytes_left: usize,
    values_left: usize,
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
        Allowed {
            directories,
            urls,
            begun: Instant::now(),
            bytes_left: OTHER_BYTES_MAX,
            values_left: OTHER_VALUES_MAX,
        }
    }

    pub fn fetch(&mut self, address: &str) -> Result<serde_json::Value, String> {
        if self.begun.elapsed() > OTHER_TIME_MAX {
            let seconds = OTHER_TIME_MAX.as_secs();
            return Err(format!("not read: the files before it took more than {seconds} s"));
        }
        let bytes = match is_url(address) {
            true => self.fetch_url(address)?,
            false => self.read_file(address)?,
        };
        self.bytes_left = self.bytes_left.checked_sub(bytes.len()).ok_or_else(|| {
            let max = OTHER_BYTES_MAX >> 20;
            format!("the other files of the document have more than {max} MiB together")
        })?;
        let value = crate::read::read(bytes).map_err(|e| e.message)?;
        self.values_left = self.values_left.checked_sub(values(&value)).ok_or_else(|| {
            format!(
                "the other files of the document have more than {OTHER_VALUES_MAX} values together"
            )
        })?;
        Ok(value)
    }

    fn fetch_url(&self, url: &str) -> Result<Vec<u8>, String> {
        let below_one = |url: &str| self.urls.iter().any(|prefix| below(url, prefix));
        match below_one(url) {
            true => fetch(url, &below_one),
            false => Err("not under `references`, so it is not fetched".to_owned()),
        }
    }

    fn read_file(&self, name: &str) -> Result<Vec<u8>, String> {
        // Resolved, so that no link leads out.
        let path = std::fs::canonicalize(name).map_err(|e| format!("cannot be read: {e}"))?;
        if !self.directories.iter().any(|d| path.starts_with(d)) {
            return Err("outside the document's directory and `references`".to_owned());
        }
        // A pipe would be waited for, a device read without end.
        if !path.is_file() {
            return Err("not a file".to_owned());
        }
        Ok(read_document_source(name)?.bytes)
    }
}

/// The values of a document, which is nested no deeper than the reader allows.
fn values(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

/// Whether a URL lies under a prefix, which ends where a path part does. Both are
/// compared as they would be asked for; what could mean another place to a server
/// than here (an encoded dot or slash, a backslash) lies under none.
fn below(url: &str, prefix: &str) -> bool {
    let (Some((origin, path)), Some((wanted, under))) = (parts(url), parts(prefix)) else {
        return false;
    };
    let rest = path.strip_prefix(under.as_str());
    origin == wanted
        && rest.is_some_and(|r| under.ends_with('/') || r.is_empty() || r.starts_with('/'))
}

/// Scheme, host and port in one spelling, and the path without dot segments.
fn parts(url: &str) -> Option<((String, String, u16), String)> {
    let uri: http::Uri = url.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?.to_ascii_lowercase(), uri.authority()?);
    if authority.as_str().contains('@') {
        return None;
    }
    let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let mut decoded = uri.path().to_owned();
    // Servers may decode more than once.
    for _ in 0..4 {
        let next = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy().into_owned();
        if next == decoded {
            break;
        }
        decoded = next;
    }
    let leaves = decoded.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
    if leaves
        || decoded.contains('\\')
        || decoded.matches('/').count() != uri.path().matches('/').count()
    {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    Some(((scheme, host, port), uri.path().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_under_a_prefix() {
        let prefix = "https://h.test/specs";
        for (url, want) in [
            ("https://h.test/specs", true),
            ("https://h.test/specs/a.yaml", true),
            ("https://H.test:443/specs/a%20b.yaml", true),
            ("https://h.test/specsx/a.yaml", false),
            ("https://h.test/specs/../secret.yaml", false),
            ("https://h.test/specs/%2e%2e/secret.yaml", false),
            ("https://h.test/specs/%252e%252e/secret.yaml", false),
            ("https://h.test/specs/..%2fsecret.yaml", false),
            ("https://h.test/specs/a%2fb.yaml", false),
            ("https://h.test/specs/..\\secret.yaml", false),
            ("https://h.test/specs/%5c..%5csecret.yaml", false),
            ("http://h.test/specs/a.yaml", false),
            ("https://h.test:8443/specs/a.yaml", false),
            ("https://h.test.evil/specs/a.yaml", false),
            ("https://h.test@evil/specs/a.yaml", false),
        ] {
            assert_eq!(below(url, prefix), want, "{url}");
        }
        assert!(below("http://127.0.0.1:80/a/b", "http://127.0.0.1/a/"));
    }

    #[test]
    fn other_files_share_their_room() {
        let dir = std::env::temp_dir().join(format!("drawbridge-room-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            std::fs::write(dir.join(name), bytes).unwrap();
            dir.join(name).to_string_lossy().into_owned()
        };
        let small = file("small.json", b"{\"a\": [1]}");
        let source = dir.join("api.yaml").to_string_lossy().into_owned();
        let mut allowed = Allowed::new(&source, &[]);
        (allowed.bytes_left, allowed.values_left) = (20, 6);
        assert!(allowed.fetch(&small).is_ok() && allowed.fetch(&small).is_ok());
        assert!(allowed.fetch(&small).unwrap_err().contains("64 MiB together"));
        (allowed.bytes_left, allowed.values_left) = (1000, 2);
        assert!(allowed.fetch(&small).unwrap_err().contains("4000000 values together"));
        allowed = Allowed::new(&source, &[]);
        allowed.begun -= OTHER_TIME_MAX + Duration::from_secs(1);
        assert!(allowed.fetch(&small).unwrap_err().contains("took more than 120 s"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
