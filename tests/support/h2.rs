//! HTTP/2 on both sides: a client of the product, and an API.

use super::DEADLINE;
use super::http::Response;
use super::message::Message;
use super::tls::{Identity, name};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream, server};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

/// One connection to the product.
pub struct Client {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    scheme: &'static str,
    address: SocketAddr,
}

impl Client {
    /// By prior knowledge.
    pub fn clear(address: SocketAddr) -> Self {
        let runtime = runtime();
        let sender = runtime.block_on(async {
            begin(TcpStream::connect(address).await.expect("a connection")).await
        });
        Client { runtime, sender, scheme: "http", address }
    }

    /// By ALPN.
    pub fn tls(address: SocketAddr, identity: &Identity) -> Self {
        let runtime = runtime();
        let connector = identity.connector(&["h2", "http/1.1"]);
        let sender = runtime.block_on(async {
            let socket = TcpStream::connect(address).await.expect("a connection");
            let tls = connector.connect(name(), socket).await.expect("a handshake");
            assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            begin(tls).await
        });
        Client { runtime, sender, scheme: "https", address }
    }

    /// Sends a message and leaves its answer; dropping what this gives resets
    /// the stream.
    pub fn begin(&mut self, message: &Message) -> Begun {
        let (scheme, address) = (self.scheme, self.address);
        let sender = &mut self.sender;
        self.runtime.block_on(async { send(sender, scheme, address, message).await })
    }

    /// Sends all messages at once and reads their answers.
    pub fn ask(&mut self, messages: &[Message]) -> Vec<Response> {
        let (scheme, address) = (self.scheme, self.address);
        let sender = &mut self.sender;
        let asked = async {
            let mut waiting = Vec::new();
            for message in messages {
                let (response, _) = send(sender, scheme, address, message).await;
                waiting.push(response);
            }
            let mut answers = Vec::new();
            for response in waiting {
                answers.push(read(response.await.expect("an answer")).await);
            }
            answers
        };
        self.runtime.block_on(async {
            tokio::time::timeout(DEADLINE, asked).await.expect("answers in time")
        })
    }
}

/// A stream whose answer nobody read yet.
pub type Begun = (ResponseFuture, SendStream<Bytes>);

async fn send(
    sender: &mut SendRequest<Bytes>,
    scheme: &str,
    address: SocketAddr,
    message: &Message,
) -> Begun {
    let mut request = http::Request::post(format!("{scheme}://{address}/mcp"));
    for (name, value) in message.headers() {
        request = request.header(name.to_ascii_lowercase(), value);
    }
    *sender = sender.clone().ready().await.expect("room for a stream");
    let request = request.body(()).expect("a request");
    let (response, mut body) = sender.send_request(request, false).expect("a stream");
    body.send_data(message.body().into(), true).expect("a body");
    (response, body)
}

async fn begin(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Bytes> {
    let (sender, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    tokio::spawn(connection);
    sender.ready().await.expect("HTTP/2")
}

async fn read(response: http::Response<RecvStream>) -> Response {
    let (head, mut stream) = response.into_parts();
    let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.expect("a body");
        let _ = stream.flow_control().release_capacity(piece.len());
        body.extend_from_slice(&piece);
    }
    Response { status: head.status.as_u16(), headers, body }
}

/// A request as the API saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub connection: usize,
    pub method: String,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An API that answers `{"ok":true}` over HTTP/2. It resets the stream of what
/// asks for `/reset` at once, and of `/cut` within the answer.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    runtime: Option<Runtime>,
}

impl Upstream {
    pub fn start(acceptor: Option<TlsAcceptor>) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        runtime.spawn(async move {
            for connection in 0.. {
                let Ok((socket, _)) = listener.accept().await else { return };
                let (log, acceptor) = (log.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(connection, socket, &log).await,
                        Some(acceptor) => {
                            if let Ok(socket) = acceptor.accept(socket).await {
                                serve(connection, socket, &log).await;
                            }
                        }
                    }
                });
            }
        });
        Upstream { address, seen, runtime: Some(runtime) }
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(
    connection: usize,
    socket: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<Seen>>,
) {
    let Ok(mut streams) = server::handshake(socket).await else { return };
    while let Some(Ok((request, mut respond))) = streams.accept().await {
        let (head, body) = request.into_parts();
        let uri = head.uri.to_string();
        let (reset, cut) = (uri.contains("/reset"), uri.contains("/cut"));
        let read = read(http::Response::new(body));
        // The body arrives while the connection is driven.
        let seen = tokio::select! {
            seen = read => seen,
            _ = std::future::poll_fn(|cx| streams.poll_closed(cx)) => return,
        };
        let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        let headers = head.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect();
        let method = head.method.to_string();
        log.lock().unwrap().push(Seen { connection, method, uri, headers, body: seen.body });
        if reset {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
            continue;
        }
        let answer = http::Response::builder().header("content-type", "application/json");
        let answer = answer.body(()).expect("an answer");
        if let Ok(mut stream) = respond.send_response(answer, false) {
            let _ = stream.send_data(Bytes::from_static(b"{\"ok\":true}"), !cut);
            if cut {
                stream.send_reset(h2::Reason::INTERNAL_ERROR);
            }
        }
    }
}
