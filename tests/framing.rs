//! Requests that are framed or labelled wrong: each is refused, and no byte of
//! it is taken for another request.

mod support;

use serde_json::json;
use support::api;
use support::http::Connection;
use support::mcp::Client;
use support::message::{Era, Message};
use support::rig::Rig;
use support::upstream::{Upstream, text};

fn call() -> Message {
    Message::call(Era::Modern, &api::get("whole"), json!({"case": "x"}))
}

/// A whole good request, to be hidden in a bad one.
fn hidden(address: impl ToString) -> Vec<u8> {
    Message::call(Era::Modern, &api::get("whole"), json!({"case": "smuggled"})).bytes(address)
}

#[test]
fn broken_framing_ends_the_connection_and_hides_no_request() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let body = call().body();
    let n = body.len();
    let chunk = format!("{n:x}\r\n");
    let plain: Vec<u8> = [chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    let te = "Transfer-Encoding: chunked";
    let cases: Vec<(&str, String, Vec<u8>)> = vec![
        ("both framings", format!("{te}\r\nContent-Length: {n}"), plain.clone()),
        ("both, the other way around", format!("Content-Length: 5\r\n{te}"), plain.clone()),
        ("both, odd case", format!("{te}\r\ncontent-LENGTH: 5"), plain.clone()),
        ("two lengths", format!("Content-Length: {n}\r\nContent-Length: 5"), body.clone()),
        ("a list of lengths", format!("Content-Length: {n}, 5"), body.clone()),
        ("a signed length", format!("Content-Length: +{n}"), body.clone()),
        ("a negative length", "Content-Length: -1".into(), body.clone()),
        ("a length in hex", format!("Content-Length: 0x{n:x}"), body.clone()),
        ("a length past all numbers", "Content-Length: 99999999999999999999".into(), body.clone()),
        ("chunked twice", format!("{te}\r\n{te}"), plain.clone()),
        ("chunked twice in one", format!("{te}, chunked"), plain.clone()),
        ("gzip and chunked", "Transfer-Encoding: gzip, chunked".into(), plain.clone()),
        ("an unknown coding", "Transfer-Encoding: xchunked".into(), plain.clone()),
        ("identity", "Transfer-Encoding: identity".into(), body.clone()),
        ("a blank before the colon", "Transfer-Encoding : chunked".into(), plain.clone()),
        ("no chunk size", te.into(), b"ZZ\r\n".to_vec()),
        ("a negative chunk size", te.into(), b"-1\r\n".to_vec()),
        ("a chunk size past all numbers", te.into(), b"fffffffffffffffff\r\n".to_vec()),
        ("a chunk longer than its size", te.into(), [b"5\r\n".as_slice(), &body].concat()),
        ("a folded line", format!("Content-Length: {n}\r\nX-A: b\r\n c"), body.clone()),
        ("a NUL in a header", format!("Content-Length: {n}\r\nX-A: \0"), body.clone()),
        (
            "an upgrade",
            format!("Content-Length: {n}\r\nConnection: upgrade\r\nUpgrade: h2c"),
            body.clone(),
        ),
    ];
    for (what, framing, body) in cases {
        let mut head = format!("POST /mcp HTTP/1.1\r\nHost: {}\r\n", binary.address);
        for (name, value) in call().headers() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let head = format!("{head}{framing}\r\n\r\n");
        // The hidden request comes in the same packet, and in the next one.
        for together in [true, false] {
            let mut connection = Connection::open(binary.address);
            let mut bytes = [head.as_bytes(), &body].concat();
            if together {
                bytes.extend(hidden(binary.address));
            }
            connection.try_send(&bytes);
            let first = connection.try_response();
            let status = first.as_ref().map_or(0, |r| r.status);
            assert!([0, 400].contains(&status), "{what}: {first:?}");
            assert!(first.is_none_or(|r| r.closes()), "{what}: the end is told");
            connection.try_send(&hidden(binary.address));
            connection.expect_end();
            assert!(upstream.requests().is_empty(), "{what}: {:?}", upstream.requests());
        }
    }
}

