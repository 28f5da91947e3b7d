//! For any value: what was sent, read by a decoder of the same style, is what
//! was given; and no value changes the shape of a request. `PROPTEST_CASES`
//! says how many values each property is tried with.

#[path = "properties/given.rs"]
mod given;
#[path = "properties/one.rs"]
mod one;
#[path = "properties/way.rs"]
mod way;

use given::{Given, given, text};
use http::header::{CONTENT_TYPE, COOKIE};
use one::{compile, headers, send};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use way::{Way, decoded, split_pair, ways};

/// Values that each property is tried with, where nobody says how many: all
/// properties together stay within some seconds.
const CASES: u32 = 1000;

/// Tries a property with many values.
fn try_all<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let cases = cases.unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, property).unwrap_or_else(|e| panic!("{e}"));
}

fn call(argument: &str, value: &str) -> String {
    format!("{{{}:{value}}}", json!(argument))
}

/// The only argument of a tool.
fn argument(tool: &drawbridge::tool::Tool) -> &str {
    &tool.arguments.names[0]
}

#[test]
fn every_style_reads_back_what_was_given() {
    for way in ways() {
        let tool = way.tool();
        let strategy = given()
            .prop_filter("a style that takes it", move |value| way.takes(value))
            .prop_map(move |value| value.map(|text| way.carried(text)));
        try_all(strategy, |value| {
            let request = send(&tool, call(argument(&tool), &value.json()), 1)
                .map_err(|e| TestCaseError::fail(format!("{way:?}: {e}")))?;
            prop_assert_eq!(way.read(&request, &value), value.texts(), "{}", request.target);
            Ok(())
        });
    }
}

/// Whether an upstream that decodes before it looks could leave the path.
fn has_dot_part(path: &str) -> bool {
    path.split(['/', '\\']).any(|part| matches!(part, "." | ".."))
}

/// As lenient servers have it: a `%` may stand for itself.
fn leniently_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[test]
fn no_value_leaves_its_path_segment() {
    let path_ways: Vec<Way> = ways().filter(|w| w.location == "path").collect();
    for way in path_ways {
        let hole = |name: &str| {
            json!({"name": name, "in": "path", "style": way.style, "explode": way.explode,
                "schema": {}})
        };
        let operation = json!({"parameters": [hole("a"), hole("b"), hole("c")]});
        let tool = compile("/v1/{a}/x{b}.{c}/end", &operation);
        try_all((given(), given(), given()), |(a, b, c)| {
            let (ja, jb, jc) = (a.json(), b.json(), c.json());
            let arguments = format!("{{\"a\":{ja},\"b\":{jb},\"c\":{jc}}}");
            let Ok(request) = send(&tool, arguments, 1) else { return Ok(()) };
            let target = request.target;
            prop_assert!(target.bytes().all(|b| b.is_ascii_graphic()), "{}", target);
            prop_assert!(!target.contains(['?', '#', '\\']), "{}", target);
            prop_assert_eq!(target.split('/').count(), 5, "{}", target);
            prop_assert!(target.starts_with("/v1/") && target.ends_with("/end"), "{}", target);
            let once = leniently_decoded(&target);
            prop_assert!(!has_dot_part(&target) && !has_dot_part(&once), "{}", target);
            // A value that spells an encoded dot itself arrives as what it spells.
            let spells = |given: &Given| given.texts().iter().any(|t| leniently_decoded(t) != *t);
            if ![&a, &b, &c].into_iter().any(spells) {
                prop_assert!(!has_dot_part(&leniently_decoded(&once)), "{}", target);
            }
            Ok(())
        });
    }
}

#[test]
fn no_value_adds_a_header_or_a_line() {
    let header_ways = ways().filter(|w| matches!(w.location, "header" | "cookie"));
    for way in header_ways {
        let tool = way.tool();
        let plain: Vec<String> = names(&send(&tool, "{}".to_owned(), 1).expect("a request"));
        try_all(given(), |value| {
            let arguments = call(argument(&tool), &value.json());
            let Ok(request) = send(&tool, arguments, 1) else { return Ok(()) };
            for (name, value) in &request.headers {
                let good = |b: &u8| (0x20..0x7f).contains(b) || *b == b'\t';
                prop_assert!(value.as_bytes().iter().all(good), "{}: {:?}", name, value);
            }
            let mut wanted = plain.clone();
            wanted.push(if way.location == "cookie" {
                COOKIE.to_string()
            } else {
                "x-header".into()
            });
            prop_assert_eq!(names(&request), wanted);
            Ok(())
        });
    }
}

fn names(request: &drawbridge::tool::request::UpstreamRequest) -> Vec<String> {
    request.headers.iter().map(|(name, _)| name.to_string()).collect()
}

/// Any value of JSON.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|m| m.into_iter().collect()),
        ]
    })
}

