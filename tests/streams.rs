//! What lasts longer than one answer: sessions, pages of a list, notices of a
//! call, and streams of changes.

mod support;

use serde_json::{Value, json};
use support::api;
use support::binary::{Binary, Signal};
use support::events::Events;
use support::mcp::{Client, is_error, outcome};
use support::message::{BOTH, Era, LEGACY, Message};
use support::rig::Rig;
use support::upstream::{Gate, Step, Upstream, json as json_answer};

/// A server of these tools, and an API that is never asked.
fn of_tools(names: &[&str]) -> (Upstream, Rig) {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let rig = Rig::of(&upstream).document(paths(names));
    (upstream, rig)
}

fn paths(names: &[&str]) -> Value {
    let item =
        |name: &&str| (format!("/{name}"), json!({"get": {"operationId": name, "responses": {}}}));
    api::of(names.iter().map(item).collect::<serde_json::Map<_, _>>().into())
}

fn names(result: &Value) -> Vec<String> {
    let tools = result["tools"].as_array().expect("a list of tools");
    tools.iter().map(|t| t["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_session_is_good_where_its_key_is_and_nowhere_else() {
    let (_upstream, mut rig) = of_tools(&["one"]);
    rig.config["session_key"] = json!("${TEST_SESSION_KEY}");
    let node = |key: &str| rig.setup().env("TEST_SESSION_KEY", key).start();
    let (first, second, foreign) = (node("k1"), node("k1"), node("k2"));
    let reply = Client::of(&first).ask(&Message::initialize(LEGACY));
    let id = reply.response.header("mcp-session-id").expect("a session id").to_owned();
    assert!(id.len() >= 32 && id.bytes().all(|b| b.is_ascii_graphic()), "{id}");
    let changed = |at: usize| {
        let mut bytes = id.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("text")
    };
    let cases = [
        (&first, id.clone(), 200),
        (&second, id.clone(), 200),
        (&foreign, id.clone(), 404),
        (&first, changed(0), 404),
        (&first, changed(id.len() / 2), 404),
        (&first, changed(id.len() - 1), 404),
        (&first, id[..id.len() - 1].to_owned(), 404),
        (&first, format!("{id}A"), 404),
        (&first, "made-up".to_owned(), 404),
        (&first, String::new(), 404),
    ];
    for (node, id, want) in cases {
        let message = Message::legacy("ping", json!({})).also("Mcp-Session-Id", &id);
        let answer = Client::of(node).ask(&message);
        assert_eq!(answer.status, want, "{id}: {}", answer.message);
        if want == 404 {
            assert_eq!(answer.code(), -32600, "{}", answer.message);
        }
    }
    let ids = |n: usize| {
        let mut client = Client::of(&first);
        let ask = |_| client.ask(&Message::initialize(LEGACY)).response;
        let ids = (0..n).map(ask).map(|r| r.header("mcp-session-id").expect("an id").to_owned());
        ids.collect::<std::collections::HashSet<_>>()
    };
    assert_eq!(ids(20).len(), 20, "no id is given twice");
}

#[test]
fn pages_of_a_list_tell_every_tool_once() {
    let (_upstream, mut rig) = of_tools(&["a", "b", "c", "d", "e"]);
    rig.server()["page_size"] = json!(2);
    let binary = rig.start();
    let mut client = Client::of(&binary);
    for era in BOTH {
        let (mut seen, mut pages, mut params) = (Vec::new(), 0, json!({}));
        loop {
            let answer = client.ask(&Message::new(era, "tools/list", params.clone()));
            seen.extend(names(answer.result()));
            pages += 1;
            match answer.result().get("nextCursor") {
                Some(cursor) => params = json!({"cursor": cursor}),
                None => break,
            }
        }
        assert_eq!((pages, seen.concat()), (3, "abcde".to_owned()), "{era:?}");
        let first = client.ask(&Message::new(era, "tools/list", json!({})));
        let good = first.result()["nextCursor"].as_str().expect("a cursor").to_owned();
        let (position, mark) = good.split_once('.').expect("a cursor of two parts");
        for bad in [
            json!(""),
            json!("2"),
            json!(format!("{position}.0000000000000000")),
            json!(format!("9.{mark}")),
            json!(format!("-1.{mark}")),
            json!(format!("{good} ")),
            json!(7),
            json!(["x"]),
        ] {
            let answer = client.ask(&Message::new(era, "tools/list", json!({"cursor": bad})));
            assert_eq!(answer.verdict(), (200, -32602), "{era:?} {bad}: {}", answer.message);
        }
        for method in ["resources/list", "resources/templates/list", "prompts/list"] {
            let answer = client.ask(&Message::new(era, method, json!({"cursor": good})));
            assert_eq!(answer.verdict(), (200, -32602), "{era:?} {method}");
        }
    }
    let cursor =
        client.ask(&Message::modern("tools/list", json!({}))).result()["nextCursor"].clone();
    binary.dir.write("api.json", paths(&["a", "b", "c", "x"]).to_string());
    binary.reload();
    let answer = client.ask(&Message::modern("tools/list", json!({"cursor": cursor})));
    assert_eq!(answer.verdict(), (200, -32602), "a cursor of a list that is gone");
}

/// `progress 0`, `log request sent to the API`, ... in their order.
fn told(notices: &[Value], token: &Value) -> Vec<String> {
    let one = |n: &Value| match n["method"].as_str() {
        Some("notifications/progress") => {
            assert_eq!(&n["params"]["progressToken"], token, "{n}");
            assert!(n["params"]["message"].is_string() && n["params"]["total"] == 100, "{n}");
            format!("progress {}", n["params"]["progress"])
        }
        Some("notifications/message") => {
            assert!(n["params"]["data"]["requestId"].is_string(), "{n}");
            format!("log {}", n["params"]["level"].as_str().unwrap_or("?"))
        }
        _ => panic!("{n}"),
    };
    notices.iter().map(one).collect()
}

const FULL: [&str; 6] =
    ["progress 0", "log info", "progress 50", "log info", "progress 100", "log info"];

#[test]
fn notices_come_in_order_and_the_answer_last() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "close" => vec![Step::Close],
        "half" => vec![
            Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
            Step::Close,
        ],
        _ => vec![json_answer("[1,\n2]")],
    });
    let binary = Rig::of(&upstream).start();
    let progress: Vec<&str> = FULL.iter().copied().filter(|n| n.starts_with('p')).collect();
    let logs: Vec<&str> = FULL.iter().copied().filter(|n| n.starts_with('l')).collect();
    let level = "io.modelcontextprotocol/logLevel";
    for way in api::WAYS {
        let call = |case: &str| Message::call(Era::Modern, &api::get(way), json!({"case": case}));
        let token = json!("t/1");
        for (message, want_told, want) in [
            (call("ok").meta("progressToken", token.clone()), &progress[..], "ok"),
            (call("ok").meta(level, json!("info")), &logs, "ok"),
            (
                call("ok").meta(level, json!("debug")).meta("progressToken", token.clone()),
                &FULL,
                "ok",
            ),
            (
                call("close").meta("progressToken", token.clone()),
                &["progress 0", "progress 100"],
                "upstream_closed",
            ),
            (
                call("half").meta("progressToken", token.clone()),
                &["progress 0", "progress 50", "progress 100"],
                "upstream_closed",
            ),
        ] {
            let (notices, answer) = Events::ask(&binary, &message).finish(&message);
            assert_eq!(told(&notices, &token), want_told, "{way} {message:?}");
            assert_eq!(outcome(&answer["result"]), want, "{way} {answer}");
        }
        let mut client = Client::of(&binary);
        for quiet in [
            call("ok").meta(level, json!("warning")),
            call("ok").meta("progressToken", token.clone()).header("Accept", "application/json"),
            call("ok").meta("progressToken", json!(1.5)),
        ] {
            assert_eq!(client.ask(&quiet).outcome(), "ok", "no stream for {quiet:?}");
        }
        let loud = client.ask(&call("ok").meta(level, json!("loud")));
        assert_eq!(loud.code(), -32602, "{}", loud.message);
    }
}

