//! What a connection may hold and how long: memory, time and the end of each side.

mod support;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::api;
use support::binary::Binary;
use support::http::{Connection, post};
use support::mcp::Client;
use support::message::{Era, Message};
use support::rig::Rig;
use support::tls::{self, Identity};
use support::until;
use support::upstream::{Gate, Step, Upstream, reply, text};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn call(tool: &str) -> Message {
    Message::call(Era::Modern, tool, json!({"case": "x"}))
}

#[test]
fn a_compressed_answer_is_streamed_in_constant_memory() {
    const BYTES: usize = 8 << 20;
    const CLIENTS: usize = 4;
    // Each byte becomes six of a JSON text.
    let packed = gzip(&vec![0; BYTES]);
    let headers = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    let upstream = Upstream::start(move |_| vec![reply("200 OK", headers, &packed)]);
    let binary = Rig::of(&upstream).start();
    let tool = api::get("streamed");
    let first = Client::of(&binary).ask(&call(&tool));
    assert_eq!(first.outcome(), "ok");
    assert_eq!(upstream.requests().len(), 2, "that it compresses was not known");
    let (_, before) = binary.memory();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut connection = Connection::open(binary.address);
                connection.send(&call(&tool).bytes(binary.address));
                let answer = connection.response();
                assert!(answer.body.len() > BYTES * 6, "{} bytes", answer.body.len());
            });
        }
    });
    assert_eq!(upstream.requests().len(), 2 + CLIENTS, "now it is");
    let (_, most) = binary.memory();
    assert!(most - before < 24 << 20, "{} bytes more", most - before);
}

#[test]
fn a_compressed_answer_to_what_is_not_repeated_is_bounded_as_if_it_were_whole() {
    let packed = gzip(&[b'a'; 5000]);
    let headers = "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n";
    for (limit, outcome) in [("8KiB", "ok"), ("4KiB", "upstream_too_large")] {
        let packed = packed.clone();
        let upstream = Upstream::start(move |_| vec![reply("200 OK", headers, &packed)]);
        let mut rig = Rig::of(&upstream);
        rig.api()["limits"] = json!({"response": limit});
        let binary = rig.start();
        let arguments = json!({"case": "x", "body": {}});
        let message = Message::call(Era::Modern, &api::post("streamed"), arguments);
        assert_eq!(Client::of(&binary).ask(&message).outcome(), outcome, "{limit}");
        assert_eq!(upstream.requests().len(), 1, "it is not sent twice");
        // From the second on it is known.
        assert_eq!(Client::of(&binary).ask(&message).outcome(), "ok", "{limit}");
    }
}

#[test]
fn unfinished_bodies_share_their_room() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"request_memory": "1MiB"});
    rig.server()["limits"] = json!({"request": "1MiB"});
    let binary = rig.start();
    let held = "drawbridge_request_body_bytes";
    let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
    let body = vec![b' '; 600 << 10];
    let whole = post("/mcp", binary.address, &headers, &body);
    let mut first = Connection::open(binary.address);
    first.send(&whole[..whole.len() - 1]);
    support::until("the body", || (binary.metric(held) > (590 << 10) as f64).then_some(()));
    let mut second = Connection::open(binary.address);
    second.send(&whole);
    let refused = second.response();
    assert_eq!((refused.status, refused.closes()), (503, true), "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.text().contains("large messages"), "{refused:?}");
    // One that comes in one piece needs no room.
    assert_eq!(Client::of(&binary).ask(&call("whole_get")).outcome(), "ok");
    first.send(b" ");
    assert_eq!(first.response().status, 400, "it is no message");
    binary.wait_metric(held, 0.0);
    let mut third = Connection::open(binary.address);
    third.send(&whole);
    assert_eq!(third.response().status, 400, "there is room again");
}

#[test]
fn so_much_of_a_refused_body_is_read_and_no_more() {
    const DISCARDED_MAX: usize = 8 << 20;
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let body = vec![b' '; DISCARDED_MAX + 1];
    for (bytes, closes) in [(DISCARDED_MAX, false), (DISCARDED_MAX + 1, true)] {
        let mut connection = Connection::open(binary.address);
        connection.try_send(&post("/none", binary.address, &[], &body[..bytes]));
        let response = connection.response();
        assert_eq!((response.status, response.closes()), (404, closes), "{bytes}");
    }
}

