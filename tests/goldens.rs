//! Documents in, goldens out. Each `tests/goldens/NAME.yaml` (or directory
//! `NAME` with a `drawbridge.yaml`) has a `NAME.expected.json`: its tools in
//! full, what was left out and why, and what the calls of `NAME.calls.json`
//! would send. `UPDATE_GOLDENS=1` writes the expected files anew; read what
//! changed before you keep it.

#[path = "properties/one.rs"]
mod one;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use drawbridge::config::{Api, Auth, Config, Server};
use drawbridge::mcp::session::SessionKey;
use drawbridge::openapi::operation::operations;
use drawbridge::openapi::{Document, bundle};
use drawbridge::reload::{self, Built, Origin};
use drawbridge::schema::validators::fits;
use drawbridge::secret::Secret;
use drawbridge::snapshot::{Server as Served, Snapshot, definition};
use drawbridge::tool::Tool;
use drawbridge::tool::credential;
use drawbridge::tool::request::UpstreamRequest;
use http::HeaderMap;
use http::header::USER_AGENT;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Relative to the package, in which tests run: no path of a machine gets into
/// a golden.
const FOLDER: &str = "tests/goldens";

/// Fewer would mean that the folder is not what was meant.
const GOLDENS_MIN: usize = 22;

#[derive(Deserialize)]
struct Call {
    tool: String,
    /// As written: numbers reach an API as they are given.
    args: Box<RawValue>,
}

