//! The API behind the load test: a small, fast HTTP/1.1 server on one thread.
//!
//! It has to cost little beside what is measured in front of it, so it knows only what a proxy
//! sends: keep-alive, pipelining, bodies with a Content-Length. A request it cannot read closes the
//! connection. Not for an open port. With a file named as the second argument it speaks TLS, with a
//! certificate made at the start that the file then holds.
//!
//! | request | answer |
//! |---|---|
//! | `GET /items/{id}`, also `/structured` and `/stream` under it | 200, a JSON object of 1 KiB |
//! | the same under `/tool{n}` | the same |
//! | `GET /items/0/structured` | 200, an item that breaks its schema: the id is a string |
//! | `POST /items` | 201, the body it was sent |
//! | `GET /sized?bytes=N` | 200, a JSON object of N bytes |
//! | `GET /tools-page` | 200, a fixed JSON body |

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const ITEM_BYTES: usize = 1024;
/// As much as a request may have: the load test sends about 1 KiB.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// The shortest object that `/sized` can make, and the longest it agrees to.
const SIZED_BYTES_MIN: usize = SIZED_START.len() + SIZED_END.len();
const SIZED_BYTES_MAX: usize = 64 << 20;
const SIZED_START: &[u8] = br#"{"data":""#;
const SIZED_END: &[u8] = br#""}"#;
static SIZED_CHUNK: [u8; 64 << 10] = [b'a'; 64 << 10];

/// As many quotes as a usual API answer has: escaping them is a part of what is measured.
const ITEM_MIDDLE: &str = concat!(
    r#","name":"Writing desk","price":249.5,"currency":"EUR","in_stock":true,"supplier":null,"#,
    r#""tags":["oak","office","flat-packed"],"#,
    r#""dimensions":{"width":140.0,"depth":70.0,"height":74.5,"unit":"cm"},"#,
    r#""reviews":[{"author":"Ann","stars":5,"text":"Solid \"and\" pretty"},"#,
    r#"{"author":"Ben","stars":4,"text":"Took an hour to build"},"#,
    r#"{"author":"Cleo","stars":5,"text":"Just what I wanted"},"#,
    r#"{"author":"Dora","stars":3,"text":"Darker than in the picture"}],"#,
    r#""stock":[{"city":"Ghent","count":12,"updated":"2026-03-01T08:00:00Z"},"#,
    r#"{"city":"Porto","count":3,"updated":"2026-03-01T08:05:00Z"},"#,
    r#"{"city":"Turku","count":0,"updated":"2026-02-27T17:30:00Z"}],"#,
    r#""related":[{"id":12,"name":"Desk lamp"},{"id":31,"name":"Drawer unit"}],"#,
    r#""description":"#,
    "\"",
);
const ITEM_END: &[u8] = br#""}"#;
static ITEM_FILLER: [u8; ITEM_BYTES] = [b'x'; ITEM_BYTES];

/// Shows whether answers are held to their schema at all.
const BROKEN_ITEM: &[u8] = br#"{"id":"none","name":"An item whose id is no number"}"#;

const TOOLS_PAGE: &str = concat!(
    r#"{"tools":[{"name":"getItem","description":"Get one item.","#,
    r#""inputSchema":{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}}]}"#,
);

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let Some(address) = words.next() else {
        eprintln!("usage: loadtest_upstream ADDRESS [CERTIFICATE_FILE]");
        std::process::exit(2);
    };
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    // Before it listens: whoever finds it listening finds its certificate.
    let acceptor = words.next().map(|file| tls(address, &file)).transpose()?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        // A client that leaves in mid-request is no news here.
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) => serve(acceptor.accept(stream).await?).await,
                None => serve(stream).await,
            }
        });
    }
}

/// A certificate of its own for `address`, written to `file`.
fn tls(address: SocketAddr, file: &str) -> io::Result<TlsAcceptor> {
    let made = rcgen::generate_simple_self_signed([address.ip().to_string()]);
    let made = made.map_err(io::Error::other)?;
    std::fs::write(file, made.cert.pem())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.map_err(io::Error::other)?)
        .map_err(io::Error::other)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut received = Vec::with_capacity(16 << 10);
    let mut answers = Vec::with_capacity(16 << 10);
    while stream.read_buf(&mut received).await? > 0 {
        let mut consumed = 0;
        while let Some(request) = Request::parse(&received[consumed..])? {
            consumed += request.bytes;
            match sized(&request) {
                Some(bytes) => {
                    flush(&mut stream, &mut answers).await?;
                    send_sized(&mut stream, bytes).await?;
                }
                None => answer(&request, &mut answers),
            }
        }
        received.drain(..consumed);
        flush(&mut stream, &mut answers).await?;
    }
    Ok(())
}

