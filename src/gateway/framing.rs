//! The framing of a client's requests, checked before Pingora reads it: its
//! reader of chunks is looser than RFC 9112 §7.1 (an empty size line ends the
//! body; line feeds alone, quotes without an end and trailers without a colon are
//! taken), and what is loose here and strict in a proxy before it hides requests.
//!
//! The bytes of an HTTP/1 connection are followed from header to header. Headers
//! themselves are judged by [`super::header`]; what that refuses ends the
//! connection, so nothing is followed after it.

mod chunks;

use chunks::{Chunks, Taken, is_token};

/// More of a header is not kept: such a header is refused by then.
const HEAD_BYTES_MAX: usize = 96 << 10;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    /// The part of a header that came without its end.
    head: Vec<u8>,
    /// Headers so far.
    heads: u32,
    /// Which of them breaks the rules here; nothing follows it.
    bad: Option<u32>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes of a body with a length.
    Body(u64),
    Chunks(Chunks),
    /// The request at hand ends the connection.
    Last,
}

impl Framing {
    /// Takes the next bytes in; gives how many of them come before the first that
    /// breaks the rules, and all of them where none does.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match &mut self.state {
                State::Head => self.head(rest),
                State::Body(left) => {
                    let taken = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::Head;
                    }
                    taken
                }
                State::Chunks(chunks) => match chunks.take(rest) {
                    Taken::All => rest.len(),
                    Taken::Ended(n) => {
                        self.state = State::Head;
                        n
                    }
                    Taken::Broken(n) => return at + n,
                },
                State::Last => rest.len(),
            };
        }
        at
    }

    /// Whether the header of a request, counted from one, breaks RFC 9112 §3 by its
    /// request line or §6 by its framing: Pingora takes some for what they might
    /// mean.
    pub fn is_bad(&self, nth: u32) -> bool {
        self.bad == Some(nth)
    }

    fn next_state(&mut self, head: &[u8]) -> State {
        // Empty lines may come before a request (RFC 9112 §2.2).
        let Some(start) = head.iter().position(|b| !matches!(b, b'\r' | b'\n')) else {
            return State::Head;
        };
        let head = &head[start..];
        self.heads += 1;
        let state = body_of(head).filter(|_| has_good_line(head));
        state.unwrap_or_else(|| {
            self.bad = Some(self.heads);
            State::Last
        })
    }

    /// Looks for the end of a header, which mostly is in the first bytes.
    fn head(&mut self, bytes: &[u8]) -> usize {
        const END: &[u8] = b"\r\n\r\n";
        if self.head.is_empty() {
            if let Some(end) = memchr::memmem::find(bytes, END) {
                self.state = self.next_state(&bytes[..end]);
                return end + END.len();
            }
            self.head.extend_from_slice(bytes);
            return bytes.len();
        }
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let from = before.saturating_sub(END.len() - 1);
        match memchr::memmem::find(&self.head[from..], END) {
            Some(end) => {
                let end = from + end;
                let head = std::mem::take(&mut self.head);
                self.state = self.next_state(&head[..end]);
                end + END.len() - before
            }
            None => {
                if self.head.len() > HEAD_BYTES_MAX {
                    self.state = State::Last;
                    self.head = Vec::new();
                }
                bytes.len()
            }
        }
    }
}

/// A method, a target and a version, with one space between them. A target is of
/// visible characters and has no fragment (RFC 3986, RFC 9112 §3.2).
fn has_good_line(head: &[u8]) -> bool {
    let line = head.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
    let mut parts = line.split(|b| *b == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    parts.next().is_none()
        && method.is_some_and(|m| !m.is_empty() && m.iter().all(|b| is_token(*b)))
        && target.is_some_and(is_target)
        && version.is_some_and(|v| v.starts_with(b"HTTP/"))
}

/// A path, a whole URL, or `*` (RFC 9112 §3.2).
fn is_target(target: &[u8]) -> bool {
    let whole =
        |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme));
    (target.starts_with(b"/") || target == b"*" || whole(b"http://") || whole(b"https://"))
        && target.iter().all(|b| b.is_ascii_graphic() && *b != b'#')
}

/// How the body after a header is framed; `None` where it is framed twice or in no
/// known way.
fn body_of(head: &[u8]) -> Option<State> {
    let (mut length, mut chunked) = (None, false);
    for line in head.split(|b| *b == b'\n').skip(1) {
        // Most lines are of neither field, which their first letter tells.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
            match (length.is_some(), digits) {
                (false, Some(n)) => length = Some(n),
                _ => return None,
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            chunked = true;
        }
    }
    match (chunked, length) {
        (true, None) => Some(State::Chunks(Chunks::default())),
        (true, Some(_)) => None,
        (false, None | Some(0)) => Some(State::Head),
        (false, Some(n)) => Some(State::Body(n)),
    }
}

#[cfg(test)]
mod tests;
