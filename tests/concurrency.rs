//! Many at once: no answer reaches the wrong client, no reload loses a call,
//! and an upstream of two addresses does without one of them.

mod support;

use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use support::api::{self, WAYS};
use support::h2;
use support::mcp::Client;
use support::message::{BOTH, Era, Message};
use support::rig::Rig;
use support::upstream::{Step, Upstream, text};

#[test]
fn no_answer_reaches_the_wrong_client() {
    let upstream =
        Upstream::start(|seen| vec![text(format!("{} {}", seen.case(), seen.body.len()))]);
    let binary = Rig::of(&upstream).start();
    std::thread::scope(|scope| {
        for client in 0..8usize {
            let binary = &binary;
            scope.spawn(move || {
                let mut connection = Client::of(binary);
                for round in 0..25usize {
                    let case = format!("{client}-{round}");
                    let way = WAYS[(client + round) % 2];
                    let era = BOTH[round % 2];
                    let body = "x".repeat(round * client * 40);
                    let arguments = json!({"case": case, "body": body});
                    let answer = connection.call(era, &api::post(way), arguments);
                    assert_eq!(answer.text(), format!("{case} {}", body.len() + 2));
                }
                assert_eq!(connection.opened, 1);
            });
        }
    });
    assert_eq!(upstream.requests().len(), 200);
    binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
}

#[test]
fn no_reload_loses_a_call() {
    let upstream = Upstream::start(|seen| vec![text(seen.case())]);
    let rig = Rig::of(&upstream);
    let binary = rig.start();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for way in WAYS {
            let (binary, done) = (&binary, &done);
            scope.spawn(move || {
                let mut client = Client::of(binary);
                while !done.load(Ordering::Relaxed) {
                    let answer = client.call(Era::Modern, &api::get(way), json!({"case": "x"}));
                    assert_eq!(answer.outcome(), "ok");
                }
                assert_eq!(client.opened, 1, "a reload costs no connection");
            });
        }
        for round in 0..10 {
            let mut document = rig.document.clone();
            document["info"]["title"] = json!(format!("Round {round}"));
            binary.dir.write("api.json", document.to_string());
            binary.reload();
            if round % 3 == 0 {
                binary.dir.write("api.json", "{ broken");
                binary.signal(support::binary::Signal::HUP);
                binary.wait_metric("drawbridge_config_last_reload_ok", 0.0);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn one_address_of_two_is_enough() {
    let upstream = Upstream::start(|_| vec![text("good")]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = gone.local_addr().expect("an address");
    drop(gone);
    let other = Upstream::start(|_| vec![text("good")]);
    let mut rig = Rig::of(&upstream);
    rig.api()["upstream"]["urls"] =
        json!([format!("http://{address}"), upstream.url(), other.url()]);
    let binary = rig.start();
    for tool in [api::get("whole"), api::post("whole")] {
        for _ in 0..6 {
            let answer = Client::of(&binary).call(Era::Modern, &tool, json!({"case": "x"}));
            assert_eq!(answer.outcome(), "ok", "{tool}: {}", answer.text());
        }
    }
    assert_eq!(upstream.requests().len() + other.requests().len(), 12, "each call is sent once");
    assert!(upstream.requests().len() >= 4 && other.requests().len() >= 4, "in turn");
}

#[test]
fn streams_of_one_http2_connection_are_independent() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "hang" => vec![Step::Hang],
        "close" => vec![Step::Close],
        case => vec![text(case)],
    });
    let mut rig = Rig::of(&upstream);
    rig.config["listeners"] = json!([{"address": "127.0.0.1:0", "h2c": true}]);
    let binary = rig.start();
    let mut client = h2::Client::clear(binary.address);
    let call =
        |way: &str, case: &str| Message::call(Era::Modern, &api::get(way), json!({"case": case}));
    for way in WAYS {
        let before = upstream.log();
        let abandoned = client.begin(&call(way, "hang"));
        upstream.wait("the call", |log| log.requests.len() > before.requests.len());
        let its = upstream.last().connection;
        let batch: Vec<Message> =
            ["a", "close", "b", "c", "close"].iter().map(|case| call(way, case)).collect();
        let answers = client.ask(&batch);
        let texts: Vec<String> = batch
            .iter()
            .zip(answers)
            .map(|(message, response)| support::mcp::check(message, response).text())
            .collect();
        assert_eq!([&texts[0], &texts[2], &texts[3]], ["a", "b", "c"], "{way}");
        assert!(texts[1].contains("upstream_closed"), "{way}: {}", texts[1]);
        // Resetting one stream ends its call and nothing else.
        drop(abandoned);
        upstream.wait("the end of the call", |log| log.closed.contains(&its));
        assert_eq!(client.ask(&[call(way, "z")])[0].status, 200, "{way}");
    }
    binary.wait_metric("drawbridge_open{what=\"calls\"}", 0.0);
    binary.wait_metric("drawbridge_open{what=\"connections\"}", 1.0);
}
