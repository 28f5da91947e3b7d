//! The edge: versions of HTTP, TLS, framing, limits and deadlines.

mod support;

use serde_json::json;
use std::time::Duration;
use support::api::{self, WAYS};
use support::binary::Binary;
use support::h2;
use support::http::Connection;
use support::mcp::{Client, check};
use support::message::{BOTH, Era, Message};
use support::rig::Rig;
use support::tls::{self, Identity};
use support::upstream::{Upstream, json as json_answer, text};

fn call(way: &str) -> Message {
    Message::call(Era::Modern, &api::get(way), json!({"case": "x"}))
}

/// An API that answers everything, and a server with some limits before it.
fn limited(limits: serde_json::Value) -> (Upstream, Binary) {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    *rig.limits() = limits;
    let binary = rig.start();
    (upstream, binary)
}

/// Messages of every kind that ends with an answer.
fn mixture() -> Vec<Message> {
    let mut out = Vec::new();
    for era in BOTH {
        out.push(Message::new(era, "tools/list", json!({})));
        for way in WAYS {
            out.push(Message::call(era, &api::get(way), json!({"case": "x"})));
            let body = json!("é".repeat(50_000));
            out.push(Message::call(era, &api::post(way), json!({"case": "x", "body": body})));
        }
    }
    out
}

fn ask_all(client: &mut h2::Client) {
    let messages = mixture();
    for (message, response) in messages.iter().zip(client.ask(&messages)) {
        for name in ["connection", "transfer-encoding", "keep-alive", "server"] {
            assert_eq!(response.header(name), None, "{name} in HTTP/2");
        }
        let answer = check(message, response);
        assert!(answer.message.get("result").is_some(), "{}", answer.message);
    }
}

#[test]
fn http2_without_tls_where_it_is_configured() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    rig.config["listeners"] = json!([{"address": "127.0.0.1:0", "h2c": true}]);
    *rig.limits() = json!({"header_timeout": "500ms"});
    let binary = rig.start();
    let mut client = h2::Client::clear(binary.address);
    ask_all(&mut client);
    ask_all(&mut client);
    assert_eq!(Client::of(&binary).ask(&call("whole")).outcome(), "ok", "HTTP/1.1 on that port");
    // Nobody is waited for while it is open which version comes.
    Connection::open(binary.address).expect_end();
    let mut half = Connection::open(binary.address);
    half.send(b"PRI * HTTP/2.0");
    half.expect_end();
    let foreign = h2::Client::clear(binary.address)
        .ask(&[call("whole").also("Origin", "http://evil.example.com")]);
    assert_eq!(foreign[0].status, 403);
}

#[test]
fn tls_speaks_the_version_that_was_agreed_on() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let identity = Identity::new();
    let mut rig = Rig::of(&upstream);
    let files = json!({"cert": "tls.crt", "key": "tls.key"});
    rig.config["listeners"] = json!([{"address": "127.0.0.1:0", "tls": files}]);
    let setup = rig.setup();
    let setup = setup.file("tls.crt", &identity.certificate).file("tls.key", &identity.key);
    let binary = setup.start();
    assert!(binary.banner.contains("https://"), "{}", binary.banner);
    ask_all(&mut h2::Client::tls(binary.address, &identity));
    for (offered, want) in [(&["http/1.1"][..], Some("http/1.1")), (&[], None)] {
        let (mut connection, agreed) = tls::connect(binary.address, &identity, offered);
        assert_eq!(agreed.as_deref(), want);
        for message in mixture() {
            connection.send(&message.bytes(binary.address));
            let answer = check(&message, connection.response());
            assert!(answer.message.get("result").is_some(), "{}", answer.message);
        }
    }
    let mut plain = Connection::open(binary.address);
    plain.try_send(&call("whole").bytes(binary.address));
    assert!(upstream.requests().iter().all(|r| !r.head.contains("evil")));
}

