//! Calls without sockets, so many of one kind, for a profiler that counts:
//! `benches/guard` counts their instructions. Prints the kinds without arguments.
//!
//! `cargo bench --bench calls -- KIND COUNT`

mod fixture;

use drawbridge::exchange::{LogLevels, ResponseHead};
use fixture::{asked, headers, json, json_headers, message, snapshot};
use http::StatusCode;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The kinds, each with its tool, its arguments and whether it has an output
/// schema.
fn kinds() -> [(&'static str, &'static str, String, bool); 3] {
    [
        ("get", "get3", r#"{"id":7}"#.to_owned(), false),
        ("structured", "get3", r#"{"id":7}"#.to_owned(), true),
        ("post", "post3", format!(r#"{{"id":7,"body":{}}}"#, json(1 << 10)), false),
    ]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|w| !w.starts_with("--")).collect();
    let count = words.get(1).and_then(|n| n.parse::<u64>().ok());
    let kind = kinds().into_iter().find(|(name, ..)| words.first().is_some_and(|w| w == name));
    let (Some((_, tool, arguments, output)), Some(count)) = (kind, count) else {
        for (name, ..) in kinds() {
            println!("{name}");
        }
        return;
    };
    let (snapshot, levels) = (snapshot(10, output), LogLevels::default());
    let (client, message) = (headers(tool), message(tool, &arguments));
    let (answer, answer_headers) = (json(1 << 10).into_bytes(), json_headers());
    for _ in 0..count {
        let call = asked(&snapshot, &levels, &client, black_box(&message));
        let head = ResponseHead { status: StatusCode::OK, headers: &answer_headers };
        black_box(call.answer(&head, black_box(&answer)).body);
    }
}
