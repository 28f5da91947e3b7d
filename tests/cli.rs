//! The verbs of the command line: exit codes, output for machines, secrets, and
//! the demo as a newcomer meets it.

mod support;

use serde_json::{Value, json};
use std::net::TcpListener;
use support::api;
use support::binary::{Binary, Setup, run};
use support::http::{Connection, post};
use support::rig::Rig;
use support::temp::Temp;
use support::upstream::{Upstream, json as json_answer};

fn drawbridge(dir: &Temp, args: &[&str]) -> (i32, String, String) {
    let out = run(dir.path(), args);
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).expect("text");
    (out.status.code().expect("no signal"), text(&out.stdout), text(&out.stderr))
}

#[test]
fn exit_codes() {
    let dir = Temp::new();
    dir.write("api.json", api::one("one").to_string());
    dir.write("empty.json", api::of(json!({})).to_string());
    dir.write("bad.pem", "no certificate");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let listener = json!({"address": "127.0.0.1:0", "tls": {"cert": "bad.pem", "key": "bad.pem"}});
    let tls = json!({
        "version": 1, "listeners": [listener],
        "apis": {"a": {"openapi": "api.json", "upstream": {"urls": ["http://127.0.0.1:9"]}}},
        "servers": {"m": {"sources": [{"api": "a"}]}},
    });
    dir.write("tls.yaml", tls.to_string());
    let url = ["--upstream", "http://127.0.0.1:9"];
    let one = [&["--openapi", "api.json"], &url[..]].concat();
    let empty = [&["--openapi", "empty.json"], &url[..]].concat();
    let with = |verb: &[&'static str], rest: &[&'static str]| -> Vec<String> {
        verb.iter().chain(rest).map(|s| (*s).to_owned()).collect()
    };
    let cases: Vec<(Vec<String>, i32)> = vec![
        (with(&["check"], &one), 0),
        (with(&["check", "--json"], &one), 0),
        (with(&["tools"], &one), 0),
        (with(&["explain", "one"], &one), 0),
        (with(&["schema"], &[]), 0),
        (with(&["--version"], &[]), 0),
        (with(&["--help"], &[]), 0),
        (with(&["check"], &empty), 1),
        (with(&["serve"], &empty), 1),
        (with(&["check", "--openapi", "gone.json"], &url), 1),
        (with(&["check", "-c", "gone.yaml"], &[]), 1),
        (with(&["explain", "one", "--args", r#"{"x":1}"#], &one), 1),
        (with(&["explain", "two"], &one), 2),
        (with(&["explain", "one", "--args", "{"], &one), 2),
        (with(&["explain", "one", "--args", "[]"], &one), 1),
        (with(&["tools", "--server", "other"], &one), 2),
        (with(&["check", "--openapi", "api.json", "--upstream", "ftp://x"], &[]), 2),
        (with(&["check"], &[]), 2),
        (with(&["serve"], &[]), 2),
        (with(&["chekc"], &[]), 2),
        (with(&["check", "--no-such-option"], &[]), 2),
        (with(&["check", "-c", "tls.yaml", "--openapi", "api.json"], &[]), 2),
        (with(&["serve", "--listen", "nowhere"], &one), 2),
        (with(&["call", "one", "--args", "{"], &[]), 2),
        (with(&["call", "one", "--args", "[]"], &[]), 2),
        (with(&["serve", "-c", "tls.yaml"], &[]), 1),
    ];
    let listen = [&["serve", "--listen", &address], &one[..]].concat();
    let (code, _, err) = drawbridge(&dir, &listen);
    assert!(code == 3 && err.contains("choose another"), "{code} {err}");
    drop(taken);
    let (code, _, err) = drawbridge(&dir, &["call", "one", "--url", &format!("http://{address}")]);
    assert!(code == 3 && !err.is_empty(), "{code} {err}");
    for (args, want) in cases {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, out, err) = drawbridge(&dir, &args);
        assert_eq!(code, want, "{args:?}: {out}{err}");
        assert!(!(out.clone() + &err).contains("panicked"), "{args:?}: {out}{err}");
        assert!(want == 0 || !(err + &out).is_empty(), "{args:?}: it says why");
    }
}

#[test]
fn output_for_machines_has_its_shape() {
    let dir = Temp::new();
    dir.write("api.json", api::document().to_string());
    let target = ["--openapi", "api.json", "--upstream", "http://127.0.0.1:9", "--json"];
    let ask = |verb: &[&str]| -> Value {
        let (_, out, err) = drawbridge(&dir, &[verb, &target].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"))
    };
    let check = ask(&["check"]);
    assert_eq!(check["problems"], json!([]));
    let api = &check["apis"][0];
    assert_eq!((&api["operations"], &api["tools"]), (&json!(4), &json!(4)), "{api}");
    assert_eq!((&api["skipped"], &api["renamed"]), (&json!([]), &json!([])), "{api}");
    let tools = ask(&["tools"]);
    assert_eq!(tools["server"], "main");
    for tool in tools["tools"].as_array().expect("a list") {
        assert!(tool["tokens"].is_u64() && tool["readOnly"].is_boolean(), "{tool}");
        assert_eq!(tool["definition"]["name"], tool["name"], "{tool}");
        assert!(tool["operation"].as_str().is_some_and(|o| o.contains(" /")), "{tool}");
        assert!(["whole", "stream"].contains(&tool["answer"].as_str().unwrap_or("")), "{tool}");
    }
    let explain = ask(&["explain", "whole_post", "--args", r#"{"case":"a b","body":{"n":1.10}}"#]);
    assert_eq!(explain["method"], "POST");
    assert_eq!(explain["url"], "http://127.0.0.1:9/whole/a%20b");
    assert_eq!(explain["body"], r#"{"n":1.10}"#);
    assert_eq!(explain["headers"]["content-type"], "application/json");
    let (code, out, _) = drawbridge(&dir, &["schema"]);
    assert!(code == 0 && serde_json::from_str::<Value>(&out).is_ok_and(|s| s.is_object()), "{out}");
}

#[test]
fn explain_shows_no_secret() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let mut rig = Rig::of(&upstream);
    rig.document["components"]["securitySchemes"] = json!({
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "query": {"type": "apiKey", "in": "query", "name": "key"},
        "crumb": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "login": {"type": "http", "scheme": "basic"},
    });
    rig.document["security"] = json!([{"key": [], "query": [], "crumb": [], "login": []}]);
    let secret = json!({"value": "${file:secret.txt}"});
    rig.api()["auth"] = json!({
        "key": secret, "query": secret, "crumb": secret,
        "login": {"username": "ada", "password": "${file:secret.txt}"},
    });
    rig.api()["headers"] = json!({"x-tenant": "acme-canary"});
    let dir = Temp::new();
    dir.write("drawbridge.yaml", rig.config.to_string());
    dir.write("api.json", rig.document.to_string());
    dir.write("secret.txt", "hunter2/ü\n".replace('ü', "u"));
    for args in [
        &["explain", "whole_get", "--args", r#"{"case":"x"}"#][..],
        &["explain", "whole_get", "--args", r#"{"case":"x"}"#, "--json"],
        &["tools", "--json"],
        &["check"],
        &["check", "--json"],
    ] {
        let (code, out, err) = drawbridge(&dir, args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        for secret in ["hunter2", "aHVudGVy", "acme-canary", "%2Fu"] {
            assert!(!(out.clone() + &err).contains(secret), "{args:?}: {out}{err}");
        }
        if args[0] == "explain" {
            assert!(out.contains("***") && out.contains("key=***"), "{out}");
        }
    }
    assert!(upstream.requests().is_empty(), "explain sends nothing");
}

#[test]
fn call_prints_what_a_tool_says() {
    let binary = Setup::demo().start();
    let url = format!("http://{}/mcp", binary.address);
    for (args, want, out_word, err_word) in [
        (&["searchBooks", "--args", r#"{"q":"emma"}"#][..], 0, "9780141439587", ""),
        (&["searchBooks", "--json"], 0, "\"resultType\":\"complete\"", ""),
        (&["getCover", "--args", r#"{"isbn":"9780141439587"}"#], 0, "[image]", ""),
        (&["failingReport"], 1, "HTTP 5", ""),
        (&["searchBooks", "--args", r#"{"qq":1}"#], 1, "Did you mean `q`", ""),
        (&["serachBooks"], 1, "", "did you mean searchBooks?"),
    ] {
        let dir = Temp::new();
        let (code, out, err) = drawbridge(&dir, &[&["call", "--url", &url], args].concat());
        assert_eq!(code, want, "{args:?}: {out}{err}");
        assert!(out.contains(out_word) && err.contains(err_word), "{args:?}: {out}{err}");
    }
}

/// The body of the curl line that the demo prints, and where it goes.
fn curl_line(binary: &Binary) -> (String, String) {
    let line = binary.banner.lines().find(|l| l.trim().starts_with("curl")).expect("a curl line");
    let url = line.split_whitespace().find(|w| w.starts_with("http://")).expect("a URL");
    let body = line.split(" -d '").nth(1).and_then(|b| b.strip_suffix('\'')).expect("a body");
    assert!(line.contains("-H 'Content-Type: application/json'"), "{line}");
    (url.to_owned(), body.to_owned())
}

#[test]
fn the_demo_serves_and_what_it_prints_works() {
    let binary = Setup::demo().start();
    let (url, body) = curl_line(&binary);
    assert_eq!(url, format!("http://{}/mcp", binary.address));
    assert!(binary.banner.contains("10 tools: 7 only read, 3 change data"), "{}", binary.banner);
    let mut connection = Connection::open(binary.address);
    // What curl sends of its own.
    let headers =
        [("User-Agent", "curl/8.5.0"), ("Accept", "*/*"), ("Content-Type", "application/json")];
    connection.send(&post("/mcp", binary.address, &headers, body.as_bytes()));
    let response = connection.response();
    assert_eq!(response.status, 200, "{}", response.text());
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    let text = answer["result"]["content"][0]["text"].as_str().expect("text");
    assert!(text.contains("Jane Eyre") || text.to_lowercase().contains("bront"), "{text}");
    let mut client = support::mcp::Client::of(&binary);
    for (tool, arguments, outcome) in [
        ("searchBooks", json!({"per_page": 3}), "ok"),
        ("listCategories", json!({}), "ok"),
        ("exportBooks", json!({}), "ok"),
        ("getCover", json!({"isbn": "9780141439587"}), "ok"),
        ("slowReport", json!({"seconds": 0}), "ok"),
        ("getBook", json!({"isbn": "9780000000000"}), "error"),
        ("failingReport", json!({}), "error"),
    ] {
        for era in support::message::BOTH {
            let answer = client.call(era, tool, arguments.clone());
            assert_eq!(answer.outcome(), outcome, "{tool}: {}", answer.text());
        }
    }
}