/// The names of all goldens and what each loads.
fn goldens() -> Vec<(String, Origin)> {
    let mut out = Vec::new();
    for entry in fs::read_dir(FOLDER).expect("the goldens").flatten() {
        let path = entry.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            out.push((stem, Origin::File(path.join("drawbridge.yaml"))));
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let api = Api::new("api", &path.to_string_lossy());
            let config = Config {
                apis: vec![api],
                servers: vec![Server::of_api("main", "api", "/mcp")],
                ..Config::default()
            };
            out.push((stem, Origin::Made(Box::new(config))));
        }
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

fn built(origin: &Origin) -> Built {
    let key = Arc::new(SessionKey::new(b"goldens serve nobody"));
    reload::build(origin, |_| None, None, &key, 1)
}

/// Everything a golden tells.
fn outcome(name: &str, origin: &Origin) -> Value {
    let built = built(origin);
    let problems: Vec<String> = built.problems.iter().map(ToString::to_string).collect();
    let mut apis = Map::new();
    for report in &built.reports {
        let left_out: Vec<String> = report
            .skipped
            .iter()
            .map(|s| format!("{} {}: {}", s.method, s.path, s.reason))
            .collect();
        let renamed: Vec<String> =
            report.renamed.iter().map(|(id, name)| format!("{id} -> {name}")).collect();
        let told = json!({
            "version": report.version,
            "operations": report.operations,
            "tools": report.tools,
            "renamed": renamed,
            "left out": left_out,
        });
        apis.insert(report.api.clone(), told);
    }
    let Some(snapshot) = &built.snapshot else {
        return json!({"problems": problems, "apis": apis});
    };
    let server = &snapshot.servers[0];
    let tools: Vec<Value> = server.tools.iter().map(|t| shown(t)).collect();
    let calls: Vec<Value> = calls(name).iter().map(|c| called(snapshot, server, c)).collect();
    json!({"problems": problems, "apis": apis, "tools": tools, "calls": calls})
}

fn shown(tool: &Tool) -> Value {
    let definition: Value = serde_json::from_slice(&definition(tool, true)).expect("a definition");
    let mut out = json!({
        "operation": format!("{} {}", tool.api, tool.operation),
        "answer": format!("{:?}", tool.answer),
        "definition": definition,
    });
    if tool.has_output(true) && !tool.has_output(false) {
        out["output schema"] = json!("not for handshake revisions");
    }
    out
}

fn calls(name: &str) -> Vec<Call> {
    let path = format!("{FOLDER}/{name}.calls.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn called(snapshot: &Snapshot, server: &Served, call: &Call) -> Value {
    let args: Value = serde_json::from_str(call.args.get()).expect("JSON");
    let mut out = json!({"tool": call.tool, "args": args});
    let Some(tool) = server.tool(&call.tool) else {
        out["error"] = json!("there is no such tool");
        return out;
    };
    let request = tool.arguments.check(&tool.name, Some(&call.args)).and_then(|text| {
        let mut arguments = tool.arguments.entries(&text)?;
        tool.arguments.complete(&mut arguments);
        tool.request.build(&arguments, &HeaderMap::new(), 0)
    });
    match request {
        Ok(request) => out["request"] = sent(snapshot, tool, &request),
        Err(fault) => out["error"] = json!(format!("{}: {}", fault.class.name(), fault.message)),
    }
    out
}

/// A request in full, credentials included: those of goldens open nothing.
fn sent(snapshot: &Snapshot, tool: &Tool, request: &UpstreamRequest) -> Value {
    let endpoint = &snapshot.upstreams[tool.upstream].endpoints[0];
    let scheme = if endpoint.tls { "https" } else { "http" };
    let headers: Vec<String> = request
        .headers
        .iter()
        // Its version would change every golden at every release.
        .filter(|(name, _)| name != USER_AGENT)
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let mut out = json!({
        "method": request.method.as_str(),
        "url": format!("{scheme}://{}{}", endpoint.authority, request.target),
        "headers": headers,
    });
    if let Some(body) = &request.body {
        match std::str::from_utf8(body) {
            Ok(text) => out["body"] = json!(text),
            Err(_) => out["body in Base64"] = json!(STANDARD.encode(body)),
        }
    }
    out
}

/// What differs, line by line, without what is the same before and after.
fn difference(expected: &str, got: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), got.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut out = format!("from line {}:\n", same + 1);
    for line in &old[same.saturating_sub(3)..same] {
        out.push_str(&format!("    {line}\n"));
    }
    for (mark, lines) in [("-", &old[same..old.len() - tail]), ("+", &new[same..new.len() - tail])]
    {
        for line in lines.iter().take(SHOWN_MAX) {
            out.push_str(&format!("  {mark} {line}\n"));
        }
        if lines.len() > SHOWN_MAX {
            out.push_str(&format!("  {mark} ... {} lines more\n", lines.len() - SHOWN_MAX));
        }
    }
    out
}

#[test]
fn every_document_gives_what_its_golden_tells() {
    let update = std::env::var_os("UPDATE_GOLDENS").is_some_and(|v| v == "1");
    let mut broken = Vec::new();
    for (name, origin) in goldens() {
        let got = serde_json::to_string_pretty(&outcome(&name, &origin)).expect("JSON") + "\n";
        let path = PathBuf::from(format!("{FOLDER}/{name}.expected.json"));
        if update {
            fs::write(&path, &got).expect("the golden is written");
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(expected) if expected == got => {}
            Ok(expected) => broken.push(format!("{name} {}", difference(&expected, &got))),
            Err(e) => broken.push(format!("{}: {e}", path.display())),
        }
    }
    assert!(
        broken.is_empty(),
        "{}\nUPDATE_GOLDENS=1 writes them anew; - is expected, + is what came",
        broken.join("\n")
    );
}

#[test]
fn every_golden_has_its_document_and_its_calls() {
    let names: BTreeSet<String> = goldens().into_iter().map(|(name, _)| name).collect();
    assert!(names.len() >= GOLDENS_MIN, "only {}", names.len());
    for entry in fs::read_dir(FOLDER).expect("the goldens").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let name = file.split('.').next().unwrap_or_default();
        assert!(names.contains(name), "{file} belongs to no document");
    }
    for name in &names {
        assert!(!calls(name).is_empty(), "{name} calls nothing");
        assert!(Path::new(&format!("{FOLDER}/{name}.expected.json")).exists(), "{name}");
    }
}

