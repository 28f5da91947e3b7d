//! What flows between client, gateway and API when all goes well, and what must
//! not: bodies, connections, retries and headers, on both ways of an answer.

mod support;

use serde_json::{Value, json};
use support::api::{self, WAYS};
use support::http::Connection;
use support::mcp::{Client, check};
use support::message::{BOTH, Era, Message};
use support::rig::Rig;
use support::upstream::{Step, Upstream, json as json_answer, reply, text};

fn call(way: &str, case: &str) -> Message {
    Message::call(Era::Modern, &api::get(way), json!({"case": case}))
}

fn post(way: &str, body: Value) -> Message {
    Message::call(Era::Modern, &api::post(way), json!({"case": "x", "body": body}))
}

#[test]
fn idempotent_calls_survive_a_stale_connection_and_others_are_sent_once() {
    // The second request of every connection meets a closed door.
    let upstream = Upstream::start(|seen| match seen.nth {
        0 => vec![text("good")],
        _ => vec![Step::Close],
    });
    let binary = Rig::of(&upstream).start();
    let mut client = Client::of(&binary);
    for way in WAYS {
        // A connection may reach the pool a moment after the answer it brought.
        support::until("a call on a pooled connection", || {
            assert_eq!(client.ask(&call(way, "warm")).outcome(), "ok");
            let before = upstream.requests().len();
            assert_eq!(client.ask(&call(way, "again")).outcome(), "ok", "{way}");
            let tries: Vec<usize> = upstream.requests()[before..].iter().map(|r| r.nth).collect();
            // Once on the pooled connection, once on a new one.
            (tries == [1, 0]).then_some(())
        });
        support::until("a POST on a pooled connection", || {
            assert_eq!(client.ask(&call(way, "warm")).outcome(), "ok");
            let before = upstream.requests().len();
            let answer = Client::of(&binary).ask(&post(way, json!({"n": 1})));
            assert_eq!(upstream.requests().len(), before + 1, "{way}: a POST is never repeated");
            (answer.outcome() == "upstream_closed").then_some(())
        });
    }
}

#[test]
fn a_fresh_connection_that_fails_is_not_tried_again() {
    let upstream = Upstream::start(|_| vec![Step::Close]);
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let before = upstream.requests().len();
        assert_eq!(Client::of(&binary).ask(&call(way, "x")).outcome(), "upstream_closed");
        assert_eq!(upstream.requests().len(), before + 1, "{way}");
    }
}

#[test]
fn connections_are_kept_on_both_sides_unless_somebody_says_close() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "bye" => vec![reply("200 OK", "Connection: close\r\n", "bye"), Step::Close],
        _ => vec![text("good")],
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let mut client = Client::of(&binary);
        assert_eq!(client.ask(&call(way, "x")).outcome(), "ok");
        let mut opened_by_six = || {
            let connections = upstream.log().connections;
            for _ in 0..3 {
                assert_eq!(client.ask(&call(way, "x")).outcome(), "ok");
                assert_eq!(client.ask(&post(way, json!(1))).outcome(), "ok");
            }
            upstream.log().connections - connections
        };
        match way {
            // The connection is in the pool before the answer is sent.
            "whole" => assert_eq!(opened_by_six(), 0),
            // It may get there a moment after the answer it brought.
            _ => support::until("six calls that open no connection to the API", || {
                (opened_by_six() == 0).then_some(())
            }),
        }
        assert_eq!(client.opened, 1, "{way}");
        assert_eq!(client.ask(&call(way, "bye")).outcome(), "ok");
        assert_eq!(client.ask(&post(way, json!(1))).outcome(), "ok", "{way}: not on a closed one");
        assert_eq!(client.opened, 1, "{way}");
        let last = client.exchange(&call(way, "x").also("Connection", "close"));
        assert!(last.closes(), "{way}: {last:?}");
    }
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let upstream = Upstream::start(|seen| vec![text(seen.case())]);
    let binary = Rig::of(&upstream).start();
    let list = || Message::modern("tools/list", json!({}));
    for batch in [
        vec![call("whole", "a"), call("whole", "b")],
        vec![call("streamed", "a"), call("streamed", "b")],
        vec![call("whole", "a"), call("streamed", "b"), list(), call("whole", "c")],
        vec![list(), list(), call("streamed", "z")],
    ] {
        let bytes: Vec<u8> = batch.iter().flat_map(|m| m.bytes(binary.address)).collect();
        let mut connection = Connection::open(binary.address);
        connection.send(&bytes);
        for message in &batch {
            let answer = check(message, connection.response());
            assert!(answer.message.get("result").is_some(), "{}", answer.message);
        }
        connection.expect_quiet();
    }
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let upstream = Upstream::start(|seen| vec![json_answer(&seen.body)]);
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let mut connection = Connection::open(binary.address);
        for round in 0..2 {
            let message = post(way, json!({"round": round})).also("Expect", "100-continue");
            let (bytes, body) = (message.bytes(binary.address), message.body());
            let (head, _) = bytes.split_at(bytes.len() - body.len());
            connection.send(head);
            connection.expect_continue();
            connection.send(&body);
            let answer = check(&message, connection.response());
            assert_eq!(answer.outcome(), "ok", "{way}");
            assert!(!answer.response.closes(), "{way}: the connection is kept");
        }
        assert_eq!(upstream.last().header("expect"), None);
    }
}

