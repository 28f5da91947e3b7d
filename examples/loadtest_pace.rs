//! Sends one request at a fixed rate over a few connections and tells how long the answers took.
//!
//! wrk asks as fast as it is answered, or waits whole milliseconds; what an answer takes on a machine with
//! time to spare needs a pace in between. Times count from when a request was to be sent, so a
//! late one is not forgiven. The request is a file as `request.lua` reads it. A connection that is
//! closed after an answer is opened anew.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memchr::memmem;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const CONNECTIONS: usize = 8;

struct Connection {
    stream: TcpStream,
    /// When the request under way was to be sent.
    asked: Option<Instant>,
    answer: Vec<u8>,
}

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, file, rate, seconds] = &words[..] else {
        eprintln!("usage: loadtest_pace ADDRESS REQUEST_FILE REQUESTS_PER_SECOND SECONDS");
        std::process::exit(2);
    };
    let number = |text: &str| text.parse::<std::num::NonZeroU32>().map_err(io::Error::other);
    let (rate, seconds) = (number(rate)?.get(), number(seconds)?.get());
    let request = as_sent(&std::fs::read(file)?, address)?;
    let mut connections =
        (0..CONNECTIONS).map(|_| Connection::open(address)).collect::<io::Result<Vec<_>>>()?;
    let mut times = drive(&mut connections, &request, address, rate, seconds)?;
    times.sort();
    if times.is_empty() {
        return Err(io::Error::other("nothing was answered"));
    }
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_nanos() as f64 / 1e3;
    println!(
        "{{\"requests\":{},\"seconds\":{seconds},\"p50_us\":{:.1},\"p99_us\":{:.1},\"refused\":0,\"broken\":0}}",
        times.len(),
        at(0.5),
        at(0.99)
    );
    Ok(())
}

fn drive(
    connections: &mut [Connection],
    request: &[u8],
    address: &str,
    rate: u32,
    seconds: u32,
) -> io::Result<Vec<Duration>> {
    let pause = Duration::from_secs(1) / rate;
    let mut next = Instant::now();
    let end = next + Duration::from_secs(seconds.into());
    let mut waiting = VecDeque::new();
    let mut times = Vec::with_capacity((rate * seconds) as usize);
    while next < end {
        let now = Instant::now();
        while next <= now {
            waiting.push_back(next);
            next += pause;
        }
        for connection in connections.iter_mut().filter(|c| c.asked.is_none()) {
            let Some(due) = waiting.pop_front() else { break };
            // A request is small: it always fits into what the system holds.
            connection.stream.write_all(request)?;
            connection.asked = Some(due);
        }
        wait(connections, next.saturating_duration_since(Instant::now()))?;
        for connection in connections.iter_mut() {
            times.extend(connection.read(address)?);
        }
    }
    Ok(times)
}

fn wait(connections: &[Connection], time: Duration) -> io::Result<()> {
    let mut all: Vec<PollFd<'_>> = connections
        .iter()
        .filter(|c| c.asked.is_some())
        .map(|c| PollFd::new(&c.stream, PollFlags::IN))
        .collect();
    let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    poll(&mut all, Some(&time))?;
    Ok(())
}

impl Connection {
    fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, asked: None, answer: Vec::with_capacity(64 << 10) })
    }

    /// How long the answer took, once it is here whole.
    fn read(&mut self, address: &str) -> io::Result<Option<Duration>> {
        let Some(due) = self.asked else { return Ok(None) };
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => self.answer.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        }
        let Some(head) = memmem::find(&self.answer, b"\r\n\r\n") else { return Ok(None) };
        let text = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let length = header("content-length:").and_then(|n| n.trim().parse::<usize>().ok());
        let Some(length) = length.filter(|_| text.starts_with("http/1.1 200")) else {
            return Err(io::Error::other(format!("not what can be measured: {text}")));
        };
        if self.answer.len() < head + 4 + length {
            return Ok(None);
        }
        let took = due.elapsed();
        match header("connection:").is_some_and(|value| value.trim() == "close") {
            true => *self = Connection::open(address)?,
            false => (self.asked, _) = (None, self.answer.clear()),
        }
        Ok(Some(took))
    }
}

/// The request of a file with the headers that a client adds.
fn as_sent(file: &[u8], address: &str) -> io::Result<Vec<u8>> {
    let unreadable = || io::Error::other("the request file cannot be read");
    let end = memmem::find(file, b"\r\n\r\n").ok_or_else(unreadable)?;
    let head = std::str::from_utf8(&file[..end]).map_err(io::Error::other)?;
    let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let body = &file[end + 4..];
    let mut out = format!("{line} HTTP/1.1\r\nHost: {address}\r\n");
    if !headers.is_empty() {
        out += &format!("{headers}\r\n");
    }
    if !body.is_empty() {
        out += &format!("Content-Length: {}\r\n", body.len());
    }
    Ok([out.as_bytes(), b"\r\n", body].concat())
}