#[test]
fn a_handshake_session_sets_its_own_log_level() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let binary = Rig::of(&upstream).start();
    let mut client = Client::of(&binary);
    let mut session = || {
        let reply = client.ask(&Message::initialize(LEGACY));
        reply.response.header("mcp-session-id").expect("an id").to_owned()
    };
    let (loud, quiet) = (session(), session());
    let within = |id: &str, m: Message| m.also("Mcp-Session-Id", id);
    let level = Message::legacy("logging/setLevel", json!({"level": "debug"}));
    assert_eq!(client.ask(&within(&loud, level)).result(), &json!({}));
    let call = || Message::call(Era::Legacy, "whole_get", json!({"case": "x"}));
    let message = within(&loud, call()).meta("progressToken", json!(7));
    let (notices, answer) = Events::ask(&binary, &message).finish(&message);
    assert_eq!(told(&notices, &json!(7)), FULL);
    assert!(!is_error(&answer["result"]));
    assert_eq!(client.ask(&within(&quiet, call())).outcome(), "ok", "another session's level");
    assert_eq!(client.ask(&call()).outcome(), "ok", "no session, no level");
}

fn listen(id: &str, filter: Value) -> Message {
    let params = json!({"notifications": filter});
    Message::modern("subscriptions/listen", params).id(id)
}

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

