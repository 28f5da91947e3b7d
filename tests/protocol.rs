//! What a message gets: methods of both eras, and the rules of its headers.

mod support;

use serde_json::{Value, json};
use support::api;
use support::binary::Binary;
use support::http::Connection;
use support::mcp::Client;
use support::message::{BOTH, Era, LEGACY, MODERN, Message};
use support::rig::Rig;
use support::upstream::{Upstream, json as json_answer};

/// An API that answers everything, and a server of three tools before it.
fn rig() -> (Upstream, Binary) {
    let upstream = Upstream::start(|_| vec![json_answer(r#"{"ok":true}"#)]);
    let text =
        |name: &str, kind: &str| json!({"name": name, "in": "query", "schema": {"type": kind}});
    let mut rig = Rig::of(&upstream).document(api::of(json!({
        "/plain": {"get": {"operationId": "plain", "responses": {}}},
        "/needs": {"get": {"operationId": "needs", "responses": {}}},
        "/mirrored": {"get": {
            "operationId": "mirrored",
            "parameters": [text("word", "string"), text("count", "integer"), text("yes", "boolean")],
            "responses": {},
        }},
    })));
    *rig.tool("needs") = json!({"requires": ["sampling", "elicitation"]});
    *rig.tool("mirrored") =
        json!({"mcp_headers": {"word": "Word", "count": "Count", "yes": "Yes"}});
    let binary = rig.start();
    (upstream, binary)
}

fn plain(era: Era) -> Message {
    Message::call(era, "plain", json!({}))
}

#[test]
fn every_method_of_the_modern_era() {
    let (_upstream, binary) = rig();
    let mut client = Client::of(&binary);
    for (method, params, want) in [
        ("server/discover", json!({}), (200, 0)),
        ("tools/list", json!({}), (200, 0)),
        ("tools/call", json!({"name": "plain"}), (200, 0)),
        ("tools/call", json!({"name": "plain", "arguments": null}), (200, 0)),
        ("tools/call", json!({"name": "plain", "arguments": []}), (200, -32602)),
        ("tools/call", json!({"name": "nothing"}), (200, -32602)),
        ("tools/call", json!({"name": 7}), (200, -32602)),
        ("resources/list", json!({}), (200, 0)),
        ("resources/templates/list", json!({}), (200, 0)),
        ("resources/read", json!({"uri": "file:///a"}), (200, -32602)),
        ("prompts/list", json!({}), (200, 0)),
        ("prompts/get", json!({"name": "nothing"}), (200, -32602)),
        ("initialize", json!({"protocolVersion": MODERN}), (404, -32601)),
        ("ping", json!({}), (404, -32601)),
        ("logging/setLevel", json!({"level": "info"}), (404, -32601)),
        ("resources/subscribe", json!({"uri": "file:///a"}), (404, -32601)),
        ("resources/unsubscribe", json!({"uri": "file:///a"}), (404, -32601)),
        ("completion/complete", json!({}), (404, -32601)),
        ("Tools/List", json!({}), (404, -32601)),
        ("unknown/method", json!({}), (404, -32601)),
    ] {
        let answer = client.ask(&Message::modern(method, params.clone()));
        assert_eq!(answer.verdict(), want, "{method} {params}: {}", answer.message);
        if want.1 == 0 && method != "tools/call" {
            assert!(answer.result()["ttlMs"].is_u64(), "{}", answer.message);
            assert_eq!(answer.result()["cacheScope"], "public", "{}", answer.message);
        }
    }
    assert_eq!(client.opened, 1, "no answer costs the connection");
}

#[test]
fn every_method_of_the_handshake_era() {
    let (_upstream, binary) = rig();
    let mut client = Client::of(&binary);
    for (method, params, want) in [
        ("ping", json!({}), (200, 0)),
        ("tools/list", json!({}), (200, 0)),
        ("tools/call", json!({"name": "plain"}), (200, 0)),
        ("tools/call", json!({"name": "nothing"}), (200, -32602)),
        ("logging/setLevel", json!({"level": "info"}), (200, 0)),
        ("logging/setLevel", json!({"level": "loud"}), (200, -32602)),
        ("resources/list", json!({}), (200, 0)),
        ("resources/templates/list", json!({}), (200, 0)),
        ("resources/read", json!({"uri": "file:///a"}), (200, -32602)),
        ("prompts/list", json!({}), (200, 0)),
        ("prompts/get", json!({"name": "nothing"}), (200, -32602)),
        ("server/discover", json!({}), (200, -32601)),
        ("subscriptions/listen", json!({}), (200, -32601)),
        ("unknown/method", json!({}), (200, -32601)),
    ] {
        let answer = client.ask(&Message::legacy(method, params.clone()));
        assert_eq!(answer.verdict(), want, "{method} {params}: {}", answer.message);
    }
    let mut bare = Message::legacy("ping", Value::Null);
    for version in [None, Some("2025-03-26"), Some("2025-06-18"), Some(LEGACY)] {
        bare = bare.without("MCP-Protocol-Version");
        bare = version.map_or(bare.clone(), |v| bare.header("MCP-Protocol-Version", v));
        assert_eq!(client.ask(&bare).result(), &json!({}), "{version:?}");
    }
    assert_eq!(client.opened, 1, "no answer costs the connection");
}

#[test]
fn a_handshake_negotiates_and_discover_lists_every_revision() {
    let (_upstream, binary) = rig();
    let mut client = Client::of(&binary);
    for (asked, want) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        // What one client asks for before it speaks the old way.
        (MODERN, "2025-11-25"),
        ("2024-11-05", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        for message in [
            Message::initialize(asked),
            Message::initialize(asked).header("MCP-Protocol-Version", MODERN),
            Message::initialize(asked).header("MCP-Protocol-Version", "1999-01-01"),
        ] {
            let answer = client.ask(&message);
            let result = answer.result();
            assert_eq!(result["protocolVersion"], want, "{asked}");
            assert!(result["serverInfo"]["name"].is_string(), "{result}");
            assert_eq!(result["capabilities"]["tools"]["listChanged"], true, "{result}");
        }
    }
    let answer = client.ask(&Message::modern("server/discover", json!({})));
    let versions = &answer.result()["supportedVersions"];
    assert_eq!(versions, &json!([MODERN, "2025-11-25", "2025-06-18", "2025-03-26"]));
    assert!(answer.result()["capabilities"]["tools"].is_object());
}

#[test]
fn headers_must_say_what_the_body_says() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let call = || plain(Era::Modern);
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let cases: Vec<(&str, Message, (u16, i64))> = vec![
        ("as it should be", call(), (200, 0)),
        (
            "names in lower case",
            call().without("Mcp-Method").also("mcp-method", "tools/call"),
            (200, 0),
        ),
        ("names in upper case", call().without("Mcp-Name").also("MCP-NAME", "plain"), (200, 0)),
        ("blanks around a value", call().header("Mcp-Name", "  plain \t"), (200, 0)),
        ("a name in Base64", call().header("Mcp-Name", "=?base64?cGxhaW4=?="), (200, 0)),
        ("a session id means nothing", call().also("Mcp-Session-Id", "made-up"), (200, 0)),
        ("no version header", call().without("MCP-Protocol-Version"), (400, -32020)),
        ("an older version header", call().header("MCP-Protocol-Version", LEGACY), (400, -32020)),
        ("an unknown version header", call().header("MCP-Protocol-Version", "v9"), (400, -32020)),
        ("two version headers", call().also("MCP-Protocol-Version", MODERN), (400, -32020)),
        ("an older version in the body", call().meta(version, json!(LEGACY)), (400, -32020)),
        (
            "an unknown version",
            call().header("MCP-Protocol-Version", "v9").meta(version, json!("v9")),
            (400, -32022),
        ),
        (
            "an unknown version of the handshake",
            plain(Era::Legacy).header("MCP-Protocol-Version", "1999-01-01"),
            (400, -32022),
        ),
        ("no method header", call().without("Mcp-Method"), (400, -32020)),
        ("another method", call().header("Mcp-Method", "tools/list"), (400, -32020)),
        ("the method in upper case", call().header("Mcp-Method", "TOOLS/CALL"), (400, -32020)),
        ("two method headers", call().also("Mcp-Method", "tools/call"), (400, -32020)),
        ("no name header", call().without("Mcp-Name"), (400, -32020)),
        ("another name", call().header("Mcp-Name", "needs"), (400, -32020)),
        ("two name headers", call().also("Mcp-Name", "plain"), (400, -32020)),
        (
            "a name that is no Base64",
            call().header("Mcp-Name", "=?base64?cGxhaW4?="),
            (400, -32020),
        ),
        ("no version in the body", call().without_meta(version), (400, -32602)),
        ("no capabilities", call().without_meta(capabilities), (400, -32602)),
        ("capabilities that are a list", call().meta(capabilities, json!([])), (400, -32602)),
        ("a version that is a number", call().meta(version, json!(7)), (400, -32602)),
    ];
    for (what, message, want) in cases {
        let before = upstream.requests().len();
        let answer = client.ask(&message);
        assert_eq!(answer.verdict(), want, "{what}: {}", answer.message);
        assert!(answer.message.get("id").is_some(), "{what}: {}", answer.message);
        let calls = upstream.requests().len() - before;
        assert_eq!(calls, usize::from(want.1 == 0), "{what}: what the API got");
    }
    assert_eq!(client.opened, 1, "no answer costs the connection");
}

#[test]
fn an_unknown_version_is_told_which_there_are() {
    let (_upstream, binary) = rig();
    let version = "io.modelcontextprotocol/protocolVersion";
    let message =
        plain(Era::Modern).header("MCP-Protocol-Version", "v9").meta(version, json!("v9"));
    let answer = Client::of(&binary).ask(&message);
    let data = &answer.message["error"]["data"];
    assert_eq!(data["requested"], "v9");
    assert_eq!(data["supported"], json!([MODERN, "2025-11-25", "2025-06-18", "2025-03-26"]));
}

#[test]
fn a_tool_may_need_what_a_client_can_do() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    for (declared, missing) in [
        (json!({}), json!({"sampling": {}, "elicitation": {}})),
        (json!({"sampling": {}}), json!({"elicitation": {}})),
    ] {
        let message = Message::call(Era::Modern, "needs", json!({})).meta(capabilities, declared);
        let answer = client.ask(&message);
        assert_eq!(answer.verdict(), (400, -32021), "{}", answer.message);
        assert_eq!(answer.message["error"]["data"]["requiredCapabilities"], missing);
    }
    assert!(upstream.requests().is_empty());
    let all = json!({"sampling": {}, "elicitation": {"form": {}}, "roots": {}});
    let message = Message::call(Era::Modern, "needs", json!({})).meta(capabilities, all);
    assert_eq!(client.ask(&message).outcome(), "ok");
    assert_eq!(client.call(Era::Legacy, "needs", json!({})).outcome(), "ok");
}

#[test]
fn mirrored_arguments_must_be_the_arguments() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let header = (400, -32020);
    for (arguments, headers, want) in [
        (json!({}), &[][..], (200, 0)),
        (json!({"word": "Hello"}), &[("Mcp-Param-Word", "Hello")], (200, 0)),
        (json!({"word": "Hello"}), &[("mcp-param-word", " Hello ")], (200, 0)),
        (json!({"word": "Hello"}), &[("Mcp-Param-Word", "=?base64?SGVsbG8=?=")], (200, 0)),
        (json!({"word": " é "}), &[("Mcp-Param-Word", "=?base64?IMOpIA==?=")], (200, 0)),
        (json!({"word": "SGVsbG8="}), &[("Mcp-Param-Word", "SGVsbG8=")], (200, 0)),
        (json!({"word": "Hello"}), &[("Mcp-Param-Word", "=?base64?SGVsbG8?=")], header),
        (json!({"word": "Hello"}), &[("Mcp-Param-Word", "=?base64?SGVs!!!bG8=?=")], header),
        (json!({"word": "Hello"}), &[("Mcp-Param-Word", "hello")], header),
        (json!({"word": "Hello"}), &[], header),
        (json!({}), &[("Mcp-Param-Word", "Hello")], header),
        (
            json!({"word": "Hello"}),
            &[("Mcp-Param-Word", "Hello"), ("Mcp-Param-Word", "Hello")],
            header,
        ),
        (
            json!({"count": 42, "yes": true}),
            &[("Mcp-Param-Count", "42.0"), ("Mcp-Param-Yes", "true")],
            (200, 0),
        ),
        (json!({"count": 42}), &[("Mcp-Param-Count", "41")], header),
        (json!({"yes": true}), &[("Mcp-Param-Yes", "1")], header),
    ] {
        let before = upstream.requests().len();
        let message = headers
            .iter()
            .fold(Message::call(Era::Modern, "mirrored", arguments.clone()), |m, (n, v)| {
                m.also(n, v)
            });
        let answer = client.ask(&message);
        assert_eq!(answer.verdict(), want, "{arguments} {headers:?}: {}", answer.message);
        let calls = upstream.requests().len() - before;
        assert_eq!(calls, usize::from(want.1 == 0), "{arguments}: what the API got");
    }
    // Nothing is mirrored of null, so this is no fault of the headers.
    let null = client.call(Era::Modern, "mirrored", json!({"word": null}));
    assert!(null.is_error() && null.text().contains("/word"), "{}", null.text());
    // The handshake revisions know no such headers.
    assert_eq!(client.call(Era::Legacy, "mirrored", json!({"word": "x"})).outcome(), "ok");
    let list = client.ask(&Message::modern("tools/list", json!({})));
    let listed = list.result()["tools"].as_array().expect("a list").iter();
    let tool = listed.clone().find(|t| t["name"] == "mirrored").expect("the tool");
    assert_eq!(tool["inputSchema"]["properties"]["word"]["x-mcp-header"], "Word");
}

