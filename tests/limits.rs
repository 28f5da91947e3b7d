//! Limits of docs/security.md at their edge: what is just within passes, and one more
//! does not.

mod support;

use serde_json::{Value, json};
use support::api;
use support::binary::{Binary, run};
use support::events::Events;
use support::mcp::Client;
use support::message::{Era, Message};
use support::rig::Rig;
use support::temp::Temp;
use support::upstream::{Seen, Step, Upstream, json as json_answer, reply, text};

fn parameter(name: &str, place: &str) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}})
}

fn post_of(id: &str, schema: Value) -> Value {
    json!({"post": {
        "operationId": id,
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {},
    }})
}

#[test]
fn what_is_built_from_arguments() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let binary = Rig::of(&upstream)
        .document(api::of(json!({
            "/find": {"get": {"operationId": "find", "parameters": [parameter("q", "query")], "responses": {}}},
            "/head": {"get": {"operationId": "head", "parameters": [parameter("X-Word", "header")], "responses": {}}},
            "/jar": {"get": {
                "operationId": "jar",
                "parameters": [parameter("a", "cookie"), parameter("b", "cookie")],
                "responses": {},
            }},
        })))
        .start();
    let mut client = Client::of(&binary);
    let of = |n: usize| "x".repeat(n);
    let (target, header) = (32 << 10, 16 << 10);
    for (tool, sent, over) in [
        ("find", json!({"q": of(target - "/find?q=".len())}), json!({"q": of(target - 7)})),
        ("head", json!({"X-Word": of(header)}), json!({"X-Word": of(header + 1)})),
        (
            "jar",
            json!({"a": of(8000), "b": of(header - 8000 - "a=; b=".len())}),
            json!({"a": of(8000), "b": of(header - 8000 - 5)}),
        ),
    ] {
        let answer = client.call(Era::Modern, tool, sent);
        assert_eq!(answer.outcome(), "ok", "{tool}: {}", answer.text());
        let seen = upstream.last();
        let bytes = match tool {
            "find" => seen.target().len(),
            "head" => seen.header("x-word").map_or(0, |v| v.len()),
            _ => seen.header("cookie").map_or(0, |v| v.len()),
        };
        assert_eq!(bytes, if tool == "find" { target } else { header }, "{tool}");
        let before = upstream.requests().len();
        let answer = client.call(Era::Modern, tool, over);
        assert_eq!(answer.outcome(), "error", "{tool}");
        assert_eq!(upstream.requests().len(), before, "{tool}: nothing is sent");
    }
}

#[test]
fn words_of_a_message() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let many: serde_json::Map<String, Value> =
        (0..31).map(|n| (format!("f{n:02}"), json!({"type": "string"}))).collect();
    let few: serde_json::Map<String, Value> = many.clone().into_iter().take(30).collect();
    let long: serde_json::Map<String, Value> =
        (0..30).map(|n| (format!("{n:02}{}", "x".repeat(60)), json!({"type": "string"}))).collect();
    let object = |properties| json!({"type": "object", "properties": properties, "additionalProperties": false});
    let binary = Rig::of(&upstream)
        .document(api::of(json!({
            "/any": post_of("any", json!({"type": "object", "additionalProperties": true})),
            "/30": flat("thirty", &few),
            "/31": flat("more", &many),
            "/long": flat("long", &long),
            "/object": post_of("object", object(few.clone())),
        })))
        .start();
    let mut client = Client::of(&binary);
    for (key, outcome) in [(1024, "ok"), (1025, "error")] {
        let body = json!({"body": {"k".repeat(key): 1}});
        let answer = client.call(Era::Modern, "any", body);
        let got =
            if answer.message.get("error").is_some() { "error".into() } else { answer.outcome() };
        assert_eq!(got, outcome, "a key of {key} bytes");
    }
    for (tool, all) in [("thirty", true), ("more", false)] {
        let answer = client.call(Era::Modern, tool, json!({"zzz": 1}));
        assert_eq!(!answer.text().contains('…'), all, "{tool}: {}", answer.text());
        assert!(answer.text().contains("`f29`"), "{tool}: {}", answer.text());
        assert!(!answer.text().contains("`f30`"), "{tool}: {}", answer.text());
    }
    let answer = client.call(Era::Modern, "long", json!({"zzz": 1}));
    assert_eq!(answer.text().chars().count(), 600, "{}", answer.text());
    assert!(answer.text().ends_with('…'), "{}", answer.text());
    for (chars, whole) in [(64, true), (65, false)] {
        let name = "z".repeat(chars);
        let kept = "z".repeat(64);
        let method = client.ask(&Message::legacy(&name, json!({})));
        let shown = method.error_message().contains(&format!("\"{kept}\""));
        assert!(shown && method.error_message().contains(&name) == whole, "{:?}", method.message);
    }
    for (chars, whole) in [(256, true), (257, false)] {
        let uri = format!("x:{}", "z".repeat(chars - 2));
        let answer = client.ask(&Message::legacy("resources/read", json!({"uri": uri})));
        let told = answer.message["error"]["data"]["uri"].as_str().map_or(0, str::len);
        assert_eq!((told, told == uri.len()), (256, whole), "{:?}", answer.message);
    }
}

