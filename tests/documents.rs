//! `check`, `tools` and `schema`: documents and configurations, good, broken
//! and hostile, through the command line.

mod support;

use serde_json::{Value, json};
use std::path::Path;
use support::api;
use support::binary::run;
use support::temp::Temp;

/// A verb run to its end: exit code, stdout, stderr.
fn drawbridge(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let out = run(dir, args);
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).expect("text");
    let code = out.status.code().unwrap_or_else(|| panic!("ended by a signal: {args:?}"));
    assert!(!text(&out.stderr).contains("panicked"), "{}", text(&out.stderr));
    (code, text(&out.stdout), text(&out.stderr))
}

/// `check` of one document.
fn check(document: &[u8]) -> (i32, String) {
    let dir = Temp::new();
    dir.write("api", document);
    let upstream = ["--upstream", "http://127.0.0.1:9"];
    let (code, out, err) =
        drawbridge(dir.path(), &[&["check", "--openapi", "api"], &upstream[..]].concat());
    (code, out + &err)
}

#[test]
fn broken_documents_are_told_with_their_place() {
    let good = api::one("a").to_string();
    for (what, document, words) in [
        ("nothing", String::new(), &["api: error: ", "empty"][..]),
        ("blanks", " \n\t\n ".into(), &["api: error: ", "empty"]),
        ("half of JSON", good[..good.len() / 2].into(), &["api:1:", "not valid JSON"]),
        (
            "a missing comma",
            "{\"openapi\": \"3.1.0\",\n \"a\" 2}".into(),
            &["api:2:", "not valid JSON"],
        ),
        (
            "a tab in YAML",
            "openapi: 3.1.0\npaths:\n\t/a: {}\n".into(),
            &["api:3:", "not valid YAML"],
        ),
        ("a key twice", "openapi: 3.1.0\nopenapi: 3.1.0\n".into(), &["api:2:", "not valid YAML"]),
        ("a list", "[1, 2]".into(), &["api: error"]),
        ("a text", "hello".into(), &["api: error"]),
        ("a number", "7".into(), &["api: error"]),
        ("no version", "{\"paths\": {}}".into(), &["error"]),
        ("a version of tomorrow", "{\"openapi\": \"9.0\", \"paths\": {}}".into(), &["9.0"]),
        ("no operation", "{\"openapi\": \"3.1.0\", \"paths\": {}}".into(), &["no tool"]),
        ("paths in a list", "{\"openapi\": \"3.1.0\", \"paths\": []}".into(), &["error"]),
    ] {
        let (code, text) = check(document.as_bytes());
        assert_eq!(code, 1, "{what}: {text}");
        assert!(words.iter().all(|w| text.contains(w)), "{what}: {text}");
    }
    let (code, text) = check(b"openapi: 3.1.0\ninfo: {title: \"\xff\"}\n");
    assert!(code == 1 && text.contains("UTF-8"), "{text}");
}

#[test]
fn documents_of_every_form_are_read() {
    let json = api::one("a").to_string();
    let yaml = "openapi: 3.0.3\ninfo: {title: T, version: 1}\npaths:\n  /one:\n    get:\n      operationId: a\n      responses: {200: {description: no}}\n";
    let swagger = r#"{"swagger":"2.0","info":{"title":"T","version":"1"},"host":"a.example","paths":{"/one":{"get":{"operationId":"a","responses":{}}}}}"#;
    for (what, document) in [
        ("JSON", json.clone()),
        ("JSON with a byte order mark", format!("\u{feff}{json}")),
        ("JSON with Windows line ends", json.replace(',', ",\r\n")),
        ("YAML", yaml.to_owned()),
        ("YAML with Windows line ends", yaml.replace('\n', "\r\n")),
        ("OpenAPI 3.2", json.replace("3.1.0", "3.2.0")),
        ("Swagger 2.0", swagger.to_owned()),
    ] {
        let (code, text) = check(document.as_bytes());
        assert_eq!(code, 0, "{what}: {text}");
        assert!(text.contains("1 operations, 1 tools") && text.contains("no problems"), "{text}");
    }
}

#[test]
fn hostile_documents_are_refused_in_time_and_space() {
    let bomb: String =
        (1..40).map(|i| format!("a{i}: &a{i} [*a{p}, *a{p}, *a{p}]\n", p = i - 1)).collect();
    let bomb = format!("a0: &a0 [x,x,x]\n{bomb}");
    let arrays = |n: usize| "[".repeat(n);
    let hidden =
        |n: usize| format!("{{\"openapi\":\"3.1.0\",\"x\":{}{}}}", arrays(n), "]".repeat(n));
    for (what, document, word) in [
        ("64 MB of arrays", arrays(64 << 20), "limit is 32 MiB"),
        ("64 MB of arrays in JSON", hidden(32 << 20), "limit is 32 MiB"),
        ("31 MB of arrays", arrays(31 << 20), "error"),
        ("15 MB of arrays in JSON", hidden(7 << 20), "nested deeper"),
        ("aliases of aliases", bomb, "not valid YAML"),
        ("an alias of itself", "a: &a [*a]\nopenapi: 3.1.0\n".to_owned(), "error"),
    ] {
        let start = std::time::Instant::now();
        let (code, text) = check(document.as_bytes());
        assert_eq!(code, 1, "{what}: {text}");
        assert!(text.contains(word) && text.len() < 2000, "{what}: {text:.500}");
        println!("{what}: {:?}", start.elapsed());
    }
}

