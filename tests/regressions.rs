//! What was once wrong: each test tells the right behaviour.

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::api::{self, WAYS};
use support::binary::{Binary, Signal};
use support::http::Connection;
use support::mcp::{Client, check};
use support::message::{Era, Message};
use support::rig::Rig;
use support::upstream::{Gate, Step, Upstream, reply, text};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

fn call(way: &str, case: &str) -> Message {
    Message::call(Era::Modern, &api::get(way), json!({"case": case}))
}

/// Fails when a call takes until the whole time of the api is over.
fn in_time(what: &str, work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(8), "{what} took {took:?}");
}

/// The time of the api is long, that of its tools short.
fn short_tools(upstream: &Upstream) -> Binary {
    let mut rig = Rig::of(upstream);
    rig.api()["upstream"]["timeout"] = json!("15s");
    rig.api()["limits"] = json!({"stream": "64KiB"});
    for way in WAYS {
        for tool in [api::get(way), api::post(way)] {
            rig.tool(&tool)["timeout"] = json!("1s");
        }
    }
    rig.start()
}

#[test]
fn an_endless_streamed_answer_ends_at_its_limit() {
    let upstream = Upstream::start(|_| {
        let head = format!("{HEAD}\r\n");
        vec![Step::Send(head.into()), Step::Repeat(vec![b'a'; 9000], usize::MAX)]
    });
    let mut rig = Rig::of(&upstream);
    rig.api()["limits"] = json!({"stream": "64KiB"});
    rig.api()["upstream"]["timeout"] = json!("15s");
    let binary = rig.start();
    in_time("an answer over the limit", || {
        let answer = Client::of(&binary).ask(&call("streamed", "x"));
        assert_eq!(answer.outcome(), "upstream_too_large", "{}", answer.text());
    });
}

#[test]
fn a_streamed_answer_has_no_hints_without_end() {
    let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
    let upstream = Upstream::start(move |_| vec![Step::Repeat(hint.clone(), usize::MAX)]);
    let binary = short_tools(&upstream);
    in_time("a flood of hints", || {
        let answer = Client::of(&binary).ask(&call("streamed", "x"));
        assert!(answer.is_error(), "{}", answer.text());
    });
}

#[test]
fn a_streamed_fault_that_costs_the_connection_says_so() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "close" => vec![Step::Close],
        "garbage" => vec![Step::Send(b"no HTTP\r\n\r\n".to_vec()), Step::Hang],
        "unknown" => vec![reply("200 OK", "Content-Encoding: compress\r\n", "x")],
        _ => vec![text("good")],
    });
    let binary = Rig::of(&upstream).start();
    for case in ["close", "garbage", "unknown"] {
        let mut client = Client::of(&binary);
        assert!(client.ask(&call("streamed", case)).is_error(), "{case}");
        // On the same connection, or on a new one after `Connection: close`.
        assert_eq!(client.ask(&call("streamed", "good")).outcome(), "ok", "after {case}");
    }
}