#[test]
fn a_difference_shows_what_differs_only() {
    let told = difference("a\nb\nc\nd\n", "a\nb\nx\ny\nd\n");
    assert_eq!(told, "from line 3:\n    a\n    b\n  - c\n  + x\n  + y\n");
    assert_eq!(difference("a\na\n", "a\n"), "from line 2:\n    a\n  - a\n");
}

/// One body in JSON.
fn body(schema: Value) -> Value {
    json!({"requestBody": {"content": {"application/json": {"schema": schema}}}})
}

fn accepted(operation: &Value, arguments: &str) -> bool {
    one::send(&one::compile("/a", operation), arguments.to_owned(), 1).is_ok()
}

fn published(operation: &Value) -> Value {
    let tool = one::compile("/a", operation);
    serde_json::from_slice(&definition(&tool, true)).expect("a definition")
}

fn headers(operation: &Value, arguments: &str, name: &str) -> Vec<String> {
    let tool = one::compile("/a", operation);
    let request = one::send(&tool, arguments.to_owned(), 1).expect("a request");
    one::headers(&request, name)
}

fn bundled(mut root: Value) -> (Value, bundle::Report) {
    let report = bundle::bundle(&mut root, "api.yaml", &mut |address: &str| match address {
        "other.yaml" => Ok(json!({"A": {"properties": {"default": {"$ref": "#/B"}}}, "B": {}})),
        _ => Err("no such file".to_owned()),
    });
    (root, report)
}

