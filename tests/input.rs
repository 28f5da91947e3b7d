//! Messages and arguments from strangers: what is wrong is told and goes no
//! further, what is odd arrives as it was meant.

mod support;

use serde_json::{Value, json};
use support::api;
use support::binary::Binary;
use support::mcp::Client;
use support::message::{BOTH, Era, Message};
use support::rig::Rig;
use support::upstream::{Upstream, json as json_answer};

fn rig() -> (Upstream, Binary) {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let parameter = |name: &str, place: &str, schema: Value| json!({"name": name, "in": place, "required": place == "path", "schema": schema});
    let content = json!({"application/json": {"schema": {}}});
    let rig = Rig::of(&upstream).document(api::of(json!({
        "/items/{id}/parts": {"get": {
            "operationId": "item",
            "parameters": [
                parameter("id", "path", json!({"type": "string"})),
                parameter("q", "query", json!({"type": "string"})),
                parameter("X-Word", "header", json!({"type": "string"})),
                parameter("crumb", "cookie", json!({"type": "string"})),
            ],
            "responses": {},
        }},
        "/numbers/{n}": {"post": {
            "operationId": "numbers",
            "parameters": [
                parameter("n", "path", json!({"type": "integer"})),
                parameter("m", "query", json!({"type": "number"})),
            ],
            "requestBody": {"content": content},
            "responses": {},
        }},
        "/small": {"post": {
            "operationId": "small",
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
                "type": "object",
                "properties": {"age": {"type": "integer", "minimum": 0}},
                "required": ["age"],
                "additionalProperties": false,
            }}}},
            "responses": {},
        }},
    })));
    let binary = rig.start();
    (upstream, binary)
}

/// A call whose arguments are this very text.
fn with_arguments(era: Era, tool: &str, arguments: &str) -> Message {
    let message = Message::call(era, tool, json!("HERE"));
    let body = String::from_utf8(message.body()).expect("text");
    message.raw(body.replace("\"HERE\"", arguments))
}