#[test]
fn bodies_of_every_size_arrive_unchanged() {
    let upstream = Upstream::start(|seen| vec![json_answer(&seen.body)]);
    let mut rig = Rig::of(&upstream);
    rig.server()["limits"] = json!({"request": "2MiB"});
    let binary = rig.start();
    for era in BOTH {
        for way in WAYS {
            let mut client = Client::of(&binary);
            for size in [0, 1, 4000, 60_000, 70_000, 1 << 20] {
                let body = json!({"text": "é\u{1}\"".repeat(size / 10), "size": size});
                let arguments = json!({"case": "x", "body": body});
                let answer = client.call(era, &api::post(way), arguments);
                assert_eq!(answer.outcome(), "ok", "{era:?} {way} {size}");
                let seen = upstream.last();
                assert_eq!(serde_json::from_slice::<Value>(&seen.body).ok(), Some(body.clone()));
                assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string()));
                assert_eq!(serde_json::from_str::<Value>(&answer.text()).ok(), Some(body));
            }
            assert_eq!(client.opened, 1, "{era:?} {way}");
        }
    }
}

#[test]
fn a_body_at_the_limit_is_taken_and_one_byte_more_is_not() {
    const LIMIT: usize = 100 << 10;
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let mut rig = Rig::of(&upstream);
    rig.server()["limits"] = json!({"request": "100KiB"});
    let binary = rig.start();
    for way in WAYS {
        for (size, want) in [(LIMIT, 200), (LIMIT + 1, 413)] {
            let sized = |n: usize| post(way, json!("x".repeat(n))).id("1");
            let message = sized(size - sized(0).body().len());
            assert_eq!(message.body().len(), size);
            let mut chunked = message.bytes(binary.address);
            let head = String::from_utf8_lossy(&chunked[..chunked.len() - size]).into_owned();
            let head =
                head.replace(&format!("Content-Length: {size}"), "Transfer-Encoding: chunked");
            chunked = [
                head.as_bytes(),
                format!("{size:x}\r\n").as_bytes(),
                &message.body(),
                b"\r\n0\r\n\r\n",
            ]
            .concat();
            for bytes in [message.bytes(binary.address), chunked] {
                let before = upstream.requests().len();
                let mut connection = Connection::open(binary.address);
                connection.send(&bytes);
                let response = connection.response();
                assert_eq!(response.status, want, "{way} {size}: {}", response.text());
                if want == 413 {
                    assert!(response.text().contains("limits.request"), "{}", response.text());
                    assert_eq!(upstream.requests().len(), before);
                }
            }
        }
    }
}