/// Rules too small for a golden of their own, and whether each holds.
fn rules() -> Vec<(&'static str, bool)> {
    let header = |name: &str| json!({"parameters": [{"name": name, "in": "header", "schema": {}}]});
    let cookie = |n: &str| json!({"name": n, "in": "cookie", "style": "cookie", "schema": {}});
    let hidden = body(json!({"properties": {"a": {"description": "a\u{202e}b"}}}));
    let nullable = json!({"$ref": "#/paths/~1a/post/x-s/S", "nullable": true});
    let mut nullable = body(json!({"properties": {"a": nullable}}));
    nullable["x-s"] = json!({"S": {"type": "string"}});
    let mut partial = body(json!({
        "oneOf": [{"$ref": "#/paths/~1a/post/x-s/Dog"}, {"$ref": "#/paths/~1a/post/x-s/Cat"}],
        "discriminator": {"propertyName": "k", "mapping": {"dog": "#/paths/~1a/post/x-s/Dog"}},
    }));
    partial["x-s"] = json!({"Dog": {"type": "object"}, "Cat": {"type": "object"}});
    let example = json!({"parameters": [{"name": "a", "in": "query", "example": "e1"}]});
    let read_only = body(json!({"allOf": [
        {"properties": {"id": {"readOnly": true}}},
        {"required": ["id", "name"]},
    ]}));
    let part = json!({"type": "string", "contentMediaType": "application/json"});
    let media = json!({"schema": {"type": "object", "properties": {"a": part}}});
    let part = json!({"requestBody": {"content": {"multipart/form-data": media}}});
    let poem = json!({"requestBody": {"description": "A poem.", "content": {"text/plain": {}}}});
    let get = ["GET".to_owned()];
    let document = |root: Value| Document::new(root, None).expect("a document");
    let dots = json!({"/a/%2e%2e/b": {"get": {}}, "/a\\..\\b": {"get": {}}});
    let dots = document(json!({"openapi": "3.1.0", "paths": dots}));
    let key = json!({"type": "apiKey", "in": "cookie", "name": "sid"});
    let key = document(json!({"openapi": "3.1.0", "components": {"securitySchemes": {"k": key}},
        "paths": {"/a": {"get": {"security": [{"k": []}]}}}}));
    let auth = [("k".to_owned(), Auth::Value(Secret::new("a-b_c".to_owned())))];
    let key = credential::compile(&key, &operations(&key, &get).0[0], &auth).expect("a cookie");
    let branch = |kind: &str| {
        let fields = (0..800).map(|i| (format!("{kind}_field_{i}"), json!({"type": "string"})));
        let fields: Map<String, Value> =
            fields.chain([("k".to_owned(), json!({"const": kind}))]).collect();
        json!({"type": "object", "properties": fields, "required": ["k"]})
    };
    let large = published(&body(json!({"oneOf": [branch("a"), branch("b")]})));
    let fixed = one::compile("/a?kind=a b", &json!({}));
    let fixed = one::send(&fixed, "{}".to_owned(), 1).expect("a request");
    let (tree, _) = bundled(json!({"a": {"$ref": "other.yaml#/A"}}));
    let (_, extension) = bundled(json!({"paths": {"/a": {"x-ms-examples": {"$ref": "e.json"}}}}));
    let name = json!({"type": "string", "xml": {"prefix": "h", "namespace": "https://h.test"}});
    let schema = json!({"type": "object", "xml": {"name": "a"}, "properties": {"n": name}});
    let prefixed = json!({"requestBody": {"content": {"application/xml": {"schema": schema}}}});
    let prefixed = one::compile("/a", &prefixed);
    let prefixed = one::send(&prefixed, r#"{"body":{"n":"x"}}"#.to_owned(), 1).expect("a request");
    let prefixed = String::from_utf8_lossy(&prefixed.body.unwrap_or_default()).into_owned();
    vec![
        (
            "an element with a prefix and no name has both",
            prefixed.ends_with("<a><h:n xmlns:h=\"https://h.test\">x</h:n></a>"),
        ),
        (
            "a header that the gateway sends by itself is sent once",
            headers(&header("User-Agent"), r#"{"User-Agent":"me"}"#, "user-agent") == ["me"],
        ),
        (
            "a cookie without a value leaves no separator",
            headers(
                &json!({"parameters": [cookie("a"), cookie("b")]}),
                r#"{"a":"1","b":[]}"#,
                "cookie",
            ) == ["a=1"],
        ),
        ("a credential is sent in a cookie as it is", key.cookies == ["sid=a-b_c".into()]),
        ("nested descriptions are clean", !published(&hidden).to_string().contains('\u{202e}')),
        (
            "nullable beside a reference counts in 3.1",
            accepted(&nullable, r#"{"body":{"a":null}}"#),
        ),
        ("the example of a parameter is shown", published(&example).to_string().contains("e1")),
        ("a fixed query is encoded", !fixed.target.contains(' ')),
        ("a path with encoded dots is left out", operations(&dots, &get).0.is_empty()),
        (
            "what is readOnly is not required by a sibling",
            accepted(&read_only, r#"{"body":{"name":"a"}}"#),
        ),
        ("JSON in a text of a part is no file", accepted(&part, r#"{"body":{"a":"{\"b\":1}"}}"#)),
        ("a text body keeps its description", published(&poem).to_string().contains("A poem.")),
        (
            "branches without a mapping stand for their name",
            accepted(&partial, r#"{"body":{"k":"dog"}}"#),
        ),
        (
            "a shortened schema takes what the whole one takes",
            fits(&large["inputSchema"], &json!({"body": {"k": "a"}})).is_ok(),
        ),
        (
            "a property named default refers to its own file",
            tree.pointer("/x-drawbridge-files/other/A/properties/default/$ref")
                == Some(&json!("#/x-drawbridge-files/other/B")),
        ),
        ("references in extensions are not read", extension.unread.is_empty()),
    ]
}

#[test]
fn every_rule_holds() {
    let broken: Vec<&str> =
        rules().into_iter().filter(|(_, holds)| !holds).map(|(what, _)| what).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