#[test]
fn messages_that_are_none() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let ping = r#""method":"ping""#;
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let with_id = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},{ping}}}"#);
    let parse = (400, -32700);
    let invalid = (400, -32600);
    for (what, body, want) in [
        ("nothing", String::new(), parse),
        ("blanks", "  \n ".into(), parse),
        ("half a message", r#"{"jsonrpc":"2.0","id":1,"#.into(), parse),
        ("two messages", with_id("1") + &with_id("2"), parse),
        ("a comment", format!("/* */{}", with_id("1")), parse),
        ("a trailing comma", r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#.into(), parse),
        ("a byte order mark", format!("\u{feff}{}", with_id("1")), parse),
        ("a number", "7".into(), invalid),
        ("a string", "\"ping\"".into(), invalid),
        ("null", "null".into(), invalid),
        ("a batch", format!("[{}]", with_id("1")), invalid),
        ("an empty batch", "[]".into(), invalid),
        ("a tower of arrays", deep(10_000), invalid),
        ("a deep id", with_id(&deep(10_000)), invalid),
        ("a null id", with_id("null"), invalid),
        ("a float id", with_id("1.5"), invalid),
        ("an exponent id", with_id("1e3"), invalid),
        ("an object id", with_id("{}"), invalid),
        ("an integer id too large", with_id("9007199254740992"), invalid),
        ("an id of a megabyte", with_id(&format!("\"{}\"", "x".repeat(1 << 20))), invalid),
        ("an id of many digits", with_id(&"9".repeat(300)), invalid),
        ("an id that is half a character", with_id(r#""\ud800""#), parse),
        ("two ids", format!(r#"{{"jsonrpc":"2.0","id":1,"id":2,{ping}}}"#), parse),
        ("two methods", format!(r#"{{"jsonrpc":"2.0","id":1,{ping},{ping}}}"#), parse),
        ("version 1", format!(r#"{{"jsonrpc":"1.0","id":1,{ping}}}"#), invalid),
        ("a version that is a number", format!(r#"{{"jsonrpc":2.0,"id":1,{ping}}}"#), invalid),
        ("no version", format!(r#"{{"id":1,{ping}}}"#), invalid),
        ("no method", r#"{"jsonrpc":"2.0","id":1}"#.into(), invalid),
        ("a method that is a number", r#"{"jsonrpc":"2.0","id":1,"method":7}"#.into(), invalid),
        ("params in a list", format!(r#"{{"jsonrpc":"2.0","id":1,{ping},"params":[]}}"#), invalid),
        ("params null", format!(r#"{{"jsonrpc":"2.0","id":1,{ping},"params":null}}"#), invalid),
        (
            "a question and an answer",
            format!(r#"{{"jsonrpc":"2.0","id":1,{ping},"result":1}}"#),
            invalid,
        ),
    ] {
        let message = Message::legacy("ping", json!({})).id("1").raw(body);
        let answer = client.ask(&message);
        assert_eq!(answer.verdict(), want, "{what}: {}", answer.message);
        assert!(answer.response.body.len() < 1000, "{what}: a short answer");
    }
    for (what, body) in [
        ("no UTF-8", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec()),
        ("an overlong slash", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc0\xaf\"}".to_vec()),
        ("UTF-16", "{\"id\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("NULs", vec![0; 100]),
    ] {
        let answer = client.ask(&Message::legacy("ping", json!({})).id("1").raw(body));
        assert_eq!(answer.verdict(), parse, "{what}: {}", answer.message);
    }
    assert_eq!(client.opened, 1, "no answer costs the connection");
    assert!(upstream.requests().is_empty());
}

#[test]
fn ids_are_echoed_byte_for_byte() {
    let (_upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let long = format!("\"{}\"", "é".repeat(120));
    for id in [
        "0",
        "-1",
        "9007199254740991",
        "-9007199254740991",
        "\"1\"",
        "\"\"",
        "\"\\u0041\\/\"",
        "\"🎉\"",
        "\"\\ud83c\\udf89\"",
        "\"</script>\"",
        "\"\\n\\r\\u2028\"",
        &long,
    ] {
        for era in BOTH {
            // The client compares the bytes.
            let answer = client.ask(&Message::new(era, "tools/list", json!({})).id(id));
            assert!(answer.message.get("result").is_some(), "{id}: {}", answer.message);
            let failed = client.ask(&Message::new(era, "no/method", json!({})).id(id));
            assert_eq!(failed.code(), -32601, "{id}");
            assert!(failed.message.get("id").is_some(), "{id}: an error has the id too");
        }
    }
}

#[test]
fn arguments_with_two_meanings_are_refused() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let deep = |n: usize| format!("{{\"n\":1,\"body\":{}{}}}", "[".repeat(n), "]".repeat(n));
    let body = |text: &str| format!("{{\"n\":1,\"body\":{text}}}");
    let many = format!("[{}1]", "1,".repeat(100_000));
    let parse = (400, -32700);
    for (what, arguments, want) in [
        ("the deepest", deep(63), (200, 0)),
        ("one deeper", deep(64), parse),
        ("very deep", deep(10_000), parse),
        ("a key twice", r#"{"n":1,"n":2}"#.into(), parse),
        ("a key twice, written two ways", r#"{"n":1,"\u006e":2}"#.into(), parse),
        ("a key twice inside", body(r#"{"a":1,"a":1}"#), parse),
        ("half a character", body(r#""\udc00""#), parse),
        ("a number out of range", body("1e400"), parse),
        ("too many values", body(&many), parse),
        ("a key of many bytes", body(&format!("{{\"{}\":1}}", "k".repeat(2000))), parse),
        ("a list", "[1]".into(), (200, -32602)),
        ("text", "\"n\"".into(), (200, -32602)),
    ] {
        for era in BOTH {
            let before = upstream.requests().len();
            let answer = client.ask(&with_arguments(era, "numbers", &arguments));
            assert_eq!(answer.verdict(), want, "{what}: {}", answer.message);
            let sent = upstream.requests().len() - before;
            assert_eq!(sent, usize::from(want.1 == 0), "{what}: what the API got");
        }
    }
}

#[test]
fn path_arguments_stay_in_their_segment() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    for (id, want) in [
        ("plain", Some("plain")),
        ("a/b", Some("a%2Fb")),
        ("a?b=c#d", Some("a%3Fb%3Dc%23d")),
        ("a b+c&d=e;f", Some("a%20b%2Bc%26d%3De%3Bf")),
        ("%2e%2e", Some("%252e%252e")),
        ("%00%0d%0a", Some("%2500%250d%250a")),
        ("..a", Some("..a")),
        ("...", Some("...")),
        ("é世🎉", Some("%C3%A9%E4%B8%96%F0%9F%8E%89")),
        ("\u{2028}", Some("%E2%80%A8")),
        ("x@evil.example:80", Some("x%40evil.example%3A80")),
        ("", None),
        (".", None),
        ("..", None),
        ("a/..", None),
        ("../../admin", None),
        ("..\\admin", None),
        ("a//b", None),
        ("/a", None),
        ("a/", None),
        ("a/./b", None),
        ("a\r\nX-Evil: 1", None),
        ("a\n", None),
        ("a\0b", None),
        ("\u{7f}", None),
        ("\u{85}", None),
    ] {
        for era in BOTH {
            let before = upstream.requests().len();
            let answer = client.call(era, "item", json!({"id": id}));
            match want {
                Some(segment) => {
                    assert_eq!(answer.outcome(), "ok", "{id:?}: {}", answer.text());
                    assert_eq!(upstream.last().target(), format!("/items/{segment}/parts"));
                }
                None => {
                    assert_eq!(answer.outcome(), "error", "{id:?}: {}", answer.text());
                    assert_eq!(upstream.requests().len(), before, "{id:?} went out");
                }
            }
        }
    }
}

#[test]
fn other_arguments_stay_in_their_place() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    for (name, value, want) in [
        ("q", "a&b=c#d?e+f", Some("q=a%26b%3Dc%23d%3Fe%2Bf")),
        ("q", "\r\nX-Evil: 1", Some("q=%0D%0AX-Evil%3A%201")),
        ("q", "\0", Some("q=%00")),
        ("X-Word", "plain words", Some("plain words")),
        ("X-Word", "a\tb", Some("a\tb")),
        ("X-Word", "a\r\nX-Evil: 1", None),
        ("X-Word", "a\nb", None),
        ("X-Word", "a\0b", None),
        ("X-Word", "é", None),
        ("X-Word", "\u{2028}", None),
        ("crumb", "a=b; other=c", Some("crumb=a=b%3B%20other=c")),
        ("crumb", "a\r\nb", Some("crumb=a%0D%0Ab")),
    ] {
        let before = upstream.requests().len();
        let answer = client.call(Era::Modern, "item", json!({"id": "x", name: value}));
        let Some(want) = want else {
            assert_eq!(answer.outcome(), "error", "{name} {value:?}: {}", answer.text());
            assert_eq!(upstream.requests().len(), before, "{name} {value:?} went out");
            continue;
        };
        let seen = upstream.last();
        assert_eq!(answer.outcome(), "ok", "{name} {value:?}: {}", answer.text());
        assert_eq!(seen.header("x-evil"), None, "{}", seen.head);
        let got = match name {
            "q" => seen.target().split_once('?').map(|(_, q)| q.to_owned()),
            "crumb" => seen.header("cookie"),
            _ => seen.header("x-word"),
        };
        assert_eq!(got.as_deref(), Some(want), "{name} {value:?}");
    }
}

#[test]
fn numbers_arrive_as_they_were_written() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    for number in
        ["9007199254740993", "-9223372036854775808", "18446744073709551615", "0", "123456789012"]
    {
        let arguments = format!(
            r#"{{"n":{number},"m":{number},"body":{{"a":[{number},1.10,1e2,0.1000000000000000055]}}}}"#
        );
        let answer = client.ask(&with_arguments(Era::Modern, "numbers", &arguments));
        assert_eq!(answer.outcome(), "ok", "{number}: {}", answer.text());
        let seen = upstream.last();
        assert_eq!(seen.target(), format!("/numbers/{number}?m={number}"));
        let body = format!(r#"{{"a":[{number},1.10,1e2,0.1000000000000000055]}}"#);
        assert_eq!(String::from_utf8_lossy(&seen.body), body);
    }
}

#[test]
fn wrong_arguments_are_told_to_the_model_and_not_sent() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    for (tool, arguments, words) in [
        ("item", json!({}), &["`id` is missing"][..]),
        ("item", json!({"id": 7}), &["/id", "string"]),
        ("item", json!({"id": null}), &["/id"]),
        ("item", json!({"id": ["a"]}), &["/id"]),
        ("item", json!({"id": "x", "ids": "y"}), &["`ids`", "Did you mean `id`"]),
        ("item", json!({"id": "x", "zzzzzz": 1}), &["`zzzzzz`", "It takes"]),
        ("item", json!({"id": "x", "__proto__": {}}), &["`__proto__`"]),
        ("item", json!({"id": "x".repeat(40_000)}), &["URL longer"]),
        ("numbers", json!({"n": "one"}), &["/n", "integer"]),
        ("numbers", json!({"n": 1.5}), &["/n", "integer"]),
        ("small", json!({}), &["`body` is missing"]),
        ("small", json!({"body": {}}), &["/body", "age"]),
        ("small", json!({"body": {"age": -1}}), &["/body/age", "minimum"]),
        ("small", json!({"body": {"age": 1, "x\u{1b}[31m": 1}}), &["/body"]),
    ] {
        for era in BOTH {
            let answer = client.call(era, tool, arguments.clone());
            let text = answer.text();
            assert_eq!(answer.outcome(), "error", "{tool} {arguments}: {text}");
            assert!(words.iter().all(|w| text.contains(w)), "{tool} {arguments}: {text}");
            assert!(text.len() < 2000, "{text}");
        }
    }
    for name in ["items", "nothing", "", "item\0", "../item", &"x".repeat(100_000)] {
        let message = Message::call(Era::Legacy, name, json!({}));
        let answer = client.ask(&message);
        assert_eq!(answer.verdict(), (200, -32602), "{name:.20}: {}", answer.message);
        assert!(answer.response.body.len() < 500, "{}", answer.message);
    }
    assert!(
        client
            .ask(&Message::call(Era::Legacy, "items", json!({})))
            .error_message()
            .contains("did you mean item?")
    );
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_body_over_the_limit_is_refused_at_once() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    // Ten gigabytes are announced; none of them is waited for.
    let message = Message::legacy("ping", json!({}));
    let bytes = String::from_utf8(message.bytes(binary.address)).expect("text");
    let head = bytes.split("\r\n\r\n").next().expect("a head").to_owned();
    let length = format!("Content-Length: {}", message.body().len());
    let head = head.replace(&length, "Content-Length: 10737418240");
    client.connection().send(format!("{head}\r\n\r\n").as_bytes());
    let response = client.connection().response();
    assert_eq!(response.status, 413);
    assert!(response.closes(), "{response:?}");
    // The same, sent in chunks without end.
    let head = head.replace("Content-Length: 10737418240", "Transfer-Encoding: chunked");
    let mut endless = Client::of(&binary).into_connection();
    endless.send(format!("{head}\r\n\r\n").as_bytes());
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let sent = (0..4000).take_while(|_| endless.try_send(&chunk)).count();
    assert!(sent < 4000, "256 MB of a body over 4 MiB are read");
    assert!(upstream.requests().is_empty());
}