#[test]
fn an_answer_that_comes_before_the_body_was_read_is_told() {
    let upstream = Upstream::start(|_| {
        let headers = "Connection: close\r\nContent-Type: text/plain\r\n";
        vec![reply("413 Content Too Large", headers, "too much"), Step::Close]
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        for size in [10, 40_000, 3 << 20] {
            let arguments = json!({"case": "early", "body": "x".repeat(size)});
            let message = Message::call(Era::Modern, &api::post(way), arguments);
            let answer = Client::of(&binary).ask(&message);
            // A reset may overtake an answer to a body that is still being sent.
            let lost = size > 1 << 20 && answer.outcome() == "upstream_closed";
            assert!(lost || answer.text().contains("HTTP 413"), "{way} {size}: {}", answer.text());
        }
    }
}

/// Secrets of a client's own.
const CANARIES: [(&str, &str); 12] = [
    ("Authorization", "Bearer canary-1"),
    ("Cookie", "session=canary-2"),
    ("Proxy-Authorization", "Basic canary-3"),
    ("DPoP", "canary-4"),
    ("X-Api-Key", "canary-5"),
    ("X-Forwarded-For", "canary-6"),
    ("Forwarded", "for=canary-7"),
    ("Mcp-Session-Id", "canary-8"),
    ("User-Agent", "canary-9"),
    ("Referer", "http://canary-10/"),
    ("Accept-Language", "canary-11"),
    ("Traceparent", "canary-12"),
];

fn with_canaries(message: Message) -> Message {
    CANARIES.iter().fold(message, |m, (n, v)| m.also(n, v))
}

#[test]
fn nothing_of_the_client_reaches_the_api_but_what_is_configured() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    let plain = rig.start();
    rig.api()["forward_headers"] = json!(["accept-language", "traceparent"]);
    rig.api()["headers"] = json!({"x-tenant": "acme"});
    let forwarding = rig.start();
    for way in WAYS {
        for message in [call(way, "x"), post(way, json!(1)), post(way, json!("x".repeat(70_000)))] {
            let answer = Client::of(&plain).ask(&with_canaries(message.clone()));
            assert_eq!(answer.outcome(), "ok");
            let seen = upstream.last();
            assert!(!seen.head.contains("canary") && !seen.head.contains("mcp"), "{}", seen.head);
            let known = [
                "host",
                "accept",
                "user-agent",
                "accept-encoding",
                "content-type",
                "content-length",
            ];
            for (name, value) in seen.headers() {
                assert!(known.contains(&name.as_str()), "{name}: {value} of {way}");
            }
            assert_eq!(seen.header("host"), Some(upstream.address.to_string()));
            assert_eq!(seen.header("accept-encoding").as_deref(), Some("identity"));

            let answer = Client::of(&forwarding).ask(&with_canaries(message));
            assert_eq!(answer.outcome(), "ok");
            let seen = upstream.last();
            let passed: Vec<&str> = seen.head.split("canary-").skip(1).map(|t| &t[..2]).collect();
            assert_eq!(passed, ["11", "12"], "{}", seen.head);
            assert_eq!(seen.header("x-tenant").as_deref(), Some("acme"));
        }
    }
}