#[test]
fn only_post_and_the_old_get_are_methods() {
    let (_upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let sse = "Accept: text/event-stream\r\n";
    for (method, headers, want) in [
        ("GET", "", 405),
        ("GET", "Accept: application/json\r\n", 405),
        ("GET", &format!("{sse}MCP-Protocol-Version: {MODERN}\r\n"), 405),
        ("GET", &format!("{sse}Mcp-Session-Id: made-up\r\n"), 404),
        ("DELETE", "", 405),
        ("PUT", "", 405),
        ("PATCH", "", 405),
        ("OPTIONS", "", 405),
        ("TRACE", "", 405),
        ("PROPFIND", "", 405),
    ] {
        let address = binary.address;
        let request = format!("{method} /mcp HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        client.connection().send(request.as_bytes());
        let response = client.connection().response();
        assert_eq!(response.status, want, "{method} {headers}: {response:?}");
        let allow = response.header("allow");
        assert_eq!(allow, (want == 405).then_some("POST, GET"), "{method}");
        let body: Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(body["error"]["code"], -32600, "{method}");
    }
    assert_eq!(client.opened, 1, "no answer costs the connection");
    let mut head = Connection::open(binary.address);
    head.send(format!("HEAD /mcp HTTP/1.1\r\nHost: {}\r\n\r\n", binary.address).as_bytes());
    assert_eq!(head.head().map(|r| r.status), Some(405));
    head.send(&plain(Era::Modern).bytes(binary.address));
    assert_eq!(head.response().status, 200, "an answer to HEAD has no body");
}

#[test]
fn foreign_pages_and_hosts_are_refused() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let own = format!("http://{}", binary.address);
    let port = binary.address.port();
    let cases = [
        (None, &[][..], 200),
        (None, &[own.as_str()][..], 200),
        (Some(format!("localhost:{port}")), &[], 200),
        (Some("LOCALHOST".to_owned()), &[], 200),
        (Some(format!("[::1]:{port}")), &[], 200),
        (None, &["http://evil.example.com"], 403),
        (None, &["null"], 403),
        (None, &["http://127.0.0.1:1"], 403),
        (None, &[own.as_str(), own.as_str()], 403),
        (Some("evil.example.com".to_owned()), &[], 403),
        (Some("evil.example.com".to_owned()), &["http://evil.example.com"], 403),
        (Some(format!("localhost.evil.com:{port}")), &[], 403),
        (Some("127.0.0.1.nip.io".to_owned()), &[], 403),
        (Some("[::ffff:127.0.0.1]".to_owned()), &[], 403),
        (Some(format!("127.0.0.1:{port}@evil.com")), &[], 400),
    ];
    for era in BOTH {
        for (host, origins, want) in &cases {
            let mut message = plain(era);
            message = host.iter().fold(message, |m, h| m.host(h));
            message = origins.iter().fold(message, |m, o| m.also("Origin", o));
            let before = upstream.requests().len();
            let response = client.exchange(&message);
            assert_eq!(response.status, *want, "{host:?} {origins:?}: {}", response.text());
            let calls = upstream.requests().len() - before;
            assert_eq!(calls, usize::from(*want == 200), "{host:?} {origins:?}");
        }
    }
}

#[test]
fn what_wants_no_answer_gets_none() {
    let (upstream, binary) = rig();
    let mut client = Client::of(&binary);
    let result = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
    let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"no"}}"#;
    for era in BOTH {
        for message in [
            Message::notification(era, "notifications/initialized"),
            Message::notification(era, "notifications/cancelled"),
            Message::notification(era, "notifications/unheard-of"),
            // A call without an id is a notification: it is not carried out.
            plain(era).without_id(),
            plain(era).raw(result),
            plain(era).raw(error),
        ] {
            let response = client.exchange(&message);
            assert_eq!((response.status, response.body.len()), (202, 0), "{message:?}");
            assert_eq!(response.header("content-type"), None);
        }
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(client.opened, 1, "no answer costs the connection");
}
