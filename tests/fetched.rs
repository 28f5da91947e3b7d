//! Documents from a URL: what they may lead to, and what goes to the servers that
//! they name.

mod support;

use serde_json::{Value, json};
use support::api;
use support::binary::{Setup, run};
use support::mcp::Client;
use support::message::{Era, Message};
use support::temp::Temp;
use support::upstream::{Seen, Step, Upstream, json as answer, reply, text};

/// A document of one operation on a server.
fn document(server: &str) -> Value {
    let mut document = api::one("one");
    document["servers"] = json!([{"url": server}]);
    document["components"] = json!({"securitySchemes": {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    }});
    document["security"] = json!([{"key": []}]);
    document
}

fn check(url: &str) -> (Option<i32>, String) {
    let dir = Temp::new();
    let out = run(dir.path(), &["check", "--openapi", url]);
    let text = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8(text).expect("text"))
}

#[test]
fn credentials_go_to_the_documents_own_origin_or_where_the_configuration_says() {
    for (own, configured, sent) in [(true, false, true), (false, false, false), (false, true, true)]
    {
        let other = Upstream::start(|_| vec![text("good")]);
        let url = other.url();
        let source = Upstream::start(move |seen: &Seen| match seen.target() {
            "/api.json" if own => vec![answer(document("/").to_string())],
            "/api.json" => vec![answer(document(&url).to_string())],
            _ => vec![text("good")],
        });
        let urls = if configured { json!([other.url()]) } else { json!([]) };
        let config = json!({
            "version": 1,
            "apis": {"api": {
                "openapi": format!("{}/api.json", source.url()),
                "upstream": {"urls": urls},
                "auth": {"key": {"value": "${KEY}"}},
                "headers": {"x-team": "blue"},
            }},
            "servers": {"main": {"path": "/mcp", "sources": [{"api": "api"}]}},
        });
        let binary = Setup::serve(&config.to_string()).env("KEY", "hunter2").start();
        let call = Message::call(Era::Modern, "one", json!({}));
        assert_eq!(Client::of(&binary).ask(&call).outcome(), "ok");
        let seen = if own { source.last() } else { other.last() };
        assert_eq!(
            seen.header("x-key").as_deref(),
            sent.then_some("hunter2"),
            "{own} {configured}"
        );
        assert_eq!(seen.header("x-team").as_deref(), sent.then_some("blue"), "{own} {configured}");
        assert_eq!(binary.log().contains("are not sent to"), !sent, "{}", binary.log());
    }
}

#[test]
fn redirects_while_fetching_are_few_and_stay_where_they_may() {
    let other = Upstream::start(|_| vec![answer(api::one("other").to_string())]);
    let elsewhere = other.url();
    let source = Upstream::start(move |seen: &Seen| {
        let to = |place: &str| vec![reply("302 Found", &format!("Location: {place}\r\n"), "")];
        let refer = |file: &str| {
            let mut document = api::one("one");
            document["paths"]["/two"] = json!({"$ref": file});
            vec![answer(document.to_string())]
        };
        match seen.target() {
            "/3" => to("/2"),
            "/2" => to("1"),
            "/1" => to("/api.json"),
            "/4" => to("/3"),
            "/endless" => to("/endless"),
            "/elsewhere" => to(&format!("{elsewhere}/x")),
            "/file" => to("file:///etc/passwd"),
            "/nowhere" => vec![reply("302 Found", "", "")],
            _ => refer("/x"),
        }
    });
    for (path, words) in [
        ("/3", None),
        ("/elsewhere", None),
        ("/4", Some("redirects more than 3 times")),
        ("/endless", Some("redirects more than 3 times")),
        ("/file", Some("which is not followed")),
        ("/nowhere", Some("redirects to nowhere")),
    ] {
        let (code, text) = check(&format!("{}{path}", source.url()));
        match words {
            // It has a reference, or no server: both are warnings.
            None => assert!(text.contains("OpenAPI 3.1"), "{path}: {text}"),
            Some(words) => assert!(code == Some(1) && text.contains(words), "{path}: {text}"),
        }
    }
}

