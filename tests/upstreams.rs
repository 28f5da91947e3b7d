//! Everything an API can do wrong, on both ways an answer takes: each gives one
//! well-formed result, and the next call works.

mod support;

use serde_json::json;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use support::api;
use support::binary::Binary;
use support::mcp::Client;
use support::message::Era;
use support::rig::Rig;
use support::upstream::{Seen, Step, Upstream, json as json_answer, reply, text};

/// Bytes of the limits on an answer in these tests.
const LIMIT: usize = 64 << 10;

fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(bytes.into())
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut out =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for piece in body.chunks(7) {
        out.extend(format!("{:x}\r\n", piece.len()).bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn br(data: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 22);
    encoder.write_all(data).expect("memory");
    encoder.into_inner()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::encode_all(data, 3).expect("memory")
}

fn encoded(encoding: &str, body: Vec<u8>) -> Step {
    let headers = format!("Content-Type: text/plain\r\nContent-Encoding: {encoding}\r\n");
    reply("200 OK", &headers, body)
}

/// An address that answers once and never again, before one that always does.
#[test]
fn a_connection_that_turns_out_dead_is_replaced_by_another_address() {
    let answered = AtomicBool::new(false);
    let dying = Upstream::start(move |_| match answered.swap(true, Ordering::Relaxed) {
        false => vec![text("good")],
        true => vec![Step::Close],
    });
    let healthy = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&dying);
    rig.api()["upstream"]["urls"] = json!([dying.url(), healthy.url()]);
    let binary = rig.start();
    let mut client = Client::of(&binary);
    for _ in 0..3 {
        let answer = client.call(Era::Modern, &api::get("whole"), json!({"case": "x"}));
        assert_eq!(answer.outcome(), "ok", "{}", answer.text());
    }
    assert_eq!((dying.requests().len(), healthy.requests().len()), (2, 2));
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

/// What the API does in a case that leaves the connection as HTTP has it: the
/// steps, how the call ends on each way, and what its text says.
fn answers(case: &str) -> (Vec<Step>, [&'static str; 2], &'static str) {
    let long = "answer ".repeat(500);
    let bomb = vec![b'a'; 100 * LIMIT];
    let ok = ["ok", "ok"];
    let error = ["error", "error"];
    let invalid = ["upstream_invalid", "upstream_invalid"];
    let large = ["upstream_too_large", "upstream_too_large"];
    match case {
        "json" => (vec![json_answer(r#"{"a":[1,2]}"#)], ok, r#"{"a":[1,2]}"#),
        "text" => (vec![text("plain \u{1}\" text")], ok, "plain \u{1}\" text"),
        "chunked" => (
            vec![send(chunked(b"in chunks of seven")), send("0\r\n\r\n")],
            ok,
            "in chunks of seven",
        ),
        "trailers" => (
            vec![send(chunked(b"with trailers")), send("0\r\nX-Sum: 1\r\n\r\n")],
            ok,
            "with trailers",
        ),
        "drip" => {
            let whole = format!("{HEAD}Content-Length: 5\r\n\r\nslow!");
            (vec![Step::Drip(whole.into(), std::time::Duration::from_millis(1))], ok, "slow!")
        }
        "empty" => (vec![text("")], ok, "HTTP 200 OK: done; the API sent no content."),
        "empty_chunked" => (vec![send(chunked(b"")), send("0\r\n\r\n")], ok, ""),
        "204" => (vec![send("HTTP/1.1 204 No Content\r\n\r\n")], ok, "HTTP 204 No Content: done"),
        "304" => {
            (vec![send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")], error, "HTTP 304")
        }
        "until_close" => {
            (vec![send(format!("{HEAD}\r\nto the end")), Step::Close], ok, "to the end")
        }
        "http10" => (vec![send("HTTP/1.0 200 OK\r\n\r\nold"), Step::Close], ok, "old"),
        "at_limit" => (vec![text(vec![b'x'; LIMIT])], ok, "xxx"),
        "past_limit" => (vec![text(vec![b'x'; LIMIT + 1])], large, "64 KiB"),
        "404" => {
            let problem = r#"{"title":"Not Found","detail":"no such book"}"#;
            let kind = "Content-Type: application/problem+json\r\n";
            (vec![reply("404 Not Found", kind, problem)], error, "HTTP 404 Not Found")
        }
        "401" => {
            let challenge = "WWW-Authenticate: Bearer realm=\"internal.example\"\r\n";
            (vec![reply("401 Unauthorized", challenge, "")], error, "gateway's credentials")
        }
        "503" => {
            let headers = "Retry-After: 7\r\nContent-Type: text/plain\r\n";
            (vec![reply("503 Service Unavailable", headers, "busy")], error, "after 7 s")
        }
        "299" => (vec![reply("299 Fine", "Content-Type: text/plain\r\n", "fine")], ok, "fine"),
        "700" => (vec![reply("700 Odd", "Content-Type: text/plain\r\n", "odd")], error, "HTTP 700"),
        "redirect" => {
            let to = "Location: http://169.254.169.254/latest?key=secret\r\n";
            (vec![reply("302 Found", to, "")], error, "redirects to http://169.254.169.254, which")
        }
        "early" => {
            let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
            (vec![send(hints), send("HTTP/1.1 100 Continue\r\n\r\n"), text("late")], ok, "late")
        }
        "gzip" => (vec![encoded("gzip", gzip(long.as_bytes()))], ok, "answer answer"),
        "deflate" => (vec![encoded("deflate", zlib(long.as_bytes()))], ok, "answer answer"),
        "br" => (vec![encoded("br", br(long.as_bytes()))], ok, "answer answer"),
        "zstd" => (vec![encoded("zstd", zstd(long.as_bytes()))], ok, "answer answer"),
        "identity" => (vec![encoded("identity", b"as it is".to_vec())], ok, "as it is"),
        "GZIP" => (vec![encoded("GZIP", gzip(b"upper case"))], ok, "upper case"),
        "not_gzip" => {
            (vec![encoded("gzip", b"not compressed".to_vec())], invalid, "Content-Encoding")
        }
        "cut_gzip" => {
            let body = gzip(long.as_bytes());
            (vec![encoded("gzip", body[..body.len() - 9].to_vec())], invalid, "Content-Encoding")
        }
        "cut_br" => {
            let body = br(long.as_bytes());
            (vec![encoded("br", body[..body.len() - 2].to_vec())], invalid, "Content-Encoding")
        }
        "bomb_gzip" => (vec![encoded("gzip", gzip(&bomb))], large, ""),
        "bomb_br" => (vec![encoded("br", br(&bomb))], large, ""),
        "bomb_zstd" => (vec![encoded("zstd", zstd(&bomb))], large, ""),
        "bad_json" => (vec![json_answer("{\"a\":")], ["upstream_invalid", "ok"], "{\"a\":"),
        "bad_utf8" => (vec![json_answer(b"\"\xff\"")], ["upstream_invalid", "ok"], "\u{fffd}"),
        "deep_json" => (vec![json_answer("[".repeat(30_000))], ["upstream_invalid", "ok"], "[[["),
        "look_alike" => {
            let body = "\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
            (vec![text(body)], ok, body)
        }
        _ => panic!("no case {case}"),
    }
}

const ANSWERS: [&str; 36] = [
    "json",
    "text",
    "chunked",
    "trailers",
    "drip",
    "empty",
    "empty_chunked",
    "204",
    "304",
    "until_close",
    "http10",
    "at_limit",
    "past_limit",
    "404",
    "401",
    "503",
    "299",
    "700",
    "redirect",
    "early",
    "gzip",
    "deflate",
    "br",
    "zstd",
    "identity",
    "GZIP",
    "not_gzip",
    "cut_gzip",
    "cut_br",
    "bomb_gzip",
    "bomb_br",
    "bomb_zstd",
    "bad_json",
    "bad_utf8",
    "deep_json",
    "look_alike",
];

/// The same for cases after which the connection cannot be used again.
fn faults(case: &str) -> (Vec<Step>, &'static str) {
    let closed = "upstream_closed";
    let invalid = "upstream_invalid";
    match case {
        "close" => (vec![Step::Close], closed),
        "reset" => (vec![Step::Reset], closed),
        "close_in_status" => (vec![send("HTTP/1.1 20"), Step::Close], closed),
        "close_in_header" => (vec![send("HTTP/1.1 200 OK\r\nContent-Ty"), Step::Close], closed),
        "close_in_body" => {
            (vec![send(format!("{HEAD}Content-Length: 10\r\n\r\nhalf")), Step::Close], closed)
        }
        "reset_in_body" => {
            (vec![send(format!("{HEAD}Content-Length: 10\r\n\r\nhalf")), Step::Reset], closed)
        }
        "close_in_chunks" => (vec![send(chunked(b"half of it")), Step::Close], closed),
        "close_after_hints" => {
            (vec![send("HTTP/1.1 103 Early Hints\r\n\r\n"), Step::Close], closed)
        }
        "garbage" => (vec![send("\x16\x03\x01 no HTTP at all\r\n\r\n"), Step::Hang], invalid),
        "smtp" => (vec![send("220 mail.example ESMTP\r\n"), Step::Close], invalid),
        "two_lengths" => {
            let head = format!("{HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc");
            (vec![send(head), Step::Hang], invalid)
        }
        "bad_length" => {
            (vec![send(format!("{HEAD}Content-Length: x\r\n\r\nabc")), Step::Hang], invalid)
        }
        "unknown_encoding" => (vec![encoded("compress", b"x".to_vec())], invalid),
        "layers" => (vec![encoded("gzip, br", gzip(b"x"))], invalid),
        "huge_header" => {
            let line = format!("X-Pad: {}\r\n", "a".repeat(1000)).into_bytes();
            (vec![send(HEAD), Step::Repeat(line, 4000), Step::Hang], invalid)
        }
        _ => panic!("no case {case}"),
    }
}

const FAULTS: [&str; 15] = [
    "close",
    "reset",
    "close_in_status",
    "close_in_header",
    "close_in_body",
    "reset_in_body",
    "close_in_chunks",
    "close_after_hints",
    "garbage",
    "smtp",
    "two_lengths",
    "bad_length",
    "huge_header",
    "unknown_encoding",
    "layers",
];

fn script(seen: &Seen) -> Vec<Step> {
    match seen.case() {
        case if ANSWERS.contains(&case) => answers(case).0,
        case => faults(case).0,
    }
}

fn rig(upstream: &Upstream) -> Binary {
    let mut rig = Rig::of(upstream);
    rig.api()["limits"] = json!({"response": "64KiB", "stream": "64KiB"});
    rig.start()
}

/// Calls a tool for a case and checks what must hold for every answer: nothing
/// tells where the API is.
fn call(client: &mut Client, upstream: &Upstream, tool: &str, case: &str) -> (String, String) {
    let answer = client.call(Era::Modern, tool, json!({"case": case}));
    let body = answer.response.text();
    assert!(!body.contains(&upstream.address.to_string()), "{case}: {body}");
    for leak in ["latest?key", "internal.example", "X-Sum"] {
        assert!(!body.contains(leak), "{case}: {body}");
    }
    (answer.outcome(), answer.text())
}

#[test]
fn every_answer_becomes_one_result() {
    let upstream = Upstream::start(script);
    let binary = rig(&upstream);
    for (i, way) in api::WAYS.into_iter().enumerate() {
        let mut client = Client::of(&binary);
        for case in ANSWERS {
            let (_, want, want_text) = answers(case);
            for tool in [api::get(way), api::post(way)] {
                let (outcome, text) = call(&mut client, &upstream, &tool, case);
                assert_eq!(outcome, want[i], "{tool} {case}: {text}");
                assert!(text.contains(want_text), "{tool} {case}: {text}");
            }
            let after = call(&mut client, &upstream, &api::get(way), "json");
            assert_eq!(after, ("ok".to_owned(), r#"{"a":[1,2]}"#.to_owned()), "{way} after {case}");
        }
    }
    binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
}

#[test]
fn every_fault_becomes_one_result_and_costs_its_connection() {
    let upstream = Upstream::start(script);
    let binary = rig(&upstream);
    for way in api::WAYS {
        let mut client = Client::of(&binary);
        for case in FAULTS {
            let (_, want) = faults(case);
            for tool in [api::get(way), api::post(way)] {
                let (outcome, text) = call(&mut client, &upstream, &tool, case);
                assert_eq!(outcome, want, "{tool} {case}: {text}");
                let broken = upstream.last().connection;
                if way == "streamed" && text.contains("[cut here") {
                    // A fault after the header costs the client's connection as well.
                    client.forget();
                }
                let after = call(&mut client, &upstream, &tool, "json");
                assert_eq!(after.0, "ok", "{tool} after {case}");
                assert_ne!(upstream.last().connection, broken, "{tool} {case} was used again");
            }
        }
    }
    binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
}

#[test]
fn more_bytes_than_announced_are_no_part_of_any_answer() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "more" => vec![send(format!("{HEAD}Content-Length: 4\r\n\r\nfourHTTP/1.1 500 No\r\n\r\n"))],
        _ => vec![text("good")],
    });
    let binary = rig(&upstream);
    for way in api::WAYS {
        let mut client = Client::of(&binary);
        let (outcome, text) = call(&mut client, &upstream, &api::get(way), "more");
        assert_eq!((outcome.as_str(), text.as_str()), ("ok", "four"), "{way}");
        let broken = upstream.last().connection;
        let after = call(&mut client, &upstream, &api::get(way), "next");
        assert_eq!(after, ("ok".to_owned(), "good".to_owned()), "{way}");
        assert_ne!(upstream.last().connection, broken, "{way}: a connection with leftovers");
    }
}

#[test]
fn connections_are_used_again_also_after_a_reload() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = rig(&upstream);
    let mut client = Client::of(&binary);
    for round in 0..3 {
        assert_eq!(call(&mut client, &upstream, &api::get("whole"), "x").0, "ok");
        assert_eq!((upstream.last().connection, upstream.last().nth), (0, round));
        binary.reload();
    }
}