/// An operation of query parameters that are called like these.
fn flat(id: &str, names: &serde_json::Map<String, Value>) -> Value {
    let parameters: Vec<Value> = names.keys().map(|name| parameter(name, "query")).collect();
    json!({"get": {"operationId": id, "parameters": parameters, "responses": {}}})
}

#[test]
fn ids_and_tokens() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let mut client = Client::of(&binary);
    let call = || Message::call(Era::Modern, &api::get("whole"), json!({"case": "x"}));
    let quoted = |n: usize| format!("\"{}\"", "i".repeat(n));
    for (id, good) in [
        (quoted(254), true),
        (quoted(255), false),
        ("9007199254740991".into(), true),
        ("9007199254740992".into(), false),
        ("-9007199254740991".into(), true),
        ("-9007199254740992".into(), false),
    ] {
        // A refused id is not repeated.
        let raw = String::from_utf8(call().id("1").body()).expect("text");
        let (now, raw) = (call().id("1"), raw.replace("\"id\":1", &format!("\"id\":{id}")));
        let response = client.exchange(&now.raw(raw));
        assert_eq!(response.status, if good { 200 } else { 400 }, "{id}: {}", response.text());
        client.forget();
    }
    // With a token there are notices, so a stream; one too long counts as none.
    let token = |bytes| call().meta("progressToken", json!("t".repeat(bytes)));
    let message = token(254);
    let (_, answer) = Events::ask(&binary, &message).finish(&message);
    assert!(answer.get("result").is_some(), "{answer}");
    assert_eq!(client.ask(&token(255)).outcome(), "ok");
}

