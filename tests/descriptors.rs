//! A process that may open few files. Alone in its program: the limit is of a
//! process and of those it starts.

mod support;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::json;
use support::http::Connection;
use support::mcp::Client;
use support::message::{Era, Message};
use support::rig::Rig;
use support::upstream::{Upstream, text};

#[test]
fn connections_end_before_descriptors_do() {
    const FILES: usize = 400;
    const CONNECTIONS: usize = FILES / 2;
    let upstream = Upstream::start(|_| vec![text("good")]);
    // The soft limit is raised to the hard one: this test needs more than it grants.
    let hard = Rlimit { current: Some(64), maximum: Some(FILES as u64) };
    setrlimit(Resource::Nofile, hard).expect("a limit can be lowered");
    let own = Rlimit { current: Some(FILES as u64), maximum: Some(FILES as u64) };
    let binary = Rig::of(&upstream).start();
    setrlimit(Resource::Nofile, own).expect("a soft limit can be raised");
    binary.wait_log(&format!("open connections are limited to {CONNECTIONS}"));
    let ping = Message::legacy("ping", json!({})).bytes(binary.address);
    let mut open: Vec<Connection> = Vec::new();
    let mut refused = 0;
    // The test has as few files as the process.
    for _ in 0..CONNECTIONS + 50 {
        let mut connection = Connection::open(binary.address);
        connection.try_send(&ping);
        match connection.try_response() {
            Some(response) => {
                assert_eq!(response.status, 200);
                open.push(connection);
            }
            None => refused += 1,
        }
    }
    assert_eq!((open.len(), refused), (CONNECTIONS, 50));
    assert_eq!(binary.metric("drawbridge_connections_refused_total"), 50.0);
    assert_eq!(binary.admin_get("/livez").0, 200, "the admin listener lives");
    let call = Message::call(Era::Modern, "whole_get", json!({"case": "x"}));
    let held = open.pop().expect("an open connection");
    drop(held);
    binary.wait_metric("drawbridge_open{what=\"connections\"}", (CONNECTIONS - 1) as f64);
    assert_eq!(Client::of(&binary).ask(&call).outcome(), "ok", "calls have files left");
}