#[test]
fn references_do_not_leave_their_prefix() {
    let other = Upstream::start(|_| vec![answer("{\"get\": {\"responses\": {}}}")]);
    let elsewhere = other.url();
    for (reference, read) in [
        ("/specs/a.json", true),
        ("/specs/b/../a.json", false),
        ("specs/b/../a.json", true),
        ("/specs/../secret.json", false),
        ("/specs/%2e%2e/secret.json", false),
        ("/specs/..%2fsecret.json", false),
        ("/specs/to-secret", false),
        ("/specs/to-elsewhere", false),
        ("/specs/to-a", true),
    ] {
        let elsewhere = elsewhere.clone();
        let source = Upstream::start(move |seen: &Seen| {
            let to = |place: &str| vec![reply("302 Found", &format!("Location: {place}\r\n"), "")];
            match seen.target() {
                "/api.json" => {
                    let mut document = api::one("one");
                    document["paths"]["/two"] = json!({"$ref": reference});
                    vec![answer(document.to_string())]
                }
                "/specs/to-secret" => to("/secret.json"),
                "/specs/to-a" => to("a.json"),
                "/specs/to-elsewhere" => to(&format!("{elsewhere}/specs/a.json")),
                _ => vec![answer("{\"get\": {\"operationId\": \"two\", \"responses\": {}}}")],
            }
        });
        let config = json!({
            "version": 1,
            "apis": {"api": {
                "openapi": format!("{}/api.json", source.url()),
                "references": [format!("{}/specs", source.url())],
            }},
            "servers": {"main": {"path": "/mcp", "sources": [{"api": "api"}]}},
        });
        let dir = Temp::new();
        dir.write("c.yaml", config.to_string());
        let out = run(dir.path(), &["tools", "-c", "c.yaml", "--json"]);
        let text = String::from_utf8([out.stdout, out.stderr].concat()).expect("text");
        assert_eq!(text.contains("\"two\""), read, "{reference}: {text}");
        let secret = source.requests().iter().any(|r| r.target().starts_with("/secret"));
        assert!(!secret, "{reference} was asked for");
    }
    assert!(other.requests().is_empty(), "{:?}", other.requests());
}

#[test]
fn users_of_urls_are_never_shown() {
    let source = Upstream::start(|_| vec![reply("404 Not Found", "", "no")]);
    let address = source.address;
    for url in [
        format!("http://me:hunter2@{address}/api.json"),
        "http://me:hunter2@127.0.0.1:1/api.json".to_owned(),
    ] {
        let (code, text) = check(&url);
        assert!(code == Some(1) && !text.contains("hunter2"), "{text}");
    }
    let dir = Temp::new();
    dir.write("api.json", document("http://me:hunter2@h.test/").to_string());
    for args in
        [&["check", "--openapi", "api.json"][..], &["check", "--openapi", "api.json", "--json"]]
    {
        let out = run(dir.path(), args);
        let text = String::from_utf8([out.stdout, out.stderr].concat()).expect("text");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let dir = Temp::new();
    let pipe = dir.path().join("pipe.json");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no mkfifo");
        return;
    }
    let mut document = api::one("one");
    document["paths"]["/two"] = json!({"$ref": "pipe.json"});
    dir.write("api.json", document.to_string());
    let args = ["check", "--openapi", "api.json", "--upstream", "http://127.0.0.1:9"];
    let out = run(dir.path(), &args);
    let text = String::from_utf8([out.stdout, out.stderr].concat()).expect("text");
    assert!(text.contains("not a file"), "{text}");
}

#[test]
fn a_client_cannot_fill_the_log() {
    const LINES_MAX: usize = 60;
    let upstream = Upstream::start(|_| vec![Step::Close]);
    let rig = support::rig::Rig::of(&upstream);
    let binary = rig.start();
    let mut client = Client::of(&binary);
    let call = Message::call(Era::Modern, "whole_get", json!({"case": "x"}));
    for _ in 0..LINES_MAX + 20 {
        assert_eq!(client.ask(&call).outcome(), "upstream_closed");
    }
    assert_eq!(binary.log().matches(" WARN ").count(), LINES_MAX, "{}", binary.log());
    assert_eq!(binary.metric("drawbridge_log_lines_dropped_total"), 20.0);
    let mut rude = support::http::Connection::open(binary.address);
    rude.try_send(b"\x16\x03\x01 nonsense\r\n\r\n");
    rude.read_to_end();
    assert!(!binary.log().contains(" ERROR "), "{}", binary.log());
}