/// A document with one good operation and one that is not.
fn beside_good(path: &str, item: Value) -> Value {
    let mut document = api::one("good");
    document["paths"][path] = item;
    document
}

#[test]
fn an_operation_that_is_no_tool_never_costs_the_document() {
    let parameter =
        |p: Value| json!({"get": {"operationId": "bad", "parameters": [p], "responses": {}}});
    for (path, item, words) in [
        ("/a/{id}", json!({"get": {}}), &["`id` is not declared"][..]),
        ("/a/{id", json!({"get": {}}), &["without its `}`"]),
        ("/a/../b", json!({"get": {}}), &["leaves its base"]),
        ("//evil.example/a", json!({"get": {}}), &["another host"]),
        ("relative", json!({"get": {}}), &["does not start"]),
        ("/a", json!(7), &["not an object"]),
        ("/a", json!({"get": "x"}), &["not an object"]),
        ("/a", parameter(json!({"$ref": "#/components/parameters/Gone"})), &["points at nothing"]),
        ("/a", parameter(json!({"$ref": "#/paths/~1a/get/parameters/0"})), &[]),
        ("/a", parameter(json!({"name": "x", "in": "nowhere", "schema": {}})), &["nowhere"]),
        ("/a", parameter(json!({"name": "x", "in": "query", "schema": {"$ref": "#/gone"}})), &[]),
        (
            "/a",
            json!({"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/gone"}}}}}}),
            &[],
        ),
        ("/a", json!({"post": {"requestBody": 7}}), &[]),
        ("/a", json!({"get": {"servers": [{"url": "ftp://a.example"}]}}), &[]),
    ] {
        let dir = Temp::new();
        dir.write("api", beside_good(path, item.clone()).to_string());
        let args = ["check", "--openapi", "api", "--upstream", "http://127.0.0.1:9", "--json"];
        let (_, out, err) = drawbridge(dir.path(), &args);
        let report: Value =
            serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        let api = &report["apis"][0];
        assert!(api["tools"].as_u64() >= Some(1), "{path} {item}: {report}");
        let left_out = api["skipped"].as_array().expect("a list");
        let reason = left_out.first().map_or("", |s| s["reason"].as_str().expect("a reason"));
        assert!(words.iter().all(|w| reason.contains(w)), "{path} {item}: {reason:?}");
        let total = api["operations"].as_u64().expect("a number");
        assert_eq!(
            api["tools"].as_u64().map(|t| t + left_out.len() as u64),
            Some(total),
            "{report}"
        );
    }
}

#[test]
fn schemas_that_refer_to_themselves_become_tools() {
    let mut document = api::of(json!({"/tree": {"post": {
        "operationId": "tree",
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}},
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": {
            "$ref": "#/components/schemas/Node"}}}}},
    }}}));
    document["components"]["schemas"] = json!({
        "Node": {"type": "object", "properties": {
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
            "other": {"$ref": "#/components/schemas/Loop"},
        }},
        "Loop": {"$ref": "#/components/schemas/Loop"},
    });
    let dir = Temp::new();
    dir.write("api", document.to_string());
    let target = ["--openapi", "api", "--upstream", "http://127.0.0.1:9"];
    let (code, out, err) = drawbridge(dir.path(), &[&["tools", "--json"], &target[..]].concat());
    let tools: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    if tools["tools"].as_array().is_some_and(Vec::is_empty) {
        panic!("{code} {out} {err}");
    }
    let definition = tools["tools"][0]["definition"].to_string();
    assert!(!definition.contains("#/components"), "every reference is its own: {definition}");
    let deep = r#"{"body":{"children":[{"children":[{"children":[]}]}]}}"#;
    let args = [&["explain", "tree", "--args", deep], &target[..]].concat();
    assert_eq!(drawbridge(dir.path(), &args).0, 0);
    let wrong = r#"{"body":{"children":[{"children":[{"children":7}]}]}}"#;
    let args = [&["explain", "tree", "--args", wrong], &target[..]].concat();
    let (code, _, err) = drawbridge(dir.path(), &args);
    assert!(code == 1 && err.contains("/body/children/0/children/0/children"), "{err}");
}