async fn flush(stream: &mut (impl AsyncWrite + Unpin), answers: &mut Vec<u8>) -> io::Result<()> {
    stream.write_all(answers).await?;
    answers.clear();
    stream.flush().await
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    body: &'a [u8],
    /// How much of the input this request took, head and body.
    bytes: usize,
}

impl<'a> Request<'a> {
    /// The first whole request in `input`; `None` as long as a part of it is missing.
    fn parse(input: &'a [u8]) -> io::Result<Option<Self>> {
        let Some(head_end) = memmem::find(input, b"\r\n\r\n") else {
            return if input.len() > REQUEST_BYTES_MAX { Err(unreadable()) } else { Ok(None) };
        };
        let head = std::str::from_utf8(&input[..head_end]).map_err(|_| unreadable())?;
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1")) =
            (words.next(), words.next(), words.next())
        else {
            return Err(unreadable());
        };
        let body_start = head_end + 4;
        let bytes = body_start + body_bytes(headers)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(input.get(body_start..bytes).map(|body| Self { method, path, query, body, bytes }))
    }
}

fn body_bytes(headers: &str) -> io::Result<usize> {
    let mut bytes = 0;
    for (name, value) in headers.split("\r\n").filter_map(|header| header.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            bytes = value.trim().parse().map_err(|_| unreadable())?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(unreadable());
        }
    }
    if bytes > REQUEST_BYTES_MAX { Err(unreadable()) } else { Ok(bytes) }
}

fn unreadable() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn answer(request: &Request, out: &mut Vec<u8>) {
    match (request.method, request.path, item_id(request.path)) {
        ("GET", "/items/0/structured", _) => send(out, "200 OK", BROKEN_ITEM),
        ("GET", _, Some(id)) => send_item(out, id),
        ("GET", "/tools-page", _) => send(out, "200 OK", TOOLS_PAGE.as_bytes()),
        ("POST", "/items", _) => send(out, "201 Created", request.body),
        _ => send(out, "404 Not Found", br#"{"error":"no such page"}"#),
    }
}

/// The id in `/items/{id}`, `/items/{id}/structured` and `/items/{id}/stream`, also under `/tool{n}`.
fn item_id(path: &str) -> Option<&str> {
    // One path for each of many tools.
    let path = match path.strip_prefix("/tool") {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => path,
    };
    let rest = path.strip_prefix("/items/")?;
    let (id, view) = rest.split_once('/').unwrap_or((rest, ""));
    let is_number = (1..=18).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && matches!(view, "" | "structured" | "stream")).then_some(id)
}

fn send(out: &mut Vec<u8>, status: &str, body: &[u8]) {
    out.extend_from_slice(head(status, body.len()).as_bytes());
    out.extend_from_slice(body);
}

fn head(status: &str, bytes: usize) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {bytes}\r\n\r\n"
    )
}

/// The hot answer: no allocation, always `ITEM_BYTES` long whatever the id.
fn send_item(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1024\r\n\r\n",
    );
    let start = out.len();
    for part in [br#"{"id":"#, id.as_bytes(), ITEM_MIDDLE.as_bytes()] {
        out.extend_from_slice(part);
    }
    let filler = ITEM_BYTES - ITEM_END.len() - (out.len() - start);
    out.extend_from_slice(&ITEM_FILLER[..filler]);
    out.extend_from_slice(ITEM_END);
}

/// How many bytes `GET /sized?bytes=N` asks for, brought within what can be made.
fn sized(request: &Request) -> Option<usize> {
    if (request.method, request.path) != ("GET", "/sized") {
        return None;
    }
    let bytes = request.query.strip_prefix("bytes=")?.parse::<usize>().ok()?;
    Some(bytes.clamp(SIZED_BYTES_MIN, SIZED_BYTES_MAX))
}

async fn send_sized(stream: &mut (impl AsyncWrite + Unpin), bytes: usize) -> io::Result<()> {
    stream.write_all(head("200 OK", bytes).as_bytes()).await?;
    stream.write_all(SIZED_START).await?;
    let mut left = bytes - SIZED_BYTES_MIN;
    while left > 0 {
        let chunk = left.min(SIZED_CHUNK.len());
        stream.write_all(&SIZED_CHUNK[..chunk]).await?;
        left -= chunk;
    }
    stream.write_all(SIZED_END).await
}
