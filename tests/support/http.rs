//! A client of HTTP/1.1 on a raw socket. It reads strictly: what no answer of
//! the product may have makes the test fail where it is seen.

use super::{DEADLINE, shown};
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Every header field that an answer may have. One that is not here is a leak
/// of the upstream's or of the product's.
const ALLOWED: [&str; 12] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "mcp-session-id",
    "retry-after",
    "transfer-encoding",
    "x-accel-buffering",
    // Of answers to requests whose header is refused.
    "server",
    "keep-alive",
];

pub trait Socket: Read + Write + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// One connection to the product.
pub struct Connection {
    socket: Box<dyn Socket>,
    /// Bytes that were read and not used yet.
    buffer: Vec<u8>,
}

pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// All of it as it came, readable.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the server said that it closes.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }

    pub fn length(&self) -> Option<usize> {
        self.header("content-length").map(|v| v.parse().expect("Content-Length is a number"))
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|v| v == "chunked")
    }
}

/// A request as text: the head for a body.
pub fn post(path: &str, host: impl ToString, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n",
        host.to_string(),
        body.len()
    );
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    [out.as_bytes(), body].concat()
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the listener takes connections");
        socket.set_nodelay(true).expect("a socket option");
        Connection::over(Box::new(socket))
    }

    pub fn over(socket: Box<dyn Socket>) -> Self {
        socket.tcp().set_read_timeout(Some(DEADLINE)).expect("a socket option");
        socket.tcp().set_write_timeout(Some(DEADLINE)).expect("a socket option");
        Connection { socket, buffer: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
        self.socket.flush().expect("the server reads");
    }

    /// Sends what the server may refuse to read to its end.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).and_then(|()| self.socket.flush()).is_ok()
    }

    /// Closes the connection as a client that goes away does.
    pub fn close(self) {
        let _ = self.socket.tcp().shutdown(Shutdown::Both);
    }

    /// Sends no more, and still reads.
    pub fn half_close(&mut self) {
        self.socket.flush().expect("the server reads");
        self.socket.tcp().shutdown(Shutdown::Write).expect("a socket option");
    }

    /// The next answer, after any number of `100 Continue`.
    pub fn final_response(&mut self) -> Response {
        loop {
            let head = self.head().expect("an answer, not the end of the connection");
            if head.status != 100 {
                return self.rest_of(head);
            }
        }
    }

    /// More bytes; zero at the end of the connection.
    fn fill(&mut self) -> usize {
        let mut piece = [0; 64 << 10];
        match self.socket.read(&mut piece) {
            Ok(n) => {
                self.buffer.extend_from_slice(&piece[..n]);
                n
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came within {DEADLINE:?}; before it: {}", shown(&self.buffer))
            }
            // A reset, or TLS that ended without its farewell.
            Err(_) => 0,
        }
    }

    /// Exactly so many bytes.
    fn take(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n {
            let more = self.fill();
            assert!(more > 0, "the connection ended within a body: {}", shown(&self.buffer));
        }
        self.buffer.drain(..n).collect()
    }

    /// Up to and with a mark; `None` when the connection ends before any byte.
    fn through(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|w| w == mark) {
                return Some(self.buffer.drain(..at + mark.len()).collect());
            }
            if self.fill() == 0 {
                assert!(self.buffer.is_empty(), "cut off: {}", shown(&self.buffer));
                return None;
            }
        }
    }

    /// The next header section, checked, with an empty body.
    pub fn head(&mut self) -> Option<Response> {
        let bytes = self.through(b"\r\n\r\n")?;
        let text = String::from_utf8(bytes).expect("a header is text");
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.1 ").and_then(|s| s.get(..3)?.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("a status line: {first}"));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(": ").expect("a header field");
            let name = name.to_ascii_lowercase();
            assert!(ALLOWED.contains(&name.as_str()), "an answer has the header {line}");
            assert!(name != "server" || status >= 400, "{line}");
            assert!(!headers.iter().any(|(n, _)| *n == name), "twice: {line}");
            headers.push((name, value.to_owned()));
        }
        Some(Response { status, headers, body: Vec::new() })
    }

    /// The next answer, whole; `None` when the connection ends instead.
    pub fn try_response(&mut self) -> Option<Response> {
        let response = self.head()?;
        Some(self.rest_of(response))
    }

    fn rest_of(&mut self, mut response: Response) -> Response {
        assert!(response.status >= 200, "an informational answer: {response:?}");
        let stream = response.header("content-type") == Some("text/event-stream");
        assert!(!stream, "a stream, where an answer was expected");
        match (response.length(), response.is_chunked()) {
            (Some(n), false) => response.body = self.take(n),
            (None, true) => {
                while let Some(chunk) = self.chunk() {
                    response.body.extend(chunk);
                }
            }
            (length, chunked) => panic!("two framings or none: {length:?} {chunked}"),
        }
        response
    }

    pub fn response(&mut self) -> Response {
        self.try_response().expect("an answer, not the end of the connection")
    }

    /// The next chunk of a chunked body; `None` after the last.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.through(b"\r\n").expect("a chunk, not the end of the connection");
        let size = std::str::from_utf8(&line).ok().map(str::trim_end);
        let size = size.and_then(|s| usize::from_str_radix(s, 16).ok());
        let size = size.unwrap_or_else(|| panic!("a chunk's size: {}", shown(&line)));
        let mut chunk = self.take(size + 2);
        assert_eq!(chunk.split_off(size), b"\r\n", "what ends a chunk");
        (size > 0).then_some(chunk)
    }

    /// `100 Continue`, and nothing else.
    pub fn expect_continue(&mut self) {
        let head = self.head().expect("100 Continue, not the end of the connection");
        assert_eq!((head.status, head.headers.len()), (100, 0), "{head:?}");
    }

    /// All there is until the server closes: the status line, and what follows
    /// the header.
    pub fn until_end(&mut self) -> (String, Vec<u8>) {
        let head = String::from_utf8(self.through(b"\r\n\r\n").expect("a header")).expect("text");
        while self.fill() > 0 {}
        (head.lines().next().unwrap_or_default().to_owned(), std::mem::take(&mut self.buffer))
    }

    /// Reads until the server closes, whatever it sends before.
    pub fn read_to_end(&mut self) {
        while self.fill() > 0 {}
    }

    /// The server closes, and sends nothing before.
    pub fn expect_end(&mut self) {
        let n = self.fill();
        assert!(n == 0 && self.buffer.is_empty(), "more than was asked: {}", shown(&self.buffer));
    }

    /// The server closes after a while; how long that was.
    pub fn time_to_end(&mut self) -> Duration {
        let start = Instant::now();
        self.expect_end();
        start.elapsed()
    }

    /// Nothing is there to read that nobody asked for.
    pub fn expect_quiet(&mut self) {
        assert!(self.buffer.is_empty(), "more than was asked: {}", shown(&self.buffer));
    }
}
