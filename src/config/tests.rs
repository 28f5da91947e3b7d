//! Tables of configurations: what is read, and what is told of what is wrong.

use super::*;

fn lookup(name: &str) -> Result<String, String> {
    match name {
        "KEY" => Ok("s3cret".to_owned()),
        "file:key.txt" => Ok("from a file".to_owned()),
        _ => Err(format!("the environment variable `{name}` is not set")),
    }
}

fn read(text: &str) -> Result<Config, Vec<String>> {
    parse("dir/conf.yaml", text, &lookup)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

const SMALLEST: &str = "version: 1\napis: { shop: { openapi: shop.yaml } }\nservers: { main: { sources: [{ api: shop }] } }\n";

#[test]
fn the_smallest_file_takes_every_default() {
    let config = read(SMALLEST).unwrap();
    let (api, server) = (&config.apis[0], &config.servers[0]);
    assert_eq!(api.openapi, "dir/shop.yaml", "relative to the file");
    assert_eq!((server.path.as_str(), server.page_size), ("/mcp", 250));
    assert_eq!(config.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin, None);
    assert_eq!(api.output_schema, OutputSchema::Tolerant);
}

#[test]
fn every_key_arrives() {
    let config = read(
        r#"
version: 1
threads: 3
work_stealing: true
log: { level: debug, format: json }
shutdown: { grace: 3s }
session_key: ${KEY}
limits: { connections: 5, calls: 6, streams: 7, requests_per_connection: 8, header_timeout: 1s, idle_timeout: 2s, body_timeout: 3s, write_timeout: 4s }
listeners:
  - { address: "0.0.0.0:1", tls: { cert: a.crt, key: b.key }, h2c: false }
  - { address: "127.0.0.1:2", h2c: true }
admin: { address: "127.0.0.1:3" }
apis:
  shop:
    openapi: https://example.com/api.json
    upstream: { urls: ["http://a/v1", "http://b/v1"], timeout: 5s, connect_timeout: 1s, http2: always, tls: { ca: ca.pem, verify: false, server_name: x } }
    auth:
      Key: { value: "${KEY}" }
      Pair: { username: me, password: "${file:key.txt}" }
    headers: { X-Team: blue }
    forward_headers: [accept-language]
    output_schema: none
    wrap_output: true
    limits: { response: 1MiB, stream: 2MiB }
    tools:
      expose: read_only
      methods: [get, HEAD]
      include: [{ path: "/a/**", method: get }]
      exclude: [{ tag: old, operation: "x*" }]
      override:
        getA: { name: get_a, title: T, description: D, answer: stream, result: content, output_schema: exact, timeout: 1s, requires: [sampling], mcp_headers: { id: Id }, annotations: { read_only: false, destructive: true, idempotent: false, open_world: false } }
        old: { match: [{ tag: old }], title: O }
servers:
  main: { path: /x, title: T, version: "2", instructions: I, sources: [{ api: shop, prefix: p_ }], hosts: [a.b], origins: ["https://c"], page_size: 9, cache_ttl: 1m, limits: { request: 1KiB } }
"#,
    )
    .unwrap();
    assert_eq!((config.threads, config.work_stealing, config.log.json), (Some(3), true, true));
    assert_eq!(config.session_key.as_ref().map(Secret::reveal), Some("s3cret"));
    assert_eq!((config.limits.connections, config.limits.requests_per_connection), (5, 8));
    assert_eq!(config.limits.idle_timeout, Duration::from_secs(2));
    assert!(config.listeners[0].tls.is_some() && config.listeners[1].h2c);
    let api = &config.apis[0];
    assert_eq!((api.upstream.urls.len(), api.upstream.http2), (2, Http2::Always));
    assert_eq!(api.openapi, "https://example.com/api.json");
    assert!(
        matches!(&api.auth[1].1, Auth::Basic { password, .. } if password.reveal() == "from a file")
    );
    assert_eq!(api.tools.methods, ["GET", "HEAD"]);
    let over = &api.tools.overrides[0].1;
    assert_eq!((over.name.as_deref(), over.answer), (Some("get_a"), Some(AnswerAs::Stream)));
    assert_eq!(over.annotations.read_only, Some(false));
    assert_eq!((over.output_schema, api.wrap_output), (Some(OutputSchema::Exact), true));
    assert_eq!(api.tools.overrides[1].1.matching[0].tag.as_deref(), Some("old"));
    let server = &config.servers[0];
    assert_eq!((server.request_bytes_max, server.cache_ttl.as_secs()), (1024, 60));
    assert_eq!(server.sources[0].prefix.as_deref(), Some("p_"));
}

#[test]
fn every_problem_is_told_with_its_place() {
    let problems = read(
        r#"version: 1
lisseners: []
apis:
  shop:
    openapi: a.yaml
    upsteam: {}
    upstream: { urls: ["ftp://x", "http://u@h"], timeout: 10 }
    auth: { K: { value: plain } }
    headers: { Authorization: x }
    forward_headers: [cookie]
    tools: { expose: readonly, exclude: [{ path: "[" }], override: { a: { name: "a b" }, b: { name: b, match: [{}] }, c: { match: [] } } }
    limits: { response: 8MB }
servers:
  main: { path: mcp, sources: [{ api: shoop }], page_size: 0 }
  other: { sources: [{ api: shop }] }
  third: { sources: [{ api: shop }] }
admin: { address: nowhere }
"#,
    )
    .unwrap_err();
    for want in [
        "dir/conf.yaml:2:1: error: unknown key `lisseners`",
        "did you mean `listeners`?",
        "dir/conf.yaml:6:5: error: unknown key `apis.shop.upsteam`",
        "did you mean `upstream`?",
        "`ftp://x` must begin with http",
        "`http://***@h` must not carry a user",
        "`apis.shop.upstream.timeout` must be a time",
        "`apis.shop.auth.K.value` is a secret",
        "the header `Authorization` cannot be set",
        "the header `cookie` cannot be set",
        "did you mean `read_only`?",
        "the pattern `[`",
        "must be 1 to 64",
        "`apis.shop.limits.response` must be a size",
        "`servers.main.path` must be a plain path",
        "there is no api `shoop`",
        "did you mean `shop`?",
        "from 1 to 10000",
        "have the same path /mcp",
        "must be an address and a port",
    ] {
        assert!(problems.iter().any(|p| p.contains(want)), "{want}\n{problems:#?}");
    }
    assert!(!problems.iter().any(|p| p.contains("plain`")), "a secret is not repeated");
}

#[test]
fn what_makes_a_file_unusable() {
    for (text, want) in [
        ("", "`version` is missing"),
        ("version: 2\n", "`version` must be 1"),
        ("version: 1\n", "there are no `servers`"),
        ("- a\n", "must be a map"),
        ("version: 1\nversion: 1\n", "not valid YAML"),
        ("a: b: c\n", "not valid YAML"),
        ("version: 1\n\tapis: {}\n", "not valid YAML"),
        ("version: 1\nsession_key: ${NOPE}\n", "`NOPE` is not set"),
        ("version: 1\nsession_key: \"${KEY\"\n", "without its `}`"),
        ("version: 1\napis: { a: {} }\n", "`apis.a.openapi` is missing"),
        ("version: 1\nlisteners: [{ h2c: true }]\n", "`listeners[].address` is missing"),
        (
            "version: 1\nlisteners: [{ address: 1.1.1.1:1, tls: { cert: x } }]\n",
            "`listeners[].tls.key` is missing",
        ),
        (
            "version: 1\nlisteners: [{ address: 1.1.1.1:1 }, { address: 1.1.1.1:1 }]\n",
            "two listeners",
        ),
        ("version: 1\nthreads: many\n", "`threads` must be a whole number"),
    ] {
        let problems = read(text).unwrap_err();
        assert!(problems.iter().any(|p| p.contains(want)), "{text:?}: {problems:?}");
    }
}

#[test]
fn limits_at_their_ends() {
    for (key, value, ok) in [
        ("threads", "1", true),
        ("threads", "1024", true),
        ("threads", "0", false),
        ("threads", "1025", false),
        ("threads", "-1", false),
    ] {
        let text = format!("{SMALLEST}{key}: {value}\n");
        assert_eq!(read(&text).is_ok(), ok, "{key}: {value}");
    }
}
