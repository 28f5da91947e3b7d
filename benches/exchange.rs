//! The call path without sockets: parse, prepare, answer.
//!
//! `cargo bench --bench exchange`

mod fixture;

use drawbridge::exchange::{LogLevels, ResponseHead};
use fixture::{asked, headers, json, json_headers, message, snapshot};
use http::StatusCode;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

#[divan::bench(args = [10, 1000, 100_000])]
fn prepare_get(bencher: divan::Bencher<'_, '_>, tools: usize) {
    let (snapshot, levels) = (snapshot(tools / 2, false), LogLevels::default());
    let (headers, body) = (headers("get3"), message("get3", r#"{"id":7,"fields":["a","b"]}"#));
    bencher.bench(|| asked(&snapshot, &levels, &headers, black_box(&body)));
}

#[divan::bench(args = [1 << 10, 1 << 20])]
fn prepare_post(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let (snapshot, levels) = (snapshot(10, false), LogLevels::default());
    let arguments = format!(r#"{{"id":7,"body":{}}}"#, json(bytes));
    let (headers, body) = (headers("post3"), message("post3", &arguments));
    bencher.bench(|| asked(&snapshot, &levels, &headers, black_box(&body)));
}

type Members<'a> = HashMap<&'a str, &'a RawValue>;

#[divan::bench(args = [1 << 10, 1 << 20])]
fn parse_envelope(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let body = message("t", &format!(r#"{{"body":{}}}"#, json(bytes)));
    bencher.bench(|| drawbridge::jsonrpc::parse::<Members<'_>>(black_box(&body)).is_ok());
}

#[divan::bench(args = [1 << 10, 1 << 20, 16 << 20])]
fn answer_text(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    answer(bencher, bytes, false);
}

#[divan::bench(args = [1 << 10, 1 << 20])]
fn answer_structured(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    answer(bencher, bytes, true);
}

fn answer(bencher: divan::Bencher<'_, '_>, bytes: usize, output: bool) {
    let (snapshot, levels) = (snapshot(10, output), LogLevels::default());
    let call = asked(&snapshot, &levels, &headers("get3"), &message("get3", r#"{"id":7}"#));
    let body = json(bytes).into_bytes();
    let headers = json_headers();
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    bencher
        .counter(divan::counter::BytesCount::new(body.len()))
        .bench(|| call.answer(&head, black_box(&body)).body);
}

#[divan::bench(args = [1 << 20])]
fn answer_in_pieces(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let (snapshot, levels) = (snapshot(10, false), LogLevels::default());
    let call = asked(&snapshot, &levels, &headers("get3"), &message("get3", r#"{"id":7}"#));
    let body = json(bytes).into_bytes();
    let headers = json_headers();
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    bencher.counter(divan::counter::BytesCount::new(body.len())).bench(|| {
        let mut writer = call.writer(&head);
        let mut sent = 0;
        for piece in body.chunks(64 << 10) {
            let mut out = Vec::with_capacity(piece.len() * 5 / 4);
            writer.chunk(black_box(piece), &mut out);
            sent += out.len();
        }
        let mut out = Vec::new();
        writer.end(&mut out);
        sent + out.len()
    });
}

#[divan::bench(args = [1 << 10, 1 << 20])]
fn escape(bencher: divan::Bencher<'_, '_>, bytes: usize) {
    let text = json(bytes);
    bencher.counter(divan::counter::BytesCount::new(text.len())).bench(|| {
        let mut out = Vec::with_capacity(text.len() * 5 / 4);
        drawbridge::jsonrpc::escape::escape_into(&mut out, black_box(&text));
        out
    });
}

#[divan::bench]
fn memcpy_1_mb(bencher: divan::Bencher<'_, '_>) {
    let body = json(1 << 20).into_bytes();
    bencher
        .counter(divan::counter::BytesCount::new(body.len()))
        .bench(|| black_box(&body).to_vec());
}
