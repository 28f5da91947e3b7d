//! How often a call asks for memory, from the message to the result, without
//! sockets. More is slower: each bound is what there is, and only goes down.

#[path = "../benches/fixture/mod.rs"]
mod fixture;

use drawbridge::exchange::{LogLevels, ResponseHead};
use fixture::{asked, headers, json, json_headers, message, snapshot};
use http::StatusCode;

#[test]
fn a_call_allocates_little() {
    let post = format!(r#"{{"id":7,"body":{}}}"#, json(1 << 10));
    for (what, tool, arguments, output, most) in [
        ("GET, text", "get3", r#"{"id":7}"#, false, 11),
        ("POST, 1 KiB", "post3", &*post, false, 15),
        ("GET, structure", "get3", r#"{"id":7}"#, true, 12),
    ] {
        let (snapshot, levels) = (snapshot(10, output), LogLevels::default());
        let (client, message) = (headers(tool), message(tool, arguments));
        let (answer, answer_headers) = (json(1 << 10).into_bytes(), json_headers());
        let once = || {
            let call = asked(&snapshot, &levels, &client, &message);
            let head = ResponseHead { status: StatusCode::OK, headers: &answer_headers };
            call.answer(&head, &answer).body.len()
        };
        // The first call compiles the validators.
        assert!(once() > answer.len());
        let counted = allocation_counter::measure(|| {
            once();
        });
        assert!(counted.count_total <= most, "{what}: {} allocations", counted.count_total);
    }
}
