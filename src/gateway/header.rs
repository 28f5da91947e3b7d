//! What a request's header must not be, and whether its connection stays.

use http::{Method, Version, header};
use pingora::http::RequestHeader;
use pingora_proxy::Session;

/// The longest request target and header section, in bytes, and the most header
/// fields.
const TARGET_BYTES_MAX: usize = 8 << 10;
const HEADER_BYTES_MAX: usize = 64 << 10;
const HEADER_FIELDS_MAX: usize = 100;

/// `Connection: close`, and HTTP/1.0 without `keep-alive`.
pub fn keeps_alive(session: &Session) -> bool {
    let request = session.req_header();
    let lines = request.headers.get_all(header::CONNECTION);
    let says = |word: &str| {
        let mut words = lines.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
        words.any(|t| t.trim().eq_ignore_ascii_case(word))
    };
    match request.version {
        Version::HTTP_10 | Version::HTTP_09 => says("keep-alive") && !says("close"),
        _ => !says("close"),
    }
}

/// A status for headers no honest client sends. `is_bad`: this one breaks rules
/// whose breaking Pingora mends ([`super::framing`]).
pub fn refused(session: &Session, is_bad: bool) -> Option<u16> {
    let request = session.req_header();
    if request.uri.path_and_query().is_some_and(|p| p.as_str().len() > TARGET_BYTES_MAX) {
        return Some(414);
    }
    let bytes: usize = request.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 4).sum();
    if bytes > HEADER_BYTES_MAX || request.headers.len() > HEADER_FIELDS_MAX {
        return Some(431);
    }
    if request.method == Method::CONNECT {
        return Some(405);
    }
    if is_bad || names_no_host(request) {
        return Some(400);
    }
    if request.version == Version::HTTP_2 {
        return None;
    }
    if request.headers.contains_key(header::UPGRADE) {
        return Some(400);
    }
    let raw = session.as_downstream().to_h1_raw();
    // A line that ends with LF alone is another line to other readers.
    if memchr::memchr_iter(b'\n', &raw).any(|at| at == 0 || raw[at - 1] != b'\r') {
        return Some(400);
    }
    // Both framings at once: the front of a smuggled request (RFC 9112 §6.1).
    let chunked = request.headers.get_all(header::TRANSFER_ENCODING).iter().collect::<Vec<_>>();
    if chunked.is_empty() {
        return None;
    }
    let plain = chunked.len() == 1 && chunked[0].as_bytes().eq_ignore_ascii_case(b"chunked");
    let knows_chunks = request.version == Version::HTTP_11;
    (has_length(&raw) || !plain || !knows_chunks).then_some(400)
}

/// Whether a raw header has a Content-Length, which Pingora takes out where there
/// is a Transfer-Encoding too.
pub fn has_length(raw: &[u8]) -> bool {
    raw.split(|b| *b == b'\n').any(|line| {
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"content-length")
    })
}

/// A request names its host once (RFC 9112 §3.2, RFC 9113 §8.3.1). Before HTTP/1.1
/// it need not.
fn names_no_host(request: &RequestHeader) -> bool {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() || host.is_some_and(|h| h.is_empty()) {
        return true;
    }
    match (request.version, host) {
        (Version::HTTP_2, host) => match (request.uri.authority(), host) {
            (None, None) => true,
            (Some(authority), Some(host)) => {
                !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
            }
            _ => false,
        },
        (Version::HTTP_11, None) => true,
        _ => false,
    }
}
