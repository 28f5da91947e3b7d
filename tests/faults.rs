//! An API that is silent, endless, elsewhere or not there.

mod support;

use serde_json::json;
use std::time::Duration;
use support::api;
use support::binary::Binary;
use support::binary::Signal;
use support::http::Connection;
use support::mcp::Client;
use support::message::{Era, Message};
use support::rig::Rig;
use support::upstream::{Step, Upstream, reply, text};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(bytes.into())
}

#[test]
fn silence_ends_at_the_deadline_of_the_api() {
    std::thread::scope(|scope| {
        for way in api::WAYS {
            scope.spawn(move || silence(way, "300ms", None));
        }
    });
}

#[test]
fn a_tool_s_own_deadline_goes_before_that_of_its_api() {
    std::thread::scope(|scope| {
        for way in api::WAYS {
            scope.spawn(move || silence(way, "60s", Some("300ms")));
        }
    });
}

fn silence(way: &str, of_api: &str, of_tools: Option<&str>) {
    let upstream = Upstream::start(|seen| match seen.case() {
        "silent" => vec![Step::Hang],
        "half_header" => vec![send("HTTP/1.1 200 OK\r\nConte"), Step::Hang],
        "half_body" => vec![send(format!("{HEAD}Content-Length: 9\r\n\r\nhalf")), Step::Hang],
        _ => vec![send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n9\r\nhalf")), Step::Hang],
    });
    let mut rig = Rig::of(&upstream);
    rig.api()["upstream"]["timeout"] = json!(of_api);
    let tools = [api::get(way), api::post(way)];
    for (tool, time) in tools.iter().zip(of_tools.iter().cycle()) {
        rig.tool(tool)["timeout"] = json!(time);
    }
    let binary = rig.start();
    let mut calls = 0;
    for case in ["silent", "half_header", "half_body", "half_chunk"] {
        for tool in &tools {
            let answer = Client::of(&binary).call(Era::Modern, tool, json!({"case": case}));
            let (outcome, text) = (answer.outcome(), answer.text());
            assert_eq!(outcome, "upstream_timeout", "{tool} {case}: {text}");
            let its = upstream.last().connection;
            upstream.wait("the end of the call", |log| log.closed.contains(&its));
            calls += 1;
        }
    }
    assert_eq!(upstream.requests().len(), calls, "nothing is sent twice");
    binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
}

#[test]
fn answers_without_end_are_cut_off() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "endless" => vec![send(format!("{HEAD}\r\n")), Step::Repeat(vec![b'a'; 9000], usize::MAX)],
        "chunks" => {
            let chunk = [b"1000\r\n".as_slice(), &[b'a'; 0x1000], b"\r\n"].concat();
            let head = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
            vec![send(head), Step::Repeat(chunk, usize::MAX)]
        }
        "announced" => vec![send(format!("{HEAD}Content-Length: 1073741824\r\n\r\n")), Step::Hang],
        "hints" => {
            let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
            vec![Step::Repeat(hint, usize::MAX)]
        }
        _ => vec![text("good")],
    });
    let mut rig = Rig::of(&upstream);
    rig.api()["limits"] = json!({"response": "64KiB", "stream": "64KiB"});
    let binary = rig.start();
    let mut client = Client::of(&binary);
    for (case, want) in [
        ("endless", "upstream_too_large"),
        ("chunks", "upstream_too_large"),
        ("announced", "upstream_too_large"),
        ("hints", "upstream_invalid"),
    ] {
        for tool in [api::get("whole"), api::post("whole")] {
            let answer = client.call(Era::Modern, &tool, json!({"case": case}));
            assert_eq!(answer.outcome(), want, "{tool} {case}: {}", answer.text());
            let broken = upstream.last().connection;
            upstream.wait("the end of the connection", |log| log.closed.contains(&broken));
            let next = client.call(Era::Modern, &tool, json!({"case": "good"}));
            assert_eq!(next.outcome(), "ok", "after {case}");
        }
    }
    assert_eq!(client.opened, 1, "the client's connection is not to blame");
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    let other = Upstream::start(|_| vec![text("elsewhere")]);
    let to = format!("Location: {}/x\r\n", other.url());
    let upstream = Upstream::start(move |_| vec![reply("307 Temporary Redirect", &to, "")]);
    let binary = Rig::of(&upstream).start();
    for way in api::WAYS {
        let answer = Client::of(&binary).call(Era::Legacy, &api::post(way), json!({"case": "x"}));
        assert_eq!(answer.outcome(), "error", "{}", answer.text());
        assert!(answer.text().contains("not followed"), "{}", answer.text());
    }
    assert_eq!(other.log().connections, 0);
    assert_eq!(upstream.requests().len(), 2, "one request for each call");
}

