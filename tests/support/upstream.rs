//! An API on a raw socket that does what its script says and remembers every
//! byte it was sent.

use super::{DEADLINE, shown};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What is done for a request, one after the other. After the last step the
/// connection is ready for the next request.
#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// The same bytes so many times, or until nobody reads them.
    Repeat(Vec<u8>, usize),
    /// Bytes one by one, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Nothing, until the other side closes.
    Hang,
    /// Nothing, until the test opens the gate.
    Gate(Gate),
    Close,
    Reset,
}

/// Holds a step back until a test has seen what it wants to see.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn shut() -> Self {
        Gate(Arc::new(Semaphore::new(0)))
    }

    pub fn open(&self) {
        self.0.add_permits(1);
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Connections count from zero, in the order they were accepted.
    pub connection: usize,
    /// Requests of one connection, from zero.
    pub nth: usize,
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The last segment of the path.
    pub fn case(&self) -> &str {
        self.target().split('?').next().and_then(|p| p.rsplit('/').next()).unwrap_or_default()
    }

    /// Every header field, names in lower case.
    pub fn headers(&self) -> Vec<(String, String)> {
        let lines = self.head.trim_end().split("\r\n").skip(1);
        lines
            .map(|l| l.split_once(": ").unwrap_or((l, "")))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// All of it.
    pub fn raw(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Log {
    pub connections: usize,
    pub requests: Vec<Seen>,
    /// Connections that ended, in that order.
    pub closed: Vec<usize>,
}

type Script = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

struct Shared {
    log: Mutex<Log>,
    changed: Condvar,
    script: Box<Script>,
}

impl Shared {
    fn tell(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.log.lock().unwrap());
        self.changed.notify_all();
    }
}

/// The running API.
pub struct Upstream {
    pub address: SocketAddr,
    tls: bool,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl Upstream {
    pub fn start(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Upstream::listen(None, Box::new(script))
    }

    pub fn tls(
        acceptor: TlsAcceptor,
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Upstream::listen(Some(acceptor), Box::new(script))
    }

    fn listen(acceptor: Option<TlsAcceptor>, script: Box<Script>) -> Self {
        let shared = Arc::new(Shared { log: Mutex::default(), changed: Condvar::new(), script });
        let (runtime, address) = spawn(shared.clone(), acceptor.clone());
        Upstream { address, tls: acceptor.is_some(), shared, runtime: Some(runtime) }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http{}://{}", if self.tls { "s" } else { "" }, self.address)
    }

    pub fn log(&self) -> Log {
        self.shared.log.lock().unwrap().clone()
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.log().requests
    }

    /// The latest request.
    pub fn last(&self) -> Seen {
        self.requests().pop().expect("a request reached the API")
    }

    /// Waits until the log is as it should be.
    pub fn wait(&self, what: &str, good: impl Fn(&Log) -> bool) {
        let start = Instant::now();
        let mut log = self.shared.log.lock().unwrap();
        while !good(&log) {
            let left = DEADLINE.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "the API never saw {what}: {log:#?}");
            log = self.shared.changed.wait_timeout(log, left).unwrap().0;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn spawn(shared: Arc<Shared>, acceptor: Option<TlsAcceptor>) -> (Runtime, SocketAddr) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket option");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(async move {
        let listener = TcpListener::from_std(listener).expect("a listener");
        while let Ok((socket, _)) = listener.accept().await {
            let connection = shared.log.lock().unwrap().connections;
            shared.tell(|log| log.connections += 1);
            let _ = socket.set_nodelay(true);
            let (shared, acceptor) = (shared.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => serve(&shared, connection, socket).await,
                    Some(acceptor) => {
                        if let Ok(socket) = acceptor.accept(socket).await {
                            serve(&shared, connection, socket).await;
                        }
                    }
                }
                shared.tell(|log| log.closed.push(connection));
            });
        }
    });
    (runtime, address)
}

async fn serve(shared: &Shared, connection: usize, mut socket: impl Socket) {
    let (mut buffer, mut nth) = (Vec::new(), 0);
    while let Some((head, body)) = read_request(&mut socket, &mut buffer).await {
        let seen = Seen { connection, nth, head, body };
        nth += 1;
        let steps = (shared.script)(&seen);
        shared.tell(|log| log.requests.push(seen));
        for step in steps {
            if !run(step, &mut socket).await {
                return;
            }
        }
    }
}

/// A request by its Content-Length: the product sends no other framing. A case
/// whose name begins with `early` is answered before its body is read.
async fn read_request(socket: &mut impl Socket, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        fill(socket, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    assert!(!head.to_ascii_lowercase().contains("\r\ntransfer-encoding"), "{head}");
    let length = head.to_ascii_lowercase();
    let length = length.split("\r\ncontent-length: ").nth(1).unwrap_or("0").lines().next();
    let mut length: usize = length.and_then(|l| l.parse().ok()).expect("a Content-Length");
    if head.contains("/early") {
        length = 0;
    }
    while buffer.len() < end + length {
        fill(socket, buffer).await?;
    }
    let mut request: Vec<u8> = buffer.drain(..end + length).collect();
    Some((head, request.split_off(end)))
}

async fn fill(socket: &mut impl Socket, buffer: &mut Vec<u8>) -> Option<()> {
    match socket.read_buf(buffer).await {
        Ok(1..) => Some(()),
        _ => None,
    }
}

/// Does one step; false when the connection is over.
fn run<'s, S: Socket>(
    step: Step,
    socket: &'s mut S,
) -> Pin<Box<dyn Future<Output = bool> + Send + 's>> {
    Box::pin(async move {
        match step {
            Step::Send(bytes) => write(socket, &bytes).await,
            Step::Repeat(bytes, times) => {
                for _ in 0..times {
                    if !write(socket, &bytes).await {
                        return false;
                    }
                }
                true
            }
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    tokio::time::sleep(pause).await;
                    if !write(socket, &[byte]).await {
                        return false;
                    }
                }
                true
            }
            Step::Hang => {
                while fill(socket, &mut Vec::new()).await.is_some() {}
                false
            }
            Step::Gate(gate) => {
                gate.0.acquire().await.expect("gates stay").forget();
                true
            }
            Step::Close => {
                let _ = socket.shutdown().await;
                false
            }
            Step::Reset => {
                let _ = socket.tcp().set_zero_linger();
                false
            }
        }
    })
}

async fn write(socket: &mut impl Socket, bytes: &[u8]) -> bool {
    socket.write_all(bytes).await.is_ok() && socket.flush().await.is_ok()
}

/// An answer of a status, with headers beside the framing.
pub fn reply(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Step {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    Step::Send([head.as_bytes(), body].concat())
}

/// A good answer in JSON.
pub fn json(body: impl AsRef<[u8]>) -> Step {
    reply("200 OK", "Content-Type: application/json\r\n", body)
}

/// A good answer in text.
pub fn text(body: impl AsRef<[u8]>) -> Step {
    reply("200 OK", "Content-Type: text/plain\r\n", body)
}

/// For assertions: the request's bytes, readable.
pub fn readable(seen: &Seen) -> String {
    shown(&seen.raw())
}