#[test]
fn a_broken_chunk_is_an_invalid_answer() {
    let upstream = Upstream::start(|seen| {
        let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
        let size = if seen.case() == "large" { "fffffffffffffffff" } else { "ZZ" };
        vec![Step::Send(head.into()), Step::Send(format!("{size}\r\nab\r\n").into()), Step::Hang]
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        for case in ["small", "large"] {
            let answer = Client::of(&binary).ask(&call(way, case));
            assert_eq!(answer.outcome(), "upstream_invalid", "{way} {case}: {}", answer.text());
        }
    }
}

#[test]
fn a_zstd_answer_that_is_cut_is_no_answer() {
    let whole = zstd::encode_all(&b"many words ".repeat(50_000)[..], 3).expect("memory");
    let upstream = Upstream::start(move |_| {
        let headers = "Content-Type: text/plain\r\nContent-Encoding: zstd\r\n";
        vec![reply("200 OK", headers, &whole[..whole.len() / 2])]
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let answer = Client::of(&binary).ask(&call(way, "x"));
        assert_eq!(answer.outcome(), "upstream_invalid", "{way}: {}", answer.text().len());
    }
}

#[test]
fn a_model_reads_no_more_of_an_error_than_is_promised() {
    let upstream = Upstream::start(|_| {
        vec![reply("500 Oops", "Content-Type: text/plain\r\n", vec![b'e'; 1 << 20])]
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let answer = Client::of(&binary).ask(&call(way, "x"));
        let size = answer.text().len();
        assert!(answer.is_error() && size < 8 << 10, "{way}: {size} bytes of an error");
    }
}

#[test]
fn calls_whose_notices_find_nobody_are_counted() {
    const CALLS: usize = 10;
    let gate = Gate::shut();
    let kept = gate.clone();
    let upstream = Upstream::start(move |_| vec![Step::Gate(kept.clone()), text("good")]);
    let binary = Rig::of(&upstream).start();
    for nth in 1..=CALLS {
        let message = call("whole", "x").meta("progressToken", json!(1));
        let mut connection = Connection::open(binary.address);
        connection.send(&message.bytes(binary.address));
        upstream.wait("the call", |log| log.requests.len() == nth);
        // The client leaves and the API answers while the process sees neither:
        // then it finds both at once, in either order.
        binary.signal(Signal::STOP);
        connection.close();
        gate.open();
        std::thread::sleep(Duration::from_millis(50));
        binary.signal(Signal::CONT);
        binary.wait_metric("drawbridge_open{what=\"connections\"}", 0.0);
    }
    let counted = ["cancelled", "ok"].map(|outcome| {
        let labels = format!("{{api=\"api\",outcome=\"{outcome}\",tool=\"whole_get\"}}");
        binary.metric(&format!("drawbridge_calls_total{labels}"))
    });
    assert_eq!(counted.iter().sum::<f64>(), CALLS as f64, "cancelled and ok: {counted:?}");
}

#[test]
fn a_connection_has_as_many_requests_as_configured() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"requests_per_connection": 3});
    let binary = rig.start();
    let mut connection = Connection::open(binary.address);
    for nth in 1..=3 {
        connection.send(&call("whole", "x").bytes(binary.address));
        assert_eq!(connection.response().closes(), nth == 3, "request {nth} of three");
    }
    connection.expect_end();
}

#[test]
fn a_filter_is_not_read_from_a_list() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    for filter in [json!([]), json!([true])] {
        let params = json!({"notifications": filter});
        let mut connection = Connection::open(binary.address);
        connection.send(&Message::modern("subscriptions/listen", params).bytes(binary.address));
        let head = connection.head().expect("an answer");
        assert_eq!(head.header("content-type"), Some("application/json"), "a stream for {filter}");
    }
}

#[test]
fn meta_is_not_read_from_a_list() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let meta = json!(["2026-07-28", {}, null, null]);
    let params = json!({"name": "whole_get", "arguments": {"case": "x"}, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let message = call("whole", "x").raw(body.to_string()).id("1");
    let answer = Client::of(&binary).ask(&message);
    assert_eq!(answer.verdict(), (400, -32602), "{}", answer.message);
}

#[test]
fn a_refused_subscription_has_its_id() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"streams": 1});
    let binary = rig.start();
    let listen = || Message::modern("subscriptions/listen", json!({"notifications": {}}));
    let mut first = Connection::open(binary.address);
    first.send(&listen().bytes(binary.address));
    assert_eq!(first.head().map(|r| r.status), Some(200));
    let refused = Client::of(&binary).ask(&listen());
    assert_eq!(refused.verdict(), (503, -32603));
    assert!(refused.message.get("id").is_some(), "{}", refused.message);
}