#[test]
fn a_listener_hears_of_a_changed_list_and_of_the_end() {
    let (_upstream, rig) = of_tools(&["one"]);
    let mut binary = rig.start();
    let mut tools = Events::ask(&binary, &listen("\"a/1\"", json!({"toolsListChanged": true})));
    let ack = tools.next().expect("an acknowledgement");
    assert_eq!(ack["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(ack["params"]["notifications"], json!({"toolsListChanged": true}));
    assert_eq!(ack["params"]["_meta"][SUBSCRIPTION], "a/1");
    let other = json!({"promptsListChanged": true, "resourceSubscriptions": ["file:///a"]});
    let mut prompts = Events::ask(&binary, &listen("2", other));
    let ack = prompts.next().expect("an acknowledgement");
    assert_eq!(ack["params"]["notifications"], json!({}), "only what is offered is honoured");
    let mut old = Events::get(&binary, &[("MCP-Protocol-Version", LEGACY)]);
    old.wait_comment();
    binary.wait_metric("drawbridge_open{what=\"streams\"}", 3.0);

    // The file is watched: nobody tells the process that it changed.
    binary.dir.write("api.json", paths(&["one", "two"]).to_string());
    let changed = tools.next().expect("a change");
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"][SUBSCRIPTION], "a/1");
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    assert_eq!(old.next(), Some(changed));
    let list = Client::of(&binary).ask(&Message::modern("tools/list", json!({})));
    assert_eq!(names(list.result()), ["one", "two"], "the list is new when the notice comes");

    // The same list again is no change.
    binary.reload();
    binary.signal(Signal::TERM);
    let end = tools.next().expect("an end that is told");
    assert_eq!(end["id"], "a/1");
    assert_eq!(end["result"]["resultType"], "complete", "{end}");
    assert_eq!(end["result"]["_meta"][SUBSCRIPTION], "a/1");
    assert_eq!(tools.next(), None);
    let end = prompts.next().expect("an end, and no change before it");
    assert_eq!((&end["id"], &end["result"]["_meta"][SUBSCRIPTION]), (&json!(2), &json!(2)));
    assert_eq!(prompts.next(), None);
    assert_eq!(old.next(), None, "the old stream has no farewell");
    assert!(binary.wait_end().success());
}

#[test]
fn a_filter_that_cannot_be_read_is_an_error_and_streams_are_bounded() {
    let (_upstream, mut rig) = of_tools(&["one"]);
    *rig.limits() = json!({"streams": 2});
    let binary = rig.start();
    let mut client = Client::of(&binary);
    for filter in [json!({"toolsListChanged": "yes"}), json!("all"), json!(7)] {
        let answer = client.ask(&listen("1", filter.clone()));
        assert_eq!(answer.verdict(), (200, -32602), "{filter}: {}", answer.message);
    }
    let everything = || listen("1", json!({"toolsListChanged": true}));
    let mut open = [Events::ask(&binary, &everything()), Events::ask(&binary, &everything())];
    open.iter_mut().for_each(|e| assert!(e.next().is_some()));
    let refused = client.exchange(&everything());
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let [first, _second] = open;
    first.close();
    binary.wait_metric("drawbridge_open{what=\"streams\"}", 1.0);
    assert!(Events::ask(&binary, &everything()).next().is_some(), "a place that became free");
}

#[test]
fn a_broken_file_changes_nothing_and_a_mended_one_is_taken() {
    let (_upstream, rig) = of_tools(&["one"]);
    let binary = rig.start();
    let listed =
        || names(Client::of(&binary).ask(&Message::modern("tools/list", json!({}))).result());
    let good = paths(&["two"]).to_string();
    assert_eq!(listed(), ["one"]);
    for broken in ["", "{", "not yaml: [", &good[..good.len() / 2], &paths(&[]).to_string()] {
        binary.dir.write("api.json", broken);
        let told = binary.log().matches("not taken into use").count();
        binary.signal(Signal::HUP);
        support::until("a refusal in the log", || {
            (binary.log().matches("not taken into use").count() > told).then_some(())
        });
        assert_eq!(listed(), ["one"], "after {broken:?}");
        assert_eq!(binary.metric("drawbridge_config_last_reload_ok"), 0.0);
    }
    binary.dir.write("api.json", good);
    binary.reload();
    assert_eq!(listed(), ["two"]);
    assert_eq!(binary.metric("drawbridge_config_last_reload_ok"), 1.0);
}

#[test]
fn a_stream_goes_on_when_its_client_says_something() {
    let (_upstream, rig) = of_tools(&["one"]);
    let binary = rig.start();
    let mut stream = Events::ask(&binary, &listen("1", json!({"toolsListChanged": true})));
    assert!(stream.next().is_some(), "an acknowledgement");
    stream.disturb();
    for names in [["one", "two"], ["two", "three"]] {
        binary.dir.write("api.json", paths(&names).to_string());
        binary.reload();
        let changed = stream.next().expect("a change");
        assert_eq!(changed["method"], "notifications/tools/list_changed");
    }
}

/// A call that the API holds back until the test lets it go.
fn held(way: &str) -> (Upstream, Binary, Gate, Client) {
    let gate = Gate::shut();
    let kept = gate.clone();
    let upstream = Upstream::start(move |_| vec![Step::Gate(kept.clone()), json_answer("{}")]);
    let binary = Rig::of(&upstream).start();
    let mut client = Client::of(&binary);
    let call = Message::call(Era::Modern, &api::get(way), json!({"case": "x"})).id("1");
    let bytes = call.bytes(binary.address);
    client.connection().send(&bytes);
    upstream.wait("the call", |log| log.requests.len() == 1);
    (upstream, binary, gate, client)
}

#[test]
fn a_call_under_way_is_finished_before_the_process_ends() {
    for way in api::WAYS {
        let (_upstream, mut binary, gate, client) = held(way);
        binary.signal(Signal::TERM);
        binary.wait_log("waiting for open calls");
        assert_eq!(binary.admin_get("/readyz").0, 503, "an ending process is not ready");
        gate.open();
        let mut connection = client.into_connection();
        assert_eq!(connection.response().status, 200, "{way}");
        connection.expect_end();
        assert!(binary.wait_end().success(), "{way}");
    }
}

#[test]
fn a_call_under_way_ends_with_the_tools_it_began_with() {
    for way in api::WAYS {
        let (upstream, binary, gate, mut client) = held(way);
        binary.dir.write("api.json", api::one("other").to_string());
        binary.reload();
        gate.open();
        assert_eq!(client.connection().response().status, 200, "{way}");
        let gone = client.call(Era::Modern, &api::get(way), json!({"case": "x"}));
        assert_eq!(gone.code(), -32602, "{}", gone.message);
        assert_eq!(upstream.requests().len(), 1);
    }
}
