//! How often a call asks for memory, from the message to the result, without
//! sockets, and how much of it a document needs. More is slower: each bound is
//! what there is, and only goes down.

#[path = "../benches/fixture/mod.rs"]
mod fixture;

use drawbridge::exchange::{LogLevels, ResponseHead};
use fixture::load::loaded;
use fixture::{asked, headers, json, json_headers, message, snapshot};
use flate2::read::GzDecoder;
use http::StatusCode;
use std::io::Read;
use std::path::Path;

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

/// GitHub's document, where the folder of documents is beside this one.
#[test]
fn a_large_document_needs_little_memory_and_keeps_less() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/github-rest.json.gz");
    let Ok(packed) = std::fs::File::open(file) else {
        println!("skipped: no corpus");
        return;
    };
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        let mut document = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut document).expect("the document");
        kept = Some(loaded(document));
    });
    assert!(kept.is_some_and(|snapshot| snapshot.servers[0].tools.len() > 1000));
    assert!(counted.bytes_max < 120 << 20, "{} bytes at most", counted.bytes_max);
    assert!(counted.bytes_current < 20 << 20, "{} bytes kept", counted.bytes_current);
}
