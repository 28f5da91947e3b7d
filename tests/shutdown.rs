//! How the process ends when a terminal asks it to.

mod support;

use serde_json::json;
use support::binary::{Binary, Setup, Signal};
use support::message::{Era, Message};

#[test]
fn ctrl_c_ends_the_process_at_once() {
    for round in 0..3 {
        let mut running: Vec<Binary> = (0..10).map(|_| Setup::demo().start()).collect();
        let mut calls = Vec::new();
        for binary in &running {
            let mut connection = support::http::Connection::open(binary.address);
            let call = Message::call(Era::Modern, "slowReport", json!({"seconds": 9}));
            connection.send(&call.bytes(binary.address));
            binary.wait_metric("drawbridge_open{what=\"calls\"}", 1.0);
            calls.push(connection);
        }
        running.iter().for_each(|binary| binary.signal(Signal::INT));
        for binary in &mut running {
            assert!(binary.wait_end().success(), "round {round}");
            assert!(!binary.log().contains("Accept() failed"), "{}", binary.log());
        }
    }
}