#[test]
fn an_https_api_is_verified() {
    let identity = Identity::new();
    let upstream = Upstream::tls(identity.acceptor(&["http/1.1"]), |_| vec![text("good")]);
    let other = Identity::new();
    for (tls, want) in [
        (json!({"ca": "ca.pem"}), "ok"),
        (json!({"verify": false}), "ok"),
        (json!({"ca": "ca.pem", "server_name": "localhost"}), "ok"),
        (json!({"ca": "ca.pem", "server_name": "other.example"}), "upstream_refused"),
        (json!({"ca": "other.pem"}), "upstream_refused"),
        (json!({}), "upstream_refused"),
    ] {
        let mut rig = Rig::of(&upstream);
        rig.api()["upstream"]["tls"] = tls.clone();
        let setup = rig.setup().file("ca.pem", &identity.certificate);
        let binary = setup.file("other.pem", &other.certificate).start();
        let before = upstream.requests().len();
        for way in WAYS {
            let answer = Client::of(&binary).ask(&call(way));
            assert_eq!(answer.outcome(), want, "{way} {tls}: {}", answer.text());
        }
        let sent = upstream.requests().len() - before;
        assert_eq!(sent, if want == "ok" { 2 } else { 0 }, "{tls}");
    }
}

#[test]
fn an_http2_api_is_asked_over_http2() {
    let identity = Identity::new();
    let by_alpn = h2::Upstream::start(Some(identity.acceptor(&["h2"])));
    let clear = h2::Upstream::start(None);
    for (upstream, url, settings) in [
        (&by_alpn, format!("https://{}", by_alpn.address), json!({"tls": {"ca": "ca.pem"}})),
        (&clear, format!("http://{}", clear.address), json!({"http2": "always"})),
    ] {
        let mut rig = Rig::to(&url);
        for (key, value) in settings.as_object().expect("settings") {
            rig.api()["upstream"][key] = value.clone();
        }
        let binary = rig.setup().file("ca.pem", &identity.certificate).start();
        for way in WAYS {
            let mut client = Client::of(&binary);
            for body in [json!(1), json!("x".repeat(40_000)), json!("x".repeat(70_000))] {
                let arguments = json!({"case": "x", "body": body});
                let message = Message::call(Era::Modern, &api::post(way), arguments);
                let answer = client.ask(&message.also("Cookie", "canary"));
                assert_eq!(
                    (answer.outcome().as_str(), answer.text()),
                    ("ok", r#"{"ok":true}"#.into())
                );
                let seen = upstream.requests().pop().expect("a request");
                assert_eq!(seen.body, body.to_string().into_bytes());
                assert_eq!((seen.method.as_str(), seen.uri), ("POST", format!("{url}/{way}/x")));
                assert!(!format!("{:?}", seen.headers).contains("canary"), "{:?}", seen.headers);
                assert!(!seen.headers.iter().any(|(n, _)| n == "host"), "{:?}", seen.headers);
            }
            assert_eq!(client.ask(&call(way)).outcome(), "ok");
            for case in ["reset", "cut"] {
                let call = Message::call(Era::Modern, &api::get(way), json!({"case": case}));
                let answer = Client::of(&binary).ask(&call);
                assert!(answer.is_error(), "{way} {case}: {}", answer.text());
            }
            assert_eq!(Client::of(&binary).ask(&call(way)).outcome(), "ok", "{way} after a reset");
        }
    }
}

#[test]
fn a_header_that_never_ends_is_not_waited_for() {
    let (upstream, binary) = limited(json!({"header_timeout": "400ms", "idle_timeout": "400ms"}));
    let bytes = call("whole").bytes(binary.address);
    let drip = |mut connection: Connection| {
        for byte in &bytes[..100] {
            if !connection.try_send(&[*byte]) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        connection.expect_end();
    };
    drip(Connection::open(binary.address));
    let mut second = Connection::open(binary.address);
    second.send(&bytes);
    assert_eq!(second.response().status, 200);
    drip(second);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn silent_connections_end() {
    let (_upstream, binary) = limited(json!({"header_timeout": "400ms", "idle_timeout": "1s"}));
    let mut silent = Connection::open(binary.address);
    let first = silent.time_to_end();
    assert!(first >= Duration::from_millis(300), "{first:?}");
    let mut idle = Connection::open(binary.address);
    for _ in 0..2 {
        idle.send(&call("whole").bytes(binary.address));
        assert_eq!(idle.response().status, 200);
    }
    let idle = idle.time_to_end();
    assert!(idle >= Duration::from_millis(900), "{idle:?}");
    binary.wait_metric("drawbridge_open{what=\"connections\"}", 0.0);
}

#[test]
fn a_body_that_drips_is_answered_and_the_connection_closed() {
    let (upstream, binary) = limited(json!({"body_timeout": "400ms"}));
    for way in WAYS {
        let bytes = call(way).bytes(binary.address);
        let (sent, rest) = bytes.split_at(bytes.len() - 60);
        let mut connection = Connection::open(binary.address);
        connection.send(sent);
        for byte in &rest[..40] {
            if !connection.try_send(&[*byte]) {
                break;
            }
            std::thread::sleep(Duration::from_millis(15));
        }
        let response = connection.response();
        assert_eq!(response.status, 408, "{way}: {}", response.text());
        assert!(response.closes() && response.text().contains("-32600"), "{response:?}");
        connection.expect_end();
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn connections_and_requests_are_counted() {
    let (_upstream, binary) =
        limited(json!({"connections": 2, "requests_per_connection": 3, "calls": 1000}));
    binary.wait_metric("drawbridge_open{what=\"connections\"}", 0.0);
    let mut open: Vec<Connection> = (0..2).map(|_| Connection::open(binary.address)).collect();
    for connection in &mut open {
        connection.send(&call("whole").bytes(binary.address));
        assert_eq!(connection.response().status, 200);
    }
    let mut third = Connection::open(binary.address);
    third.expect_end();
    assert!(binary.metric("drawbridge_connections_refused_total") >= 1.0);
    open.pop().expect("a connection").close();
    binary.wait_metric("drawbridge_open{what=\"connections\"}", 1.0);
    let mut fourth = Connection::open(binary.address);
    let mut answers = 0;
    loop {
        fourth.send(&call("whole").bytes(binary.address));
        answers += 1;
        if fourth.response().closes() {
            break;
        }
        assert!(answers < 5, "a connection that never ends");
    }
    fourth.expect_end();
}

#[test]
fn calls_in_flight_are_bounded() {
    let gate = support::upstream::Gate::shut();
    let kept = gate.clone();
    let upstream = Upstream::start(move |_| {
        vec![support::upstream::Step::Gate(kept.clone()), json_answer("{}")]
    });
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"calls": 1});
    let binary = rig.start();
    for way in WAYS {
        let before = upstream.requests().len();
        let mut first = Client::of(&binary);
        first.connection().send(&call(way).bytes(binary.address));
        upstream.wait("the first call", |log| log.requests.len() > before);
        for other in WAYS {
            let mut second = Client::of(&binary);
            let refused = second.ask(&call(other));
            assert_eq!(refused.verdict(), (503, -32603), "{}", refused.message);
            assert_eq!(refused.response.header("retry-after"), Some("1"));
            let list = second.ask(&Message::modern("tools/list", json!({})));
            assert_eq!(list.status, 200, "lists need no place");
        }
        gate.open();
        assert_eq!(first.connection().response().status, 200);
        binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
    }
}

#[test]
fn limits_change_with_a_reload() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    let binary = rig.start();
    let arguments = json!({"case": "x", "body": "x".repeat(2000)});
    let message = Message::call(Era::Modern, "whole_post", arguments);
    assert_eq!(Client::of(&binary).ask(&message).status, 200);
    rig.server()["limits"] = json!({"request": "1KiB"});
    *rig.limits() = json!({"connections": 1});
    binary.dir.write("drawbridge.yaml", rig.config.to_string());
    binary.reload();
    assert_eq!(Client::of(&binary).ask(&message).status, 413);
    binary.wait_metric("drawbridge_open{what=\"connections\"}", 0.0);
    let _first = Connection::open(binary.address);
    binary.wait_metric("drawbridge_open{what=\"connections\"}", 1.0);
    Connection::open(binary.address).expect_end();
}
