//! The admin listener: figures that count what happened, and no word of a
//! client's among their labels.

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::api;
use support::binary::Setup;
use support::events::Events;
use support::http::Connection;
use support::mcp::Client;
use support::message::{BOTH, Era, Message};
use support::rig::Rig;
use support::upstream::{Step, Upstream, reply, text};

#[test]
fn what_happened_is_counted() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "500" => vec![reply("500 Oops", "", "")],
        "close" => vec![Step::Close],
        _ => vec![text("good")],
    });
    let binary = Rig::of(&upstream).start();
    for way in api::WAYS {
        for (case, times) in [("ok", 3), ("500", 2), ("close", 1)] {
            for _ in 0..times {
                Client::of(&binary).call(Era::Modern, &api::get(way), json!({"case": case}));
            }
        }
        Client::of(&binary).call(Era::Legacy, &api::get(way), json!({"cases": "x"}));
    }
    let mut client = Client::of(&binary);
    client.ask(&Message::modern("tools/list", json!({})));
    client.ask(&Message::initialize("2025-06-18"));
    client.exchange(&Message::notification(Era::Legacy, "notifications/initialized"));
    client.ask(&Message::modern("tools/list", json!({})).without("Mcp-Method"));
    for tool in api::WAYS.map(api::get) {
        for (outcome, want) in [
            ("ok", 3.0),
            ("error_status", 2.0),
            ("upstream_closed", 1.0),
            ("invalid_arguments", 1.0),
        ] {
            let labels = format!("{{api=\"api\",outcome=\"{outcome}\",tool=\"{tool}\"}}");
            binary.wait_metric(&format!("drawbridge_calls_total{labels}"), want);
        }
    }
    for (method, era, outcome, want) in [
        ("tools/call", "modern", "ok", 6.0),
        ("tools/call", "modern", "error_status", 4.0),
        ("tools/call", "modern", "upstream_closed", 2.0),
        ("tools/call", "legacy", "invalid_arguments", 2.0),
        ("tools/list", "modern", "ok", 1.0),
        ("tools/list", "modern", "header_mismatch", 1.0),
        ("initialize", "legacy", "ok", 1.0),
        ("notification", "legacy", "ok", 1.0),
    ] {
        let labels =
            format!("{{era=\"{era}\",method=\"{method}\",outcome=\"{outcome}\",server=\"main\"}}");
        binary.wait_metric(&format!("drawbridge_requests_total{labels}"), want);
    }
    assert_eq!(binary.metric("drawbridge_tools{server=\"main\"}"), 4.0);
    assert_eq!(binary.metric("drawbridge_snapshot_generation"), 1.0);
    assert_eq!(binary.metric("drawbridge_config_last_reload_ok"), 1.0);
    assert_eq!(binary.metric("drawbridge_call_duration_seconds_count{part=\"call\"}"), 12.0);
    for direction in ["request", "response", "upstream_response"] {
        let series = format!("drawbridge_bytes_total{{direction=\"{direction}\"}}");
        assert!(binary.metric(&series) > 0.0, "{series}");
    }
}

/// Every series that the process has.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|l| l.starts_with("drawbridge_"));
    lines.filter_map(|l| Some(l.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn no_client_makes_a_series() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let binary = Rig::of(&upstream).start();
    let mut client = Client::of(&binary);
    let mut noise = |i: usize| {
        for era in BOTH {
            client.ask(&Message::call(era, &format!("canary_{i}"), json!({})));
            client.ask(&Message::new(era, &format!("canary/{i}"), json!({})));
            client.ask(&Message::call(era, "whole_get", json!({"case": format!("canary{i}")})));
            client.exchange(&Message::notification(era, &format!("notifications/canary{i}")));
        }
        client.exchange(&Message::modern("tools/list", json!({})).path(&format!("/canary{i}")));
        client.exchange(
            &Message::modern("tools/list", json!({})).host(&format!("canary{i}.example")),
        );
        let id = format!("canary{i}");
        client.exchange(&Message::legacy("ping", json!({})).also("Mcp-Session-Id", &id));
        client.exchange(&Message::legacy("ping", json!({})).header("MCP-Protocol-Version", &id));
    };
    // A request is counted after its answer: the second round ends after the
    // counts of the first.
    noise(0);
    noise(0);
    let before = series(&binary.admin_get("/metrics").1);
    (1..20).for_each(noise);
    let after = series(&binary.admin_get("/metrics").1);
    assert_eq!(before, after);
    assert!(!after.iter().any(|s| s.contains("canary")), "{after:#?}");
    for known in ["method=\"other\"", "outcome=\"method_not_found\"", "outcome=\"invalid_params\""]
    {
        assert!(after.iter().any(|s| s.contains(known)), "{known} in {after:#?}");
    }
}

#[test]
fn what_is_open_goes_back_to_nothing() {
    let upstream = Upstream::start(|_| vec![Step::Hang]);
    let binary = Rig::of(&upstream).start();
    let gauge = |what: &str| format!("drawbridge_open{{what=\"{what}\"}}");
    let mut calls = Vec::new();
    for (i, way) in api::WAYS.into_iter().enumerate() {
        for notices in [false, true] {
            let mut message = Message::call(Era::Modern, &api::get(way), json!({"case": "x"}));
            if notices {
                message = message.meta("progressToken", json!(i));
            }
            let mut connection = Connection::open(binary.address);
            connection.send(&message.bytes(binary.address));
            calls.push(connection);
        }
    }
    binary.wait_metric(&gauge("calls"), 4.0);
    let listen = Message::modern("subscriptions/listen", json!({"notifications": {}}));
    let mut streams: Vec<Events> = (0..3).map(|_| Events::ask(&binary, &listen)).collect();
    streams.iter_mut().for_each(|s| assert!(s.next().is_some()));
    binary.wait_metric(&gauge("streams"), 3.0);
    binary.wait_metric(&gauge("connections"), 7.0);
    calls.into_iter().for_each(Connection::close);
    streams.into_iter().for_each(Events::close);
    for what in ["calls", "streams", "connections"] {
        binary.wait_metric(&gauge(what), 0.0);
    }
}

#[test]
fn the_admin_listener_has_its_pages_and_no_others() {
    let binary = Setup::demo().start();
    for (path, want) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/status", 200),
        ("/metrics", 200),
        ("/", 404),
        ("/mcp", 404),
        ("/metrics/", 404),
        ("/../etc/passwd", 404),
    ] {
        assert_eq!(binary.admin_get(path).0, want, "{path}");
    }
    let status: Value = serde_json::from_str(&binary.admin_get("/status").1).expect("JSON");
    assert_eq!(status["generation"], 1);
    assert_eq!(status["servers"], json!([{"name": "bookshop", "path": "/mcp", "tools": 10}]));
    let mut connection = Connection::open(binary.admin);
    let host = binary.admin;
    connection.send(format!("DELETE /livez HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    assert_eq!(connection.response().status, 405);
    let (_, text) = binary.admin_get("/metrics");
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a series and its value");
        assert!(!name.is_empty() && value.parse::<f64>().is_ok(), "{line}");
    }
}
