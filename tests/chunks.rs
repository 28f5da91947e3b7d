//! Requests whose framing is broken: none is served, each ends its connection,
//! and no byte of one runs as another request. What is unusual and right is
//! served.

#[path = "chunks/bodies.rs"]
mod bodies;
#[path = "chunks/corpus.rs"]
mod corpus;
#[path = "chunks/heads.rs"]
mod heads;
#[path = "chunks/nginx.rs"]
mod nginx;
mod support;

use corpus::{HOST, Payload, Want};
use nginx::Nginx;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::{Shutdown, TcpStream};
use support::api::{self, WAYS};
use support::binary::Binary;
use support::http::Connection;
use support::mcp::{check, check_message};
use support::message::{Era, Message};
use support::rig::Rig;
use support::tls::{self, Identity};
use support::upstream::{Upstream, text};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

/// A server with one listener, and the API behind it.
struct Site {
    binary: Binary,
    upstream: Upstream,
    /// The certificate of a TLS listener.
    identity: Option<Identity>,
}

impl Site {
    fn clear() -> Self {
        Site::of(json!({"address": "127.0.0.1:0"}))
    }

    fn h2c() -> Self {
        Site::of(json!({"address": "127.0.0.1:0", "h2c": true}))
    }

    fn tls() -> Self {
        let files = json!({"cert": "tls.crt", "key": "tls.key"});
        Site::of(json!({"address": "127.0.0.1:0", "tls": files}))
    }

    fn of(listener: Value) -> Self {
        let upstream = Upstream::start(|_| vec![text("good")]);
        let identity = listener.get("tls").map(|_| Identity::new());
        let mut rig = Rig::of(&upstream);
        rig.config["listeners"] = json!([listener]);
        // A server that waits for the rest of a broken body answers 408, and the
        // test names the payload.
        *rig.limits() = json!({"body_timeout": "5s"});
        let mut setup = rig.setup();
        if let Some(identity) = &identity {
            setup = setup.file("tls.crt", &identity.certificate).file("tls.key", &identity.key);
        }
        Site { binary: setup.start(), upstream, identity }
    }

    fn open(&self) -> Link {
        let socket = TcpStream::connect(self.binary.address).expect("a connection");
        socket.set_nodelay(true).expect("a socket option");
        let tcp = socket.try_clone().expect("a second handle of the socket");
        let connection = match &self.identity {
            None => Connection::over(Box::new(socket)),
            Some(identity) => {
                let client = identity.client(&["http/1.1"]);
                let client = ClientConnection::new(client, tls::name()).expect("a client");
                let mut stream = StreamOwned::new(client, socket);
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock).expect("a handshake");
                }
                assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
                Connection::over(Box::new(stream))
            }
        };
        Link { connection, tcp }
    }

    /// How many calls have reached the API.
    fn calls(&self) -> usize {
        self.upstream.requests().len()
    }

    /// The cases of the calls that came after the first so many.
    fn cases_after(&self, before: usize) -> Vec<String> {
        self.upstream.requests()[before..].iter().map(|r| r.case().to_owned()).collect()
    }
}

/// A connection whose sending side can be closed.
struct Link {
    connection: Connection,
    tcp: TcpStream,
}

impl Link {
    /// Sends a payload, and what follows it in the same packet.
    fn send(&mut self, payload: &Payload, following: &[u8]) {
        let bytes = [&payload.bytes()[..], following].concat();
        self.connection.try_send(&bytes);
        if payload.ends {
            let _ = self.tcp.shutdown(Shutdown::Write);
        }
    }
}

/// When the good request follows a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Following {
    SamePacket,
    NextPacket,
}

const FOLLOWING: [Following; 2] = [Following::SamePacket, Following::NextPacket];

/// Prints the payload when a check fails that does not know it.
struct Named<'p>(&'p Payload, Following);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let bytes = self.0.bytes().escape_ascii().to_string();
            eprintln!("the payload: {}, {:?}: {bytes}", self.0.name, self.1);
        }
    }
}

fn expect(site: &Site, way: &str, payload: &Payload, following: Following) {
    let _named = Named(payload, following);
    match payload.want {
        Want::Served => expect_service(site, way, payload, following),
        Want::Refused => expect_refusal(site, way, payload, following, 400),
        Want::RefusedEarly(status) => expect_refusal(site, way, payload, following, status),
    }
}