/// What a client may begin with and then say nothing more.
fn silences(
    address: SocketAddr,
    h2c: bool,
    secure: Option<&Identity>,
) -> Vec<(&'static str, Connection)> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    // A header that goes on and on.
    let begun: &[u8] = &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    let mut all = Vec::new();
    let mut add = |what, connection: Connection, bytes: &[u8]| {
        let mut connection = connection;
        connection.send(bytes);
        all.push((what, connection));
    };
    if h2c {
        add("a preface", Connection::open(address), PREFACE);
        add("settings", Connection::open(address), &[PREFACE, settings].concat());
        add("half an h2 header", Connection::open(address), &[PREFACE, settings, begun].concat());
    }
    match secure {
        None => {
            add("nothing", Connection::open(address), b"");
            add("half a header", Connection::open(address), b"POST /mcp HT");
            add("half a preface", Connection::open(address), &PREFACE[..10]);
        }
        Some(identity) => {
            let connect = |protocols: &[&str]| tls::connect(address, identity, protocols).0;
            add("no handshake", Connection::open(address), b"");
            add("half a handshake", Connection::open(address), &[22, 3, 1, 2, 0, 1]);
            add("nothing", connect(&["http/1.1"]), b"");
            add("half a header", connect(&["http/1.1"]), b"POST /mcp HT");
            add("h2 and nothing", connect(&["h2"]), b"");
            add("h2 and half a preface", connect(&["h2"]), &PREFACE[..20]);
            add("h2 and settings", connect(&["h2"]), &[PREFACE, settings].concat());
            add("h2 and half a header", connect(&["h2"]), &[PREFACE, settings, begun].concat());
        }
    }
    all
}

#[test]
fn every_listener_has_one_deadline_from_the_start_to_the_first_header() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let identity = Identity::new();
    for kind in
        [json!({}), json!({"h2c": true}), json!({"tls": {"cert": "tls.crt", "key": "tls.key"}})]
    {
        let mut rig = Rig::of(&upstream);
        *rig.limits() = json!({"header_timeout": "2s"});
        let mut listener = json!({"address": "127.0.0.1:0"});
        listener.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        rig.config["listeners"] = json!([listener]);
        let setup = rig.setup().file("tls.crt", &identity.certificate);
        let binary = setup.file("tls.key", &identity.key).start();
        let secure = kind.get("tls").is_some();
        let begun = Instant::now();
        let h2c = kind.get("h2c").is_some();
        let silent = silences(binary.address, h2c, secure.then_some(&identity));
        // Handshakes are among them.
        binary.wait_metric("drawbridge_open{what=\"connections\"}", silent.len() as f64);
        for (what, mut connection) in silent {
            connection.read_to_end();
            let took = begun.elapsed();
            assert!(took >= Duration::from_millis(1500), "{what}, {kind}: {took:?}");
            assert!(took < Duration::from_secs(6), "{what}, {kind}: {took:?}");
        }
        binary.wait_metric("drawbridge_open{what=\"connections\"}", 0.0);
    }
}