#[test]
fn nothing_of_the_api_reaches_the_client_but_the_answer() {
    const SECRET: &str = "Set-Cookie: api=canary\r\nServer: canary/1.0\r\nVia: 1.1 canary.internal\r\n\
                          X-Powered-By: canary\r\nAccess-Control-Allow-Origin: *\r\n\
                          Alt-Svc: h3=\":443\"\r\nMcp-Session-Id: canary\r\n\
                          WWW-Authenticate: Basic realm=\"canary\"\r\nContent-Type: text/plain\r\n";
    let upstream = Upstream::start(|seen| {
        // Its own address, in the headers that a model is told.
        let own = seen.header("host").expect("a Host");
        let told = format!("Link: <http://{own}/next>\r\nLocation: http://{own}/new\r\n");
        match seen.case() {
            "204" => vec![Step::Send(format!("HTTP/1.1 204 No Content\r\n{SECRET}\r\n").into())],
            "500" => vec![reply("500 Oops", &format!("{SECRET}{told}"), "")],
            "201" => vec![reply("201 Created", &format!("{SECRET}{told}"), "good")],
            "302" => vec![reply("302 Found", &format!("{SECRET}{told}"), "")],
            _ => vec![reply("200 OK", SECRET, "good")],
        }
    });
    let mut rig = Rig::of(&upstream);
    rig.config["log"] = json!({"level": "debug"});
    let binary = rig.start();
    for way in WAYS {
        for case in ["200", "201", "204", "302", "500"] {
            // The client refuses every header field that it does not know.
            let answer = Client::of(&binary).ask(&call(way, case));
            let all = format!("{:?}", answer.response);
            assert!(!all.contains("canary"), "{way} {case}: {all}");
            let address = upstream.address.to_string();
            assert!(case == "302" || !all.contains(&address), "{way} {case}: {all}");
        }
    }
}

#[test]
fn credentials_of_the_gateway_reach_the_api_and_nobody_else() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = {
        let mut rig = Rig::of(&upstream);
        rig.document["components"] = json!({"securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "query": {"type": "apiKey", "in": "query", "name": "key"},
            "token": {"type": "http", "scheme": "bearer"},
        }});
        rig.document["security"] = json!([{"key": [], "query": [], "token": []}]);
        rig.api()["auth"] = json!({
            "key": {"value": "${KEY}"}, "query": {"value": "${KEY}"}, "token": {"value": "${KEY}"},
        });
        rig.config["log"] = json!({"level": "trace,pingora_core=info"});
        rig.setup().env("KEY", "hunter2 &secret").start()
    };
    let mut bytes = Vec::new();
    for way in WAYS {
        let mut client = Client::of(&binary);
        let answer = client.ask(&with_canaries(call(way, "x")));
        let seen = upstream.last();
        assert_eq!(seen.header("x-key").as_deref(), Some("hunter2 &secret"));
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer hunter2 &secret"));
        assert!(seen.target().ends_with("?key=hunter2%20%26secret"), "{}", seen.target());
        bytes.push(format!("{:?}", answer.response));
        bytes.push(client.ask(&Message::modern("tools/list", json!({}))).response.text());
    }
    bytes.push(binary.admin_get("/metrics").1);
    bytes.push(binary.admin_get("/status").1);
    support::until("a log to look at", || binary.log().contains("tools/call").then_some(()));
    bytes.push(binary.log());
    for text in bytes {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_client_that_goes_away_ends_the_call() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "silent" => vec![Step::Hang],
        "endless" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
            vec![Step::Send(head.into()), Step::Send(vec![b'a'; 1000]), Step::Hang]
        }
        _ => vec![text("good")],
    });
    let binary = Rig::of(&upstream).start();
    for notices in [false, true] {
        for way in api::WAYS {
            for case in ["silent", "endless"] {
                for tool in [api::get(way), api::post(way)] {
                    let mut message = Message::call(Era::Modern, &tool, json!({"case": case}));
                    if notices {
                        message = message.meta("progressToken", json!(1));
                    }
                    let before = upstream.requests().len();
                    let mut connection = Connection::open(binary.address);
                    connection.send(&message.bytes(binary.address));
                    upstream.wait("the call", |log| log.requests.len() > before);
                    let its = upstream.last().connection;
                    connection.close();
                    upstream.wait("the end of the call", |log| log.closed.contains(&its));
                }
            }
        }
        binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
        for tool in api::WAYS.map(api::get).iter().filter(|_| !notices) {
            let labels = format!("{{api=\"api\",outcome=\"cancelled\",tool=\"{tool}\"}}");
            assert_eq!(binary.metric(&format!("drawbridge_calls_total{labels}")), 2.0, "{tool}");
        }
    }
}