#[test]
fn lines_end_with_carriage_return_and_line_feed() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let message = call("whole", "x");
    let good = String::from_utf8(message.bytes(binary.address)).expect("text");
    for bytes in [
        // A front proxy that takes the line for one sees another length.
        good.replacen("\r\nContent-Length", "\r\nX-A: b\nContent-Length", 1),
        good.replacen("\r\n\r\n", "\n\n", 1),
    ] {
        let mut connection = Connection::open(binary.address);
        connection.send(bytes.as_bytes());
        let status = connection.try_response().map_or(400, |r| r.status);
        assert_eq!(status, 400, "{bytes}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_refusal_does_not_wait_for_a_body_that_waits_for_it() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let message = call("whole", "x").header("Content-Type", "text/plain");
    let message = message.also("Expect", "100-continue");
    let (bytes, body) = (message.bytes(binary.address), message.body());
    let start = Instant::now();
    for _ in 0..4 {
        let mut connection = Connection::open(binary.address);
        connection.send(&bytes[..bytes.len() - body.len()]);
        let answer = check(&message, connection.response());
        assert_eq!(answer.status, 415, "{}", answer.message);
    }
    // Two seconds each, where it waits.
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[test]
fn streamed_calls_go_to_all_addresses_and_past_a_dead_one() {
    let apis: Vec<Upstream> = (0..2).map(|_| Upstream::start(|_| vec![text("good")])).collect();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = gone.local_addr().expect("an address");
    drop(gone);
    for (urls, calls) in [
        (vec![apis[0].url(), apis[1].url()], 4),
        (vec![format!("http://{address}"), apis[0].url(), apis[1].url()], 12),
    ] {
        let mut rig = Rig::of(&apis[0]);
        rig.api()["upstream"]["urls"] = json!(urls);
        let binary = rig.start();
        let before = [&apis[0], &apis[1]].map(|a| a.requests().len());
        for _ in 0..calls {
            let answer = Client::of(&binary).ask(&call("streamed", "x"));
            assert_eq!(answer.outcome(), "ok", "of {}: {}", urls.len(), answer.text());
        }
        for (api, before) in apis.iter().zip(before) {
            assert!(api.requests().len() > before, "one of {} is never asked", urls.len());
        }
    }
}

#[test]
fn an_api_cannot_switch_protocols() {
    let upstream = Upstream::start(|_| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nX-Canary: y\r\n\r\nraw";
        vec![Step::Send(head.into()), Step::Hang]
    });
    let binary = short_tools(&upstream);
    for way in WAYS {
        // The client refuses an answer of 1xx and every header it does not know.
        let answer = Client::of(&binary).ask(&call(way, "x"));
        assert_eq!(answer.outcome(), "upstream_invalid", "{way}: {}", answer.text());
    }
}

#[test]
fn nothing_compressed_is_nothing() {
    let upstream = Upstream::start(|_| {
        let encoding = "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        vec![Step::Send(format!("{HEAD}{encoding}").into())]
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let answer = Client::of(&binary).ask(&call(way, "x"));
        assert_eq!(answer.outcome(), "ok", "{way}: {}", answer.text());
    }
}

#[test]
fn not_modified_is_no_redirect() {
    let upstream =
        Upstream::start(|_| vec![Step::Send(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec())]);
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let answer = Client::of(&binary).ask(&call(way, "x"));
        assert!(!answer.text().contains("redirects"), "{way}: {}", answer.text());
    }
}

#[test]
fn an_answer_with_two_framings_is_not_trusted() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "both" => {
            let both =
                "Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
            vec![Step::Send(format!("{HEAD}{both}").into())]
        }
        _ => vec![text("good")],
    });
    // On the streamed way Pingora takes the length out before we see it, which
    // RFC 9112 §6.3 allows, and keeps the connection.
    let binary = Rig::of(&upstream).start();
    assert_eq!(Client::of(&binary).ask(&call("whole", "both")).outcome(), "upstream_invalid");
    let its = upstream.last().connection;
    assert_eq!(Client::of(&binary).ask(&call("whole", "x")).outcome(), "ok");
    assert_ne!(upstream.last().connection, its, "used again");
}

#[test]
fn a_body_that_never_comes_is_late_and_not_broken() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"body_timeout": "300ms"});
    let binary = rig.start();
    let bytes = call("whole", "x").bytes(binary.address);
    // Two timers of the same length: which ends first is chance.
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let connection = |_| Connection::open(binary.address);
        let mut open: Vec<Connection> = (0..50).map(connection).collect();
        open.iter_mut().for_each(|connection| connection.send(&bytes[..bytes.len() - 1]));
        statuses.extend(open.iter_mut().map(|c| c.response().status));
    }
    let wrong = statuses.iter().filter(|s| **s != 408).count();
    assert_eq!(wrong, 0, "of {} answers", statuses.len());
}

#[test]
fn a_hang_up_while_it_starts_does_not_end_the_process() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let setup = Rig::of(&upstream).setup();
    // Starting fails when the process ends before it is ready.
    let binary = setup.start_with(|binary| binary.signal(Signal::HUP));
    binary.wait_metric("drawbridge_config_last_reload_ok", 1.0);
}

#[test]
fn a_file_that_changes_while_it_starts_is_seen() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let rig = Rig::of(&upstream).document(api::one("old"));
    let new = api::one("new").to_string();
    let binary = rig.setup().start_with(|binary| {
        binary.dir.write("api.json", &new);
    });
    support::until("the new tool", || {
        let list = Client::of(&binary).ask(&Message::modern("tools/list", json!({})));
        (list.result()["tools"][0]["name"] == "new").then_some(())
    });
}