#[test]
fn the_admin_listener_checks_the_host_and_has_the_deadline() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"header_timeout": "500ms"});
    let binary = rig.start();
    let ask = |headers: &str| {
        let mut connection = Connection::open(binary.admin);
        connection.send(format!("GET /livez HTTP/1.1\r\n{headers}\r\n").as_bytes());
        let response = connection.response();
        connection.expect_end();
        response.status
    };
    for (headers, status) in [
        ("Host: localhost\r\n", 200),
        (&*format!("Host: {}\r\n", binary.admin), 200),
        ("Host: evil.example\r\n", 403),
        ("", 400),
        ("Host: \r\n", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
        ("Host: localhost\r\nOrigin: http://evil.example\r\n", 403),
    ] {
        assert_eq!(ask(headers), status, "{headers}");
    }
    let (begun, mut silent) = (Instant::now(), Connection::open(binary.admin));
    silent.send(b"GET /livez HT");
    silent.expect_end();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// The tools of both ways that read.
fn reading() -> [String; 2] {
    api::WAYS.map(api::get)
}

#[test]
fn a_client_that_closes_its_side_gets_its_answer() {
    for (tool, waits) in reading().iter().flat_map(|t| [(t, false), (t, true)]) {
        let gate = Gate::shut();
        let held = gate.clone();
        let upstream = Upstream::start(move |_| vec![Step::Gate(held.clone()), text("good")]);
        let binary = Rig::of(&upstream).start();
        let mut connection = Connection::open(binary.address);
        connection.send(&call(tool).bytes(binary.address));
        connection.half_close();
        upstream.wait("the call", |log| !log.requests.is_empty());
        if waits {
            // Until it is looked for.
            assert_eq!(connection.head().map(|h| h.status), Some(100), "{tool}");
        }
        gate.open();
        let response = connection.final_response();
        assert!(response.text().contains("good"), "{tool}: {response:?}");
        connection.read_to_end();
        let counted =
            format!("drawbridge_calls_total{{api=\"api\",outcome=\"ok\",tool=\"{tool}\"}}");
        binary.wait_metric(&counted, 1.0);
    }
}

#[test]
fn a_client_that_closes_its_side_hears_of_progress_and_the_end() {
    let gate = Gate::shut();
    let held = gate.clone();
    let upstream = Upstream::start(move |_| vec![Step::Gate(held.clone()), text("good")]);
    let binary = Rig::of(&upstream).start();
    let mut connection = Connection::open(binary.address);
    let message = call("whole_get").meta("progressToken", json!(1));
    connection.send(&message.bytes(binary.address));
    connection.half_close();
    upstream.wait("the call", |log| !log.requests.is_empty());
    gate.open();
    let (status, body) = connection.until_end();
    let body = String::from_utf8_lossy(&body);
    assert!(status.contains("200") && body.contains("\"text\":\"good\""), "{status} {body}");
    assert!(body.ends_with("0\r\n\r\n"), "{body}");
}

#[test]
fn the_admin_listener_takes_so_many_connections() {
    const CONNECTIONS_MAX: usize = 64;
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let mut open: Vec<Connection> =
        (0..CONNECTIONS_MAX).map(|_| Connection::open(binary.admin)).collect();
    let mut more = Connection::open(binary.admin);
    more.read_to_end();
    let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", binary.admin);
    let mut last = open.pop().expect("a connection");
    last.send(request.as_bytes());
    assert_eq!(last.response().status, 200);
    drop(open);
    support::until("room again", || (binary.admin_get("/livez").0 == 200).then_some(()));
}

#[test]
fn codings_that_nobody_asked_for_are_no_answer() {
    for coding in ["gzip, chunked", "gzip", "chunked, gzip", "xchunked"] {
        let upstream = Upstream::start(move |_| {
            let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n");
            vec![Step::Send(head.into()), Step::Send(b"1\r\na\r\n0\r\n\r\n".to_vec()), Step::Close]
        });
        let binary = Rig::of(&upstream).start();
        for tool in reading() {
            let answer = Client::of(&binary).ask(&call(&tool));
            assert_eq!(answer.outcome(), "upstream_invalid", "{coding} {tool}");
        }
    }
}

fn idle(binary: &Binary, count: usize) -> Vec<Connection> {
    let ping = Message::legacy("ping", json!({})).bytes(binary.address);
    let mut all: Vec<Connection> = (0..count).map(|_| Connection::open(binary.address)).collect();
    for connection in &mut all {
        connection.send(&ping);
        assert_eq!(connection.response().status, 200);
    }
    all
}

#[test]
fn memory_of_closed_connections_comes_back() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let (before, _) = binary.memory();
    let open = idle(&binary, 2000);
    let (during, _) = binary.memory();
    assert!(during - before > 20 << 20, "they take {} bytes", during - before);
    drop(open);
    until("64 MiB or less", || (binary.memory().0 <= 64 << 20).then_some(()));
}