#[test]
fn json_arrives_as_it_was_written() {
    let tool = compile(
        "/a",
        &json!({
            "parameters": [
                {"name": "filter", "in": "query", "content": {"application/json": {}}},
            ],
            "requestBody": {"content": {"application/json": {}}},
        }),
    );
    try_all((anything(), anything()), |(filter, body)| {
        let written = serde_json::to_string_pretty(&body).expect("JSON");
        let arguments = format!("{{\"filter\":{filter},\"body\":{written}}}");
        let request = send(&tool, arguments, 1).map_err(TestCaseError::fail)?;
        prop_assert_eq!(request.body.as_deref(), Some(written.as_bytes()));
        let query = request.target.split_once('?').map(|(_, query)| query);
        match (query, filter) {
            (None, filter) => prop_assert_eq!(filter, Value::Null),
            (Some(query), filter) => {
                let (name, value) = split_pair(query);
                let read: Value = serde_json::from_str(&decoded(value)).expect("JSON");
                prop_assert_eq!((name, read), ("filter", filter));
            }
        }
        Ok(())
    });
}

#[test]
fn url_encoded_fields_read_back() {
    let media = json!({"schema": {"type": "object"}});
    let content = json!({"application/x-www-form-urlencoded": media});
    let tool = compile("/a", &json!({"requestBody": {"content": content}}));
    try_all(btree_map(text(), vec(text(), 1..4), 1..5), |fields| {
        let request = send(&tool, call("body", &json!(fields).to_string()), 1)
            .map_err(TestCaseError::fail)?;
        let body = String::from_utf8(request.body.expect("a body").into()).expect("ASCII");
        let mut read: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in body.split('&').map(split_pair) {
            prop_assert!(!value.contains('+'), "a plus is a space in forms");
            read.entry(decoded(name)).or_default().push(decoded(value));
        }
        prop_assert_eq!(read, fields, "{}", body);
        Ok(())
    });
}

/// A part of a multipart body: its name, its file name and its content.
type Part = (String, Option<String>, Vec<u8>);

/// RFC 2046 §5.1.1 and RFC 7578 §4.2, read strictly.
fn parts(body: &[u8], boundary: &str) -> Vec<Part> {
    let delimiter = format!("\r\n--{boundary}");
    let mut whole = b"\r\n".to_vec();
    whole.extend_from_slice(body);
    let mut pieces: Vec<&[u8]> = Vec::new();
    let mut rest = &whole[..];
    while let Some(at) = memchr::memmem::find(rest, delimiter.as_bytes()) {
        pieces.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    assert_eq!((pieces.remove(0), rest), (&b""[..], &b"--\r\n"[..]));
    let read = |piece: &&[u8]| {
        let piece = piece.strip_prefix(b"\r\n").expect("a line of its own");
        let at = memchr::memmem::find(piece, b"\r\n\r\n").expect("an end of the head");
        let head = std::str::from_utf8(&piece[..at]).expect("UTF-8");
        let first = head.lines().next().unwrap_or_default();
        let quoted = |key: &str| {
            let (_, rest) = first.split_once(&format!("; {key}=\""))?;
            let text = rest.split_once('"').expect("a closing quote").0;
            Some(text.replace("%0D", "\r").replace("%0A", "\n").replace("%22", "\""))
        };
        (quoted("name").expect("a name"), quoted("filename"), piece[at + 4..].to_vec())
    };
    pieces.iter().map(read).collect()
}

#[test]
fn multipart_bodies_split_back_into_their_fields() {
    use base64::Engine;
    let files = json!({"type": "array", "items": {"type": "string", "format": "binary"}});
    let media = json!({"schema": {"type": "object", "properties": {"file": files}}});
    let content = json!({"multipart/form-data": media});
    let tool = compile("/a", &json!({"requestBody": {"content": content}}));
    // Names in quotes are percent-encoded in part only, so these do not read back.
    let name = text().prop_map(|t| format!("f{}", t.replace(['%', '\r', '\n'], "")));
    let content = |seed: u64| format!("\r\n--drawbridge-{seed:016x}--\r\n");
    let texts = prop_oneof![3 => text(), 1 => (0u64..3).prop_map(content)];
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..40),
        (0u64..3).prop_map(move |seed| content(seed).into_bytes()),
    ];
    let strategy = (btree_map(name, vec(texts, 1..3), 1..4), vec(bytes, 0..3), 0u64..3);
    try_all(strategy, |(fields, files, seed)| {
        let encoded = files.iter().map(|f| base64::engine::general_purpose::STANDARD.encode(f));
        let mut body = json!(fields);
        body["file"] = encoded.collect();
        let request =
            send(&tool, call("body", &body.to_string()), seed).map_err(TestCaseError::fail)?;
        let kind = headers(&request, CONTENT_TYPE.as_str()).join("|");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        let mut wanted: Vec<Part> = Vec::new();
        for (name, values) in fields {
            wanted.extend(values.into_iter().map(|v| (name.clone(), None, v.into_bytes())));
        }
        let file = |f: Vec<u8>| ("file".to_owned(), Some("file".to_owned()), f);
        wanted.extend(files.into_iter().map(file));
        let mut read = parts(&request.body.expect("a body"), boundary);
        read.sort();
        wanted.sort();
        prop_assert_eq!(read, wanted);
        Ok(())
    });
}