#[test]
fn every_problem_of_a_configuration_is_told_at_once() {
    let dir = Temp::new();
    let config = "\
version: 1
listners: []
listeners:
  - address: nowhere
limits: {header_timeout: 10, streems: 5}
session_key: hunter2
apis:
  shop:
    openapi: api
    upsteam: {urls: [http://a]}
    upstream: {urls: [\"ftp://a\"], timeout: 5 minutes}
    forward_headers: [authorization]
servers:
  main: {path: mcp, sources: [{api: shopp}]}
";
    dir.write("drawbridge.yaml", config);
    dir.write("api", api::one("a").to_string());
    let (code, out, err) = drawbridge(dir.path(), &["check"]);
    assert_eq!(code, 1, "{out}{err}");
    for words in [
        "drawbridge.yaml:2:1: error: unknown key `listners`\n  did you mean `listeners`?",
        "drawbridge.yaml:4:14: error: `listeners[].address` must be an address and a port",
        "drawbridge.yaml:5:26: error: `limits.header_timeout` must be a time",
        "drawbridge.yaml:5:30: error: unknown key `limits.streems`\n  did you mean `streams`?",
        "drawbridge.yaml:6:14: error: `session_key` is a secret and must not stand here",
        "drawbridge.yaml:10:5: error: unknown key `apis.shop.upsteam`\n  did you mean `upstream`?",
        "the upstream URL `ftp://a` must begin with http",
        "`apis.shop.upstream.timeout` must be a time",
        "the header `authorization` cannot be set or passed on",
        "`servers.main.path` must be a plain path",
        "there is no api `shopp`\n  did you mean `shop`?",
    ] {
        assert!(out.contains(words), "{words}\n--- in ---\n{out}{err}");
    }
    assert!(!out.contains("hunter2"), "a secret is not shown: {out}");
    let count = out.lines().filter(|l| l.contains(": error: ")).count();
    assert!(out.ends_with(&format!("{count} problems\n")), "{out}");
    let (code, out, _) = drawbridge(dir.path(), &["check", "--json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, report["problems"].as_array().map(Vec::len)), (1, Some(count)));
    let first = &report["problems"][0];
    assert!(first["place"]["line"].is_u64() && first["place"]["column"].is_u64(), "{first}");
    assert!(first["severity"] == "error" && first["message"].is_string(), "{first}");
    // `serve` tells the same and does not begin.
    let (code, out, err) = drawbridge(dir.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("did you mean `listeners`?"), "{err}");
}

#[test]
fn configurations_that_cannot_be_served() {
    let servers = "servers: {main: {sources: [{api: a}]}}";
    let api = "apis: {a: {openapi: api}}";
    for (what, config, word) in [
        ("nothing", String::new(), "`version` is missing"),
        ("another version", format!("version: 2\n{api}\n{servers}"), "`version` must be 1"),
        ("no servers", format!("version: 1\n{api}"), "no `servers`"),
        ("a tab", format!("version: 1\n\t{api}"), "not valid YAML"),
        ("a list", "[1]".into(), "must be a map"),
        ("a key twice", format!("version: 1\n{api}\n{api}\n{servers}"), "drawbridge.yaml:3:"),
        ("a variable that is not set", format!("version: 1\nsession_key: ${{NOT_SET_ANYWHERE}}\n{api}\n{servers}"), "is not set"),
        ("a secret's file that is not there", format!("version: 1\nsession_key: ${{file:gone}}\n{api}\n{servers}"), "cannot be read"),
        ("a document that is not there", format!("version: 1\napis: {{a: {{openapi: gone}}}}\n{servers}"), "cannot be read"),
        ("two servers on one path", format!("version: 1\n{api}\nservers: {{m: {{sources: [{{api: a}}]}}, n: {{sources: [{{api: a}}]}}}}"), "same path"),
        ("the same tool twice", "version: 1\napis: {a: {openapi: api}, b: {openapi: api}}\nservers: {m: {sources: [{api: a}, {api: b}]}}".into(), "two tools are named"),
        ("an override of nothing", format!("version: 1\napis: {{a: {{openapi: api, tools: {{override: {{bb: {{}}}}}}}}}}\n{servers}"), "`override.bb` fits no tool"),
    ] {
        let dir = Temp::new();
        dir.write("drawbridge.yaml", config);
        let mut document = api::one("a");
        document["servers"] = json!([{"url": "http://127.0.0.1:9"}]);
        dir.write("api", document.to_string());
        let (code, out, err) = drawbridge(dir.path(), &["check"]);
        assert_eq!(code, 1, "{what}: {out}{err}");
        assert!(out.contains(word), "{what}: {out}{err}");
    }
}

#[test]
fn the_corpus_of_a_large_api_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/github-rest.json.gz");
    let Ok(packed) = std::fs::read(path) else {
        println!("skipped: no corpus");
        return;
    };
    let mut document = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
    std::io::Read::read_to_end(&mut decoder, &mut document).expect("gzip");
    let dir = Temp::new();
    dir.write("api", document);
    let target = ["--openapi", "api", "--upstream", "http://127.0.0.1:9", "--json"];
    let (code, out, err) = drawbridge(dir.path(), &[&["check"], &target[..]].concat());
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
    let api = &report["apis"][0];
    let skipped = api["skipped"].as_array().expect("a list");
    assert_eq!(api["operations"], 1223, "{code} {err}");
    assert_eq!(api["tools"].as_u64(), Some(1223 - skipped.len() as u64));
    assert!(skipped.len() < 10, "{skipped:#?}");
    assert!(skipped.iter().all(|s| s["reason"].as_str().is_some_and(|r| !r.is_empty())));
    let (_, out, _) = drawbridge(dir.path(), &[&["tools"], &target[..]].concat());
    let tools: Value = serde_json::from_str(&out).expect("JSON");
    let listed = tools["tools"].as_array().expect("a list");
    let names: std::collections::HashSet<&str> =
        listed.iter().filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(Some(names.len() as u64), api["tools"].as_u64(), "no name stands twice");
    for tool in listed {
        let schema = &tool["definition"]["inputSchema"];
        assert_eq!(schema["type"], "object", "{}", tool["name"]);
    }
}

/// Documents that an attack made, each small: none ends the process, or takes long.
#[test]
fn chains_and_products_are_bounded() {
    const LONG: usize = 20_000;
    let name = |n: usize| format!("S{n:05}");
    let refer = |n: usize| json!({"$ref": format!("#/components/schemas/{}", name(n))});
    let media = |media: &str, schema: Value| json!({"content": {media: {"schema": schema}}});
    let with = |schemas: serde_json::Map<String, Value>, starts: &[usize]| {
        let mut paths = serde_json::Map::new();
        for start in starts {
            for (at, kind) in
                ["application/json", "application/xml", "multipart/form-data"].iter().enumerate()
            {
                let operation = json!({
                    "requestBody": media(kind, refer(*start)),
                    "responses": {"200": media(kind, refer(*start))},
                });
                paths.insert(format!("/p{start}-{at}"), json!({"post": operation}));
            }
        }
        let mut document = api::of(Value::Object(paths));
        document["components"] = json!({"schemas": schemas});
        document
    };
    let chain = |link: &dyn Fn(Value) -> Value| -> serde_json::Map<String, Value> {
        let last = (name(LONG), json!({"type": "string"}));
        (0..LONG).map(|n| (name(n), link(refer(n + 1)))).chain([last]).collect()
    };
    // From its end to its beginning, so that each step is short.
    let backwards: Vec<usize> = (0..LONG).rev().step_by(50).collect();
    let threefold: serde_json::Map<String, Value> = (0..60)
        .map(|n| (name(n), json!({"allOf": vec![refer(n + 1); 3], "anyOf": vec![refer(n + 1); 3]})))
        .chain([(name(60), json!({"type": "object"}))])
        .collect();
    let schemes: serde_json::Map<String, Value> = (0..3000)
        .map(|n| {
            (format!("k{n}"), json!({"type": "apiKey", "in": "query", "name": format!("k{n}")}))
        })
        .collect();
    let mut secured =
        api::of((0..1000).map(|n| (format!("/{n}"), json!({"get": {"responses": {}}}))).collect());
    secured["security"] = (0..3000).map(|n| json!({ format!("k{n}"): [] })).collect();
    secured["components"] = json!({ "securitySchemes": schemes });
    let alternatives: Vec<String> = (0..100_000).map(|n| format!("a{n}")).collect();
    let pattern = json!({"type": "string", "pattern": alternatives.join("|")});
    for (what, document) in [
        ("a chain", with(chain(&|next| next), &[0])),
        ("a chain from its end", with(chain(&|next| next), &backwards)),
        (
            "a chain of properties",
            with(chain(&|next| json!({"properties": {"a": next}})), &backwards),
        ),
        (
            "a chain of items",
            with(chain(&|next| json!({"type": "array", "items": next})), &backwards),
        ),
        ("threefold parts", with(threefold, &[0])),
        ("many alternatives", secured),
        ("a long pattern", with([(name(0), pattern)].into_iter().collect(), &[0])),
    ] {
        let start = std::time::Instant::now();
        let (code, text) = check(document.to_string().as_bytes());
        assert!([0, 1].contains(&code), "{what}: {text}");
        // Without optimisation; it was minutes, or the end of the process.
        assert!(start.elapsed() < support::DEADLINE, "{what}: {:?}", start.elapsed());
    }
}