#[test]
fn headers_have_limits() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let fields = |n: usize| (0..n).fold(call(), |m, i| m.also(&format!("X-Field-{i}"), "v"));
    let wide = |n: usize| call().also("X-Wide", &"a".repeat(n));
    let long = |n: usize| call().path(&format!("/mcp?{}", "a".repeat(n - 5)));
    // What a call has besides: fields, and bytes of names, values and what is around.
    let text = String::from_utf8(call().bytes(binary.address)).expect("text");
    let head = text.split("\r\n\r\n").next().expect("a header");
    let own: Vec<&str> = head.split("\r\n").skip(1).collect();
    let own_bytes: usize = own.iter().map(|line| line.len() + 2).sum();
    let room = (64 << 10) - own_bytes - "X-Wide: \r\n".len();
    for (what, message, want) in [
        ("many fields", fields(100 - own.len()), 200),
        ("too many fields", fields(101 - own.len()), 431),
        ("a wide field", wide(room), 200),
        ("too wide a field", wide(room + 1), 431),
        ("a long target", long(8 << 10), 200),
        ("too long a target", long((8 << 10) + 1), 414),
    ] {
        let mut connection = Connection::open(binary.address);
        connection.send(&message.bytes(binary.address));
        let response = connection.response();
        assert_eq!(response.status, want, "{what}: {response:?}");
        if want != 200 {
            assert!(response.closes(), "{what}: {response:?}");
            assert_eq!(response.header("server"), None, "{what}: it says nothing of itself");
            connection.expect_end();
        }
    }
    let mut endless = Connection::open(binary.address);
    endless.send(b"POST /mcp HTTP/1.1\r\n");
    let line = format!("X-Pad: {}\r\n", "a".repeat(4000));
    let sent = (0..16_000).take_while(|_| endless.try_send(line.as_bytes())).count();
    assert!(sent < 16_000, "64 MB of header are read");
}

#[test]
fn a_message_says_what_it_is() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let mut client = Client::of(&binary);
    let kind = |value: &str| call().header("Content-Type", value);
    for (message, want) in [
        (kind("application/json"), 200),
        (kind("Application/JSON;charset=UTF-8"), 200),
        (call().without("Content-Type"), 415),
        (kind("text/plain"), 415),
        (kind("application/x-www-form-urlencoded"), 415),
        (kind("multipart/form-data; boundary=json"), 415),
        (kind("application/xml"), 415),
        (call().also("Content-Encoding", "gzip"), 415),
        (call().also("Content-Encoding", "br, gzip"), 415),
    ] {
        let response = client.exchange(&message);
        assert_eq!(response.status, want, "{message:?}: {}", response.text());
        let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(body["error"]["code"].as_i64(), (want == 415).then_some(-32600));
    }
    assert_eq!(client.opened, 1, "no answer costs the connection");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn clients_of_http_1_0_are_served() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    for way in api::WAYS {
        let message = Message::call(Era::Modern, &api::get(way), json!({"case": "x"}));
        let bytes = String::from_utf8(message.bytes(binary.address)).expect("text");
        let old = bytes.replacen("HTTP/1.1", "HTTP/1.0", 1);
        let mut connection = Connection::open(binary.address);
        connection.send(old.as_bytes());
        let (status, body) = connection.until_end();
        assert!(status.starts_with("HTTP/1.") && status.contains(" 200 "), "{way}: {status}");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("an answer, not chunks");
        assert_eq!(body["result"]["content"][0]["text"], "good", "{way}");
    }
    let mut kept = Connection::open(binary.address);
    let list = Message::modern("tools/list", json!({})).also("Connection", "keep-alive");
    let bytes = String::from_utf8(list.bytes(binary.address)).expect("text");
    for _ in 0..2 {
        kept.send(bytes.replacen("HTTP/1.1", "HTTP/1.0", 1).as_bytes());
        assert_eq!(kept.response().status, 200);
    }
}

#[test]
fn what_is_no_http_gets_no_service() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let host = binary.address;
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"hello\r\n\r\n".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        format!("POST /mcp HTTP/3.0\r\nHost: {host}\r\n\r\n").into_bytes(),
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
        format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n").into_bytes(),
        format!("POST  /mcp  HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
        format!("POST /m cp HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
        format!("POST http://evil.example/mcp HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
        b"POST /mcp HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let mut connection = Connection::open(host);
        connection.send(&bytes);
        let status = connection.try_response().map_or(400, |r| r.status);
        assert!(
            [400, 403, 404, 405, 505].contains(&status),
            "{status}: {}",
            support::shown(&bytes)
        );
    }
    assert_eq!(Client::of(&binary).ask(&call()).outcome(), "ok", "it serves on");
}

#[test]
fn other_paths_and_what_a_client_takes() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let mut client = Client::of(&binary);
    for (message, want) in [
        (call().path("/"), 404),
        (call().path("/mcp/"), 404),
        (call().path("/MCP"), 404),
        (call().path("/mcp/../mcp"), 404),
        (call().path("/readyz"), 404),
        (call().path("/metrics"), 404),
        (call().path("/mcp?a=b"), 200),
        (call().without("Accept"), 200),
        (call().header("Accept", "*/*"), 200),
        (call().header("Accept", "application/*;q=0.5"), 200),
        (call().header("Accept", "text/event-stream"), 200),
        (call().header("Accept", "text/html"), 406),
        (call().header("Content-Type", "application/json; charset=utf-8"), 200),
    ] {
        let response = client.exchange(&message);
        assert_eq!(response.status, want, "{message:?}: {}", response.text());
        let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(body["error"]["code"].as_i64(), (want != 200).then_some(-32600));
    }
    assert_eq!(client.opened, 1, "no answer costs the connection");
}