/// The payload is served, and then the good request that follows it.
fn expect_service(site: &Site, way: &str, payload: &Payload, following: Following) {
    let name = &payload.name;
    let (first, second) = (corpus::call(way), corpus::hidden(way));
    let before = site.calls();
    let mut link = site.open();
    match following {
        Following::SamePacket => link.send(payload, &second.bytes(HOST)),
        Following::NextPacket => link.send(payload, b""),
    }
    let answer = check(&first, link.connection.response());
    assert_eq!(answer.outcome(), "ok", "{name}: {}", answer.message);
    assert!(!answer.response.closes(), "{name}: a good request keeps its connection");
    if following == Following::NextPacket {
        assert_eq!(site.cases_after(before), ["first"], "{name}");
        link.connection.send(&second.bytes(HOST));
    }
    let answer = check(&second, link.connection.response());
    assert_eq!(answer.outcome(), "ok", "{name}: {}", answer.message);
    assert_eq!(site.cases_after(before), ["first", "smuggled"], "{name}");
}

/// The payload is refused, the connection closes, and nothing reaches the API.
fn expect_refusal(site: &Site, way: &str, payload: &Payload, following: Following, status: u16) {
    let name = &payload.name;
    let hidden = corpus::hidden(way).bytes(HOST);
    let before = site.calls();
    let mut link = site.open();
    match following {
        Following::SamePacket => link.send(payload, &hidden),
        Following::NextPacket => link.send(payload, b""),
    }
    match link.connection.try_response() {
        Some(answer) => {
            let good = [status, 400].contains(&answer.status);
            assert!(good, "{name}: {status} or 400 was expected: {answer:?}");
            assert!(answer.closes(), "{name}: the answer announces the close: {answer:?}");
        }
        None => assert!(!payload.answered, "{name}: the connection ended without an answer"),
    }
    link.connection.try_send(&hidden);
    link.connection.expect_end();
    let cases = site.cases_after(before);
    assert!(cases.is_empty(), "{name}: the API was called: {cases:?}");
}

fn expect_all(site: &Site) {
    for way in WAYS {
        for payload in corpus::payloads(way) {
            for following in FOLLOWING {
                expect(site, way, &payload, following);
            }
        }
    }
}

#[test]
fn every_payload_on_a_cleartext_listener() {
    expect_all(&Site::clear());
}

#[test]
fn every_payload_on_a_listener_that_also_takes_http2() {
    expect_all(&Site::h2c());
}

#[test]
fn every_payload_on_a_tls_listener() {
    expect_all(&Site::tls());
}

#[test]
fn a_broken_body_ends_the_connection_where_the_header_alone_is_refused() {
    let site = Site::clear();
    for payload in corpus::refused_early("whole") {
        for following in FOLLOWING {
            expect(&site, "whole", &payload, following);
        }
    }
}

#[test]
fn the_preface_of_http2_is_no_request_of_http1() {
    for site in [Site::clear(), Site::tls()] {
        for following in FOLLOWING {
            expect(&site, "whole", &corpus::preface(), following);
        }
    }
}

#[test]
fn the_corpus_is_large_and_each_payload_has_its_own_name() {
    let payloads = corpus::payloads("whole");
    assert!(payloads.len() >= 200, "{} payloads", payloads.len());
    let names: HashSet<&str> = payloads.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names.len(), payloads.len(), "two payloads have one name");
}

/// nginx decides for itself what is a request. Drawbridge may serve those that
/// nginx passed on, each at most once, and no other.
#[test]
fn behind_nginx_no_call_comes_from_the_bytes_of_another() {
    let site = Site::clear();
    let Some(nginx) = Nginx::start(site.binary.address) else { return };
    let hidden = corpus::hidden("whole").also("Connection", "close").bytes(HOST);
    for (nth, payload) in corpus::payloads("whole").iter().enumerate() {
        let _named = Named(payload, Following::SamePacket);
        let (calls, passed) = (site.calls(), nginx.passed().len());
        nginx.exchange(&[payload.bytes(), hidden.clone()].concat());
        let last = Message::call(Era::Modern, &api::get("whole"), json!({"case": "after"}))
            .id(&format!("\"after {nth}\""))
            .path("/mcp?after")
            .also("Connection", "close");
        // The id shows that this is no late answer to another request.
        let (status, body) = nginx.answer(&last.bytes(HOST));
        assert_eq!(status, 200, "{}: {}", payload.name, support::shown(&body));
        check_message(&last, &body);
        let (calls, passed) = (site.cases_after(calls), &nginx.passed()[passed..]);
        let made = |case: &str| calls.iter().filter(|made| *made == case).count();
        let sent = |mark: &str| passed.iter().filter(|uri| uri.ends_with(mark)).count();
        let others = passed.len() - sent("?smuggled") - sent("?after");
        assert!(made("first") <= others, "{}: {passed:?}", payload.name);
        assert!(made("smuggled") <= sent("?smuggled"), "{}: {passed:?}", payload.name);
        assert_eq!((made("after"), sent("?after")), (1, 1), "{}: {passed:?}", payload.name);
        assert_eq!(calls.len(), made("first") + made("smuggled") + 1, "{}", payload.name);
    }
}