#[test]
fn an_api_that_is_not_there() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", gone.local_addr().expect("an address"));
    drop(gone);
    let binary = Rig::to(&url).start();
    for way in api::WAYS {
        for tool in [api::get(way), api::post(way)] {
            let answer = Client::of(&binary).call(Era::Modern, &tool, json!({"case": "x"}));
            assert_eq!(answer.outcome(), "upstream_refused", "{}", answer.text());
        }
    }
}

#[test]
fn an_answer_that_drips_ends_at_the_deadline() {
    let upstream = Upstream::start(|_| {
        let body = vec![b'a'; 100_000];
        vec![send(format!("{HEAD}\r\n")), Step::Drip(body, Duration::from_millis(20))]
    });
    let mut rig = Rig::of(&upstream);
    rig.api()["upstream"]["timeout"] = json!("500ms");
    let binary = rig.start();
    for way in api::WAYS {
        let answer = Client::of(&binary).call(Era::Modern, &api::get(way), json!({"case": "x"}));
        assert_eq!(answer.outcome(), "upstream_timeout", "{way}: {}", answer.text());
        let its = upstream.last().connection;
        upstream.wait("the end of the call", |log| log.closed.contains(&its));
    }
}

/// A client whose call has reached the API.
fn calling(binary: &Binary, upstream: &Upstream, way: &str) -> Connection {
    let before = upstream.requests().len();
    let message = Message::call(Era::Modern, &api::get(way), json!({"case": "x"}));
    let mut connection = Connection::open(binary.address);
    connection.send(&message.bytes(binary.address));
    upstream.wait("the call", |log| log.requests.len() > before);
    connection
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let upstream = Upstream::start(|_| {
        vec![send(format!("{HEAD}\r\n")), Step::Repeat(vec![b'a'; 9000], 6_000), Step::Close]
    });
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"write_timeout": "500ms"});
    rig.api()["limits"] = json!({"response": "60MiB", "stream": "60MiB"});
    let binary = rig.start();
    for way in api::WAYS {
        let _connection = calling(&binary, &upstream, way);
        let its = upstream.last().connection;
        upstream.wait("the end of the call", |log| log.closed.contains(&its));
        for what in ["calls", "connections"] {
            binary.wait_metric(&format!("drawbridge_open{{what=\"{what}\"}}"), 0.0);
        }
    }
}

/// Pingora does not read on after a byte that nobody expected.
#[test]
fn a_client_that_sends_too_much_does_not_keep_its_call() {
    let upstream = Upstream::start(|_| vec![Step::Hang]);
    let mut rig = Rig::of(&upstream);
    rig.api()["upstream"]["timeout"] = json!("300ms");
    let binary = rig.start();
    for way in api::WAYS {
        let mut connection = calling(&binary, &upstream, way);
        connection.send(b"P");
        let its = upstream.last().connection;
        upstream.wait("the end of the call", |log| log.closed.contains(&its));
        binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
    }
}

/// Small answers, whose headers are what the client does not take.
#[test]
fn a_client_that_asks_on_and_on_and_does_not_read_is_given_up() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    *rig.limits() = json!({"write_timeout": "300ms"});
    let binary = rig.start();
    let ping = Message::legacy("ping", json!({})).bytes(binary.address);
    let mut connection = Connection::open(binary.address);
    // Until nobody takes any more of them.
    while connection.try_send(&ping.repeat(100)) {}
    binary.wait_metric("drawbridge_open{what=\"connections\"}", 0.0);
}

#[test]
fn a_process_that_is_asked_to_end_waits_no_longer_than_its_grace() {
    for way in api::WAYS {
        let upstream = Upstream::start(|_| vec![Step::Hang]);
        let mut rig = Rig::of(&upstream);
        rig.config["shutdown"] = json!({"grace": "500ms"});
        rig.api()["upstream"]["timeout"] = json!("600s");
        let mut binary = rig.start();
        let mut connection = calling(&binary, &upstream, way);
        binary.signal(Signal::TERM);
        assert!(binary.wait_end().success(), "{way}");
        connection.expect_end();
    }
}