#[test]
fn what_an_api_answers() {
    let upstream = Upstream::start(|seen: &Seen| {
        let (what, n) = seen.case().split_once('-').unwrap_or((seen.case(), "0"));
        let n: usize = n.parse().unwrap_or(0);
        match what {
            "hints" => {
                let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(n);
                let good =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\ngood";
                vec![Step::Send((hints + good).into())]
            }
            "failed" => {
                vec![reply("500 Bad", "Content-Type: text/plain\r\n", "b".repeat(n))]
            }
            "detail" => {
                let body = json!({"detail": "d".repeat(n), "other": 1});
                vec![reply("500 Bad", "Content-Type: application/json\r\n", body.to_string())]
            }
            "told" => {
                let header = format!("Content-Type: text/plain\r\nX-Told: {}\r\n", "h".repeat(n));
                vec![reply("200 OK", &header, "good")]
            }
            _ => vec![text("good")],
        }
    });
    let mut rig = Rig::of(&upstream);
    let whole = api::get("whole");
    rig.api()["tell_headers"] = json!(["x-told"]);
    let binary = rig.start();
    let mut client = Client::of(&binary);
    let mut said = |tool: &str, case: &str| {
        let answer = client.call(Era::Modern, tool, json!({"case": case}));
        (answer.outcome(), answer.text())
    };
    for way in api::WAYS {
        assert_eq!(said(&api::get(way), "hints-10").0, "ok", "{way}");
        assert_eq!(said(&api::get(way), "hints-11").0, "upstream_invalid", "{way}");
        for (n, cut) in [(4096, false), (4097, true)] {
            let (_, text) = said(&api::get(way), &format!("failed-{n}"));
            assert_eq!(
                (text.matches('b').count(), text.contains('…')),
                (4096, cut),
                "{way} {text}"
            );
        }
    }
    for (n, cut) in [(300, false), (301, true)] {
        let (_, text) = said(&whole, &format!("detail-{n}"));
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first.contains('…'), cut, "{first}");
        assert!(!first.contains(&"d".repeat(301)), "{first}");
    }
    for (n, cut) in [(1000, false), (1001, true)] {
        let (_, text) = said(&whole, &format!("told-{n}"));
        assert_eq!((text.matches('h').count(), text.contains('…')), (1000, cut), "{text}");
    }
}

#[test]
fn xml_that_becomes_structure() {
    let upstream = Upstream::start(|seen: &Seen| {
        // Two tags of their own, two for each item.
        let attribute = if seen.case() == "8001" { " a=\"1\"" } else { "" };
        let body = format!("<list{attribute}>{}</list>", "<n>1</n>".repeat(3999));
        vec![reply("200 OK", "Content-Type: application/xml\r\n", body)]
    });
    let schema = json!({"type": "object", "xml": {"name": "list"}, "properties": {
        "n": {"type": "array", "items": {"type": "integer"}},
    }});
    let binary = Rig::of(&upstream)
        .document(api::of(json!({"/whole/{case}": {"get": {
            "operationId": "list",
            "parameters": [parameter("case", "path")],
            "responses": {"200": {"description": "", "content": {"application/xml": {"schema": schema}}}},
        }}})))
        .start();
    let mut client = Client::of(&binary);
    for (parts, is_structure) in [(8000, true), (8001, false)] {
        let answer = client.call(Era::Modern, "list", json!({"case": parts.to_string()}));
        let got = answer.result().get("structuredContent").is_some();
        assert_eq!(
            got,
            is_structure,
            "{parts}: {}",
            answer.text().chars().take(200).collect::<String>()
        );
    }
}

#[test]
fn media_types_that_are_asked_for() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let of = |n: usize| {
        let content: serde_json::Map<String, Value> =
            (0..n).map(|i| (format!("image/x-{i}"), json!({}))).collect();
        json!({"get": {
            "operationId": format!("types{n}"),
            "responses": {"200": {"description": "", "content": content}},
        }})
    };
    let binary = Rig::of(&upstream).document(api::of(json!({"/8": of(8), "/9": of(9)}))).start();
    let mut client = Client::of(&binary);
    for tool in ["types8", "types9"] {
        client.call(Era::Modern, tool, json!({}));
        let accept = upstream.last().header("accept").unwrap_or_default();
        assert_eq!(accept.matches("image/").count(), 8, "{accept}");
    }
}

