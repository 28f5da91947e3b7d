//! What a request's header must not be, and whether its connection stays.

use http::{Version, header};
use pingora_proxy::Session;

/// The longest request target and header section, in bytes, and the most header
/// fields.
const TARGET_BYTES_MAX: usize = 8 << 10;
const HEADER_BYTES_MAX: usize = 64 << 10;
const HEADER_FIELDS_MAX: usize = 100;

/// `Connection: close`, and HTTP/1.0 without `keep-alive`.
pub fn keeps_alive(session: &Session) -> bool {
    let request = session.req_header();
    let says = |word: &str| {
        request
            .headers
            .get(header::CONNECTION)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(word)))
    };
    match request.version {
        Version::HTTP_10 | Version::HTTP_09 => says("keep-alive"),
        _ => !says("close"),
    }
}

/// A status for headers no honest client sends.
pub fn refused(session: &Session) -> Option<u16> {
    let request = session.req_header();
    if request.uri.path_and_query().is_some_and(|p| p.as_str().len() > TARGET_BYTES_MAX) {
        return Some(414);
    }
    let bytes: usize = request.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 4).sum();
    if bytes > HEADER_BYTES_MAX || request.headers.len() > HEADER_FIELDS_MAX {
        return Some(431);
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
    let has_length = raw
        .split(|b| *b == b'\n')
        .any(|line| line.get(..15).is_some_and(|l| l.eq_ignore_ascii_case(b"content-length:")));
    let plain = chunked.len() == 1 && chunked[0].as_bytes().eq_ignore_ascii_case(b"chunked");
    (has_length || !plain).then_some(400)
}
