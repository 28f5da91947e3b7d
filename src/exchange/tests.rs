//! Tables of exchanges: messages in, replies out, without a socket.

use super::*;
use crate::config::{Api, Config, Server};
use crate::mcp::session::SessionKey;
use crate::observe::Outcome;
use crate::openapi::Document;
use crate::snapshot::{Ingredients, Snapshot, build};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

fn snapshot() -> Snapshot {
    let list = json!({"type": "object", "properties": {"items": {"type": "array"}}});
    let root = json!({"openapi": "3.1.0", "info": {"title": "T"}, "paths": {
        "/plain/{id}": {"get": {"operationId": "plain", "parameters": [
            {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]}},
        "/structured": {"get": {"operationId": "structured", "responses": {"200": {"content": {"application/json": {"schema": list}}}}}},
        "/list": {"get": {"operationId": "list", "responses": {"200": {"content": {"application/json": {"schema": {"type": "array"}}}}}}},
        "/csv": {"get": {"operationId": "csv", "responses": {"200": {"content": {"text/csv": {}}}}}},
    }});
    let mut api = Api::new("api", "inline");
    api.upstream.urls = vec!["http://127.0.0.1:9/base".to_owned()];
    let mut server = Server::of_api("main", "api", "/mcp");
    server.page_size = 3;
    let config = Config { apis: vec![api], servers: vec![server], ..Config::default() };
    let documents = HashMap::from([("api".to_owned(), Document::new(root, None).unwrap())]);
    let (snapshot, _, problems) = build(&Ingredients {
        config: &config,
        documents: &documents,
        listeners: &["127.0.0.1:8080".parse().unwrap()],
        session_key: Arc::new(SessionKey::new(b"k")),
        generation: 1,
    });
    snapshot.unwrap_or_else(|| panic!("{problems:?}"))
}

fn next(snapshot: &Snapshot, headers: &[(&'static str, &str)], body: &str) -> Next {
    let levels = LogLevels::default();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map.entry("content-type").or_insert(HeaderValue::from_static("application/json"));
    let facts = Facts {
        method: &Method::POST,
        path: "/mcp",
        authority: Some("localhost"),
        headers: &map,
        now: || 1000,
        request_id: 0xabc,
        random: || [7; 16],
        levels: &levels,
    };
    match admit(snapshot, &facts) {
        Admitted::Message(server) => prepare(&server, &facts, body.as_bytes()),
        Admitted::Done(next) => next,
    }
}

fn call(name: &str, arguments: &Value, modern: bool) -> Box<Call> {
    let snapshot = snapshot();
    let mut params = json!({"name": name, "arguments": arguments});
    let mut headers = vec![];
    if modern {
        params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
        headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
        ];
    }
    let body = json!({"jsonrpc": "2.0", "id": "q", "method": "tools/call", "params": params});
    match next(&snapshot, &headers, &body.to_string()) {
        Next::Exchange(call) | Next::Relay(call) => call,
        Next::Reply(reply) => panic!("{}", String::from_utf8_lossy(&reply.body.to_vec())),
        Next::Stream(_) => panic!("a stream"),
    }
}

fn head(content_type: &'static str) -> HeaderMap {
    let mut map = HeaderMap::new();
    if !content_type.is_empty() {
        map.insert("content-type", HeaderValue::from_static(content_type));
    }
    map
}

fn answered(call: &Call, status: u16, content_type: &'static str, body: &[u8]) -> (Value, Outcome) {
    let headers = head(content_type);
    let head = ResponseHead { status: StatusCode::from_u16(status).unwrap(), headers: &headers };
    let rendered = call.answer(&head, body);
    let message: Value = serde_json::from_slice(&rendered.body).unwrap();
    assert_eq!(message["id"], "q");
    (message["result"].clone(), rendered.outcome)
}

#[test]
fn answers_by_content_type() {
    let call = call("plain", &json!({"id": "1"}), true);
    assert_eq!(call.request.target, "/base/plain/1");
    for (status, content_type, body, want) in [
        (
            200,
            "application/json",
            &b"{\"a\": 1}"[..],
            json!({"type": "text", "text": "{\"a\": 1}"}),
        ),
        (200, "text/plain", b"a\"b\n", json!({"type": "text", "text": "a\"b\n"})),
        (200, "", b"x\xff", json!({"type": "text", "text": "x\u{fffd}"})),
        (
            200,
            "image/png",
            b"\x01\x02",
            json!({"type": "image", "mimeType": "image/png", "data": "AQI="}),
        ),
        (
            200,
            "audio/wav",
            b"\x01",
            json!({"type": "audio", "mimeType": "audio/wav", "data": "AQ=="}),
        ),
        (
            200,
            "application/pdf",
            b"%",
            json!({"type": "resource", "resource": {"uri": "api://api/base/plain/1", "mimeType": "application/pdf", "blob": "JQ=="}}),
        ),
        (
            204,
            "",
            b"",
            json!({"type": "text", "text": "HTTP 204 No Content: done; the API sent no content."}),
        ),
    ] {
        let (result, outcome) = answered(&call, status, content_type, body);
        assert_eq!(result["content"], json!([want]), "{content_type}");
        assert_eq!((&result["isError"], outcome), (&json!(false), Outcome::Ok), "{content_type}");
        assert_eq!(result["resultType"], "complete");
    }
}

#[test]
fn statuses_that_are_no_success_are_told_with_advice() {
    let call = call("plain", &json!({"id": "1"}), false);
    for (status, body, parts) in [
        (404, r#"{"detail":"no book 7"}"#, &["HTTP 404 Not Found", "no book 7", "identifiers"][..]),
        (422, r#"{"error":{"message":"bad"}}"#, &["HTTP 422", "bad", "Check the arguments"]),
        (429, "{}", &["HTTP 429", "try again later"]),
        (500, "oops", &["HTTP 500", "oops", "The API failed"]),
        (302, "", &["HTTP 302", "not followed"]),
        (304, "", &["HTTP 304"]),
    ] {
        let (result, outcome) = answered(&call, status, "application/json", body.as_bytes());
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(parts.iter().all(|p| text.contains(p)), "{status}: {text}");
        assert_eq!((&result["isError"], outcome), (&json!(true), Outcome::ErrorStatus));
        assert!(result.get("resultType").is_none(), "no modern member on the handshake wire");
    }
}

#[test]
fn structure_is_checked_and_given_where_the_era_takes_it() {
    for (tool, modern, body, structured, outcome) in [
        ("structured", true, r#"{"items": []}"#, Some(json!({"items": []})), "ok"),
        ("structured", false, r#"{"items": []}"#, Some(json!({"items": []})), "ok"),
        ("structured", true, r#"{"items": 7}"#, None, "output_mismatch"),
        ("structured", true, "nonsense", None, "upstream_invalid"),
        ("structured", true, "", None, "output_mismatch"),
        ("list", true, "[1]", Some(json!([1])), "ok"),
        ("list", false, "[1]", None, "ok"),
        ("plain", true, "[1]", None, "ok"),
        ("plain", true, "{", None, "upstream_invalid"),
    ] {
        let arguments = if tool == "plain" { json!({"id": "1"}) } else { json!({}) };
        let call = call(tool, &arguments, modern);
        let (result, got) = answered(&call, 200, "application/json", body.as_bytes());
        assert_eq!(result.get("structuredContent"), structured.as_ref(), "{tool} {modern} {body}");
        assert_eq!(got.name(), outcome, "{tool} {modern} {body}");
        assert_eq!(result["isError"], json!(outcome != "ok"));
    }
}

#[test]
fn pieces_make_the_same_text_and_can_be_cut() {
    let call = call("csv", &json!({}), true);
    let headers = head("text/csv");
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    let text = "a,\"b\"\n1,世\n";
    for cut in 0..text.len() {
        let (mut writer, mut out) = (call.writer(&head), Vec::new());
        writer.chunk(&text.as_bytes()[..cut], &mut out);
        writer.chunk(&text.as_bytes()[cut..], &mut out);
        writer.end(&mut out);
        let message: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(message["result"]["content"][0]["text"], text);
        assert_eq!(message["result"]["isError"], false);
    }
    let (mut writer, mut out) = (call.writer(&head), Vec::new());
    writer.chunk(b"a,b\n", &mut out);
    writer.cut(crate::fault::Class::UpstreamClosed, "cut here", &mut out);
    let message: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(message["result"]["isError"], true);
    assert_eq!(message["result"]["content"][1]["text"], "[cut here (upstream_closed)]");
}

#[test]
fn base64_in_pieces_of_any_size() {
    let call = call("csv", &json!({}), true);
    let headers = head("image/png");
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    let bytes: Vec<u8> = (0..100).collect();
    let whole = answered(&call, 200, "image/png", &bytes).0["content"][0]["data"].clone();
    for piece in 1..12 {
        let (mut writer, mut out) = (call.writer(&head), Vec::new());
        bytes.chunks(piece).for_each(|c| writer.chunk(c, &mut out));
        writer.end(&mut out);
        let message: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(message["result"]["content"][0]["data"], whole, "{piece}");
    }
}

#[test]
fn an_event_is_one_line_of_data() {
    let mut out = Vec::new();
    event_into(b"{\"a\":\n 1,\r\n\"b\":2}", &mut out);
    assert_eq!(String::from_utf8_lossy(&out), "event: message\ndata: {\"a\":  1,  \"b\":2}\n\n");
}

#[test]
fn ways_and_pages() {
    let snapshot = snapshot();
    let list = |cursor: Option<&str>| {
        let params = cursor.map_or(json!({}), |c| json!({ "cursor": c }));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params});
        match next(&snapshot, &[], &body.to_string()) {
            Next::Reply(reply) => serde_json::from_slice::<Value>(&reply.body.to_vec()).unwrap(),
            _ => panic!("no reply"),
        }
    };
    let first = list(None);
    assert_eq!(first["result"]["tools"].as_array().map(Vec::len), Some(3));
    let second = list(first["result"]["nextCursor"].as_str());
    assert_eq!(second["result"]["tools"][0]["name"], "csv");
    assert!(second["result"].get("nextCursor").is_none());
    for bad in ["", "3", "x.y", "99.0000000000000000"] {
        assert_eq!(list(Some(bad))["error"]["code"], -32602, "{bad}");
    }
    let handshake_list = &list(None)["result"]["tools"];
    assert!(handshake_list[1].get("outputSchema").is_some(), "an object root");
    assert!(handshake_list[2].get("outputSchema").is_none(), "an array root");
}