#[test]
fn names_and_texts_of_tools() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let operation = |id: &str, summary: &str, description: &str| json!({"get": {"operationId": id, "summary": summary, "description": description, "responses": {}}});
    let of = |c: &str, n: usize| c.repeat(n);
    let binary = Rig::of(&upstream)
        .document(api::of(json!({
            "/a": operation(&of("a", 64), &of("s", 120), ""),
            "/b": operation(&of("b", 65), &of("s", 121), ""),
            "/c": operation("c", "", &of("d", 1024)),
            "/d": operation("d", "", &of("d", 1025)),
        })))
        .start();
    let list = Client::of(&binary).ask(&Message::modern("tools/list", json!({})));
    let tools = list.result()["tools"].as_array().cloned().unwrap_or_default();
    let of = |first: char| {
        let found = |t: &&Value| t["name"].as_str().is_some_and(|n| n.starts_with(first));
        tools.iter().find(found).cloned().unwrap_or_else(|| panic!("{first}: {tools:?}"))
    };
    let chars = |value: &Value| value.as_str().map_or(0, |s| s.chars().count());
    assert_eq!(of('a')["name"], "a".repeat(64));
    assert!(chars(&of('b')["name"]) <= 64 && of('b')["name"] != "b".repeat(64), "{:?}", of('b'));
    assert_eq!((chars(&of('a')["title"]), chars(&of('b')["title"])), (120, 120));
    let (whole, cut) = (of('c'), of('d'));
    assert_eq!((chars(&whole["description"]), chars(&cut["description"])), (1024, 1024));
    assert!(cut["description"].as_str().is_some_and(|d| d.ends_with('…')), "{cut}");
    assert!(whole["description"].as_str().is_some_and(|d| d.ends_with('d')), "{whole}");
}

#[test]
fn paths_that_a_wrong_one_is_told() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    for (servers, told) in [(5, 5), (6, 5)] {
        let mut rig = Rig::of(&upstream);
        let one = rig.server().clone();
        let all: serde_json::Map<String, Value> = (0..servers)
            .map(|n| {
                let mut server = one.clone();
                server["path"] = json!(format!("/mcp{n}"));
                (format!("s{n}"), server)
            })
            .collect();
        rig.config["servers"] = Value::Object(all);
        let binary: Binary = rig.start();
        let message = Message::legacy("ping", json!({})).path("/none");
        let response = Client::of(&binary).exchange(&message);
        assert_eq!(response.text().matches("/mcp").count(), told, "{}", response.text());
    }
}

#[test]
fn documents() {
    let check = |document: &Value| {
        let dir = Temp::new();
        let file = dir.write("api.json", document.to_string());
        let out = run(dir.path(), &["check", "--openapi", &file.to_string_lossy()]);
        String::from_utf8([out.stdout, out.stderr].concat()).expect("text")
    };
    // `chain` references, one to the next.
    let chain = |chain: usize| {
        let all: serde_json::Map<String, Value> = (1..=chain)
            .map(|n| match n {
                1 => ("r1".to_owned(), parameter("q", "query")),
                _ => {
                    let before = format!("#/components/parameters/r{}", n - 1);
                    (format!("r{n}"), json!({"$ref": before}))
                }
            })
            .collect();
        let last = format!("#/components/parameters/r{chain}");
        let mut document = api::one("one");
        document["paths"]["/one"]["get"]["parameters"] = json!([{"$ref": last}]);
        document["components"] = json!({"parameters": all});
        document
    };
    let parameters = |n: usize| {
        let all: Vec<Value> = (0..n).map(|i| parameter(&format!("p{i}"), "query")).collect();
        let mut document = api::one("one");
        document["paths"]["/one"]["get"]["parameters"] = json!(all);
        document
    };
    let nested = |levels: usize| {
        // The document and `x-deep` are two of them.
        let mut value = json!(1);
        for _ in 0..levels - 1 {
            value = json!([value]);
        }
        let mut document = api::one("one");
        document["x-deep"] = value;
        document
    };
    for (what, within, past, words) in [
        ("references", chain(64), chain(65), "leads to itself"),
        ("parameters", parameters(1000), parameters(1001), "1000"),
        ("levels", nested(256), nested(257), "256"),
    ] {
        let (good, bad) = (check(&within), check(&past));
        assert!(!good.contains(words), "{what}: {good}");
        assert!(bad.contains(words), "{what}: {bad}");
    }
}
