//! The call path without sockets: parse, prepare, answer.
//!
//! `cargo bench --bench exchange`

use drawbridge::config::{Api, Config, Server};
use drawbridge::exchange::{Admitted, Call, Facts, LogLevels, Next, ResponseHead, admit, prepare};
use drawbridge::mcp::session::SessionKey;
use drawbridge::openapi::Document;
use drawbridge::snapshot::{Ingredients, Snapshot, build};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// A server of `tools` operations `GET /items/{id}`, with or without a published
/// output schema.
fn snapshot(tools: usize, output: bool) -> Snapshot {
    let schema =
        r##"{"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"string"}}}"##;
    let content = if output {
        format!(r#"{{"application/json":{{"schema":{schema}}}}}"#)
    } else {
        r#"{"application/json":{}}"#.to_owned()
    };
    let paths: Vec<String> = (0..tools)
        .map(|i| {
            format!(
                r#""/items{i}/{{id}}":{{"get":{{"operationId":"get{i}","parameters":[{{"name":"id","in":"path","required":true,"schema":{{"type":"integer"}}}},{{"name":"fields","in":"query","schema":{{"type":"array","items":{{"type":"string"}}}}}}],"responses":{{"200":{{"description":"ok","content":{content}}}}}}},"post":{{"operationId":"post{i}","parameters":[{{"name":"id","in":"path","required":true,"schema":{{"type":"integer"}}}}],"requestBody":{{"content":{{"application/json":{{"schema":{{"type":"object"}}}}}}}}}}}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"openapi":"3.1.0","paths":{{{}}}}}"#, paths.join(","));
    let root = drawbridge::read::read(text.into_bytes()).expect("the document is JSON");
    let document = Document::new(root, None).expect("the document is OpenAPI");
    let mut api = Api::new("items", "inline");
    api.upstream.urls = vec!["http://127.0.0.1:9".to_owned()];
    let config = Config {
        apis: vec![api],
        servers: vec![Server::of_api("main", "items", "/mcp")],
        ..Config::default()
    };
    let documents = HashMap::from([("items".to_owned(), document)]);
    let (snapshot, _, problems) = build(&Ingredients {
        config: &config,
        documents: &documents,
        listeners: &["127.0.0.1:8080".parse().expect("an address")],
        session_key: Arc::new(SessionKey::new(b"bench")),
        generation: 1,
    });
    snapshot.unwrap_or_else(|| panic!("{problems:?}"))
}

fn message(tool: &str, arguments: &str) -> Vec<u8> {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
    .into_bytes()
}

fn headers(tool: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in [
        ("host", "127.0.0.1:8080"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ] {
        map.insert(name, HeaderValue::from_str(value).expect("a header value"));
    }
    map
}

fn asked(snapshot: &Snapshot, levels: &LogLevels, headers: &HeaderMap, body: &[u8]) -> Box<Call> {
    let facts = Facts {
        method: &Method::POST,
        path: "/mcp",
        authority: Some("127.0.0.1:8080"),
        headers,
        now: 0,
        request_id: 1,
        random: || [0; 16],
        levels,
    };
    let Admitted::Message(server) = admit(snapshot, &facts) else { panic!("not admitted") };
    match prepare(&server, &facts, body) {
        Next::Exchange(call) | Next::Relay(call) => call,
        Next::Reply(reply) => panic!("{}", String::from_utf8_lossy(&reply.body)),
        Next::Stream(_) => panic!("a stream"),
    }
}

#[divan::bench(args = [10, 1000, 100_000])]
fn prepare_get(bencher: divan::Bencher<'_, '_>, tools: usize) {
    let (snapshot, levels) = (snapshot(tools / 2, false), LogLevels::default());
    let (headers, body) = (headers("get3"), message("get3", r#"{"id":7,"fields":["a","b"]}"#));
    bencher.bench(|| asked(&snapshot, &levels, &headers, black_box(&body)));
}

#[divan::bench(args = [1 << 10, 1 << 20])]
fn prepare_post(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let (snapshot, levels) = (snapshot(10, false), LogLevels::default());
    let arguments = format!(r#"{{"id":7,"body":{}}}"#, json(bytes));
    let (headers, body) = (headers("post3"), message("post3", &arguments));
    bencher.bench(|| asked(&snapshot, &levels, &headers, black_box(&body)));
}

#[divan::bench(args = [1 << 10, 1 << 20])]
fn parse_envelope(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let body = message("t", &format!(r#"{{"body":{}}}"#, json(bytes)));
    bencher.bench(|| drawbridge::jsonrpc::parse(black_box(&body)).is_ok());
}

#[divan::bench(args = [1 << 10, 1 << 20, 16 << 20])]
fn answer_text(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    answer(bencher, bytes, false);
}

#[divan::bench(args = [1 << 10, 1 << 20])]
fn answer_structured(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    answer(bencher, bytes, true);
}

fn answer(bencher: divan::Bencher<'_, '_>, bytes: usize, output: bool) {
    let (snapshot, levels) = (snapshot(10, output), LogLevels::default());
    let call = asked(&snapshot, &levels, &headers("get3"), &message("get3", r#"{"id":7}"#));
    let body = json(bytes).into_bytes();
    let headers = json_headers();
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    bencher
        .counter(divan::counter::BytesCount::new(body.len()))
        .bench(|| call.answer(&head, black_box(&body)).body);
}

#[divan::bench(args = [1 << 20])]
fn answer_in_pieces(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let (snapshot, levels) = (snapshot(10, false), LogLevels::default());
    let call = asked(&snapshot, &levels, &headers("get3"), &message("get3", r#"{"id":7}"#));
    let body = json(bytes).into_bytes();
    let headers = json_headers();
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    bencher.counter(divan::counter::BytesCount::new(body.len())).bench(|| {
        let mut writer = call.writer(&head);
        let mut sent = 0;
        for piece in body.chunks(64 << 10) {
            let mut out = Vec::with_capacity(piece.len() * 5 / 4);
            writer.chunk(black_box(piece), &mut out);
            sent += out.len();
        }
        let mut out = Vec::new();
        writer.end(&mut out);
        sent + out.len()
    });
}

#[divan::bench]
fn memcpy_1_mb(bencher: divan::Bencher<'_, '_>) {
    let body = json(1 << 20).into_bytes();
    bencher
        .counter(divan::counter::BytesCount::new(body.len()))
        .bench(|| black_box(&body).to_vec());
}

fn json_headers() -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert("content-type", HeaderValue::from_static("application/json"));
    map
}

/// A JSON object of about this size, with what real answers have to escape.
fn json(bytes: usize) -> String {
    let mut out = String::from(r#"{"id":7,"name":"n","items":["#);
    let mut i = 0;
    while out.len() < bytes.saturating_sub(90) {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&format!(r#"{{"id":{i},"title":"The \"Great\" Book","price":{i}.5}}"#));
        i += 1;
    }
    out.push_str("]}");
    out
}
