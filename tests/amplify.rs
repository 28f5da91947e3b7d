//! No request and no answer takes much more memory or time than its size: every
//! shape of JSON against every style, form, kind of schema and kind of answer.
//!
//! Memory is counted by the allocator. Time is that of the thread; a build without
//! optimisation gets more of it, which still tells a power from a product.

#[path = "amplify/answers.rs"]
mod answers;
#[path = "../benches/fixture/mod.rs"]
mod fixture;
#[path = "amplify/shapes.rs"]
mod shapes;
#[path = "amplify/tools.rs"]
mod tools;

use drawbridge::exchange::{Call, LogLevels, Next, ResponseHead};
use drawbridge::snapshot::Snapshot;
use http::{HeaderMap, HeaderValue, StatusCode};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Bytes for each byte that came in, and those that anything may take. The most that
/// is taken is 14 times a list of 87,000 empty texts that becomes XML.
const BYTES_PER_BYTE: u64 = 10;
const BYTES_BASE: u64 = 1 << 20;

/// Time for each MiB, and that which anything takes.
const TIME_PER_MIB: Duration = Duration::from_millis(25);
const TIME_BASE: Duration = Duration::from_millis(5);

/// How much slower a build without optimisation may be.
const SLOWER: u32 = if cfg!(debug_assertions) { 40 } else { 1 };

/// Bytes of the shapes.
const SIZE: usize = 256 << 10;

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// What some work took more than it may.
fn excess(bytes: usize, work: impl FnOnce()) -> Option<String> {
    let begun = thread_time();
    let counted = allocation_counter::measure(work);
    let took = thread_time() - begun;
    let bytes_max = bytes as u64 * BYTES_PER_BYTE + BYTES_BASE;
    let mib = bytes as f64 / f64::from(1 << 20);
    let time_max = (TIME_PER_MIB.mul_f64(mib) + TIME_BASE) * SLOWER;
    if counted.bytes_max > bytes_max {
        return Some(format!("{} bytes of {bytes_max}", counted.bytes_max));
    }
    (took > time_max).then(|| format!("{took:?} of {time_max:?}"))
}

#[test]
fn arguments() {
    let snapshot = fixture::load::loaded(tools::document().to_string().into_bytes());
    let (levels, shapes) = (LogLevels::default(), shapes::all(SIZE));
    let (mut wrong, mut sent) = (Vec::new(), 0);
    for tool in &snapshot.servers[0].tools {
        let headers = fixture::headers(&tool.name);
        let argument = tool.arguments.names.first().expect("an argument");
        let message =
            |value: &str| fixture::message(&tool.name, &format!("{{\"{argument}\":{value}}}"));
        // The first calls compile what checks them.
        for value in ["7", "\"a\"", "{\"a\":[{}]}", "[[]]"] {
            fixture::next(&snapshot, &levels, &headers, &message(value));
        }
        for (shape, value) in &shapes {
            let body = message(value);
            let mut next = None;
            let excess = excess(body.len(), || {
                next = Some(fixture::next(&snapshot, &levels, &headers, &body));
            });
            sent += usize::from(matches!(next, Some(Next::Exchange(_) | Next::Relay(_))));
            wrong.extend(excess.map(|e| format!("{} of {shape}: {e}", tool.name)));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(sent > 100, "most are refused, but not all: {sent}");
}

#[test]
fn names_that_nobody_knows() {
    let snapshot = fixture::snapshot(5000, false);
    let levels = LogLevels::default();
    let mut wrong = Vec::new();
    for bytes in [10, 64, 128, 129, SIZE] {
        let name = "get".repeat(bytes / 3);
        let headers = fixture::headers("get1");
        let mut legacy = headers.clone();
        for name in ["mcp-name", "mcp-method", "mcp-protocol-version"] {
            legacy.remove(name);
        }
        for body in [
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#
            ),
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{name}"}}"#),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"{name}"}}}}"#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{{"name":"{name}"}}}}"#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{{"level":"{name}"}}}}"#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"cursor":"{name}"}}}}"#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"get1","arguments":{{"{name}":1}}}}}}"#
            ),
        ] {
            let excess = excess(body.len(), || {
                fixture::next(&snapshot, &levels, &legacy, body.as_bytes());
            });
            wrong.extend(excess.map(|e| format!("{}: {e}", &body[..60])));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// A call of a tool, to be answered.
fn call(snapshot: &Snapshot, levels: &LogLevels, tool: &str) -> Box<Call> {
    let body = fixture::message(tool, "{}");
    match fixture::next(snapshot, levels, &fixture::headers(tool), &body) {
        Next::Exchange(call) | Next::Relay(call) => call,
        _ => panic!("{tool} takes no arguments"),
    }
}

#[test]
fn answers() {
    let snapshot = fixture::load::loaded(answers::document().to_string().into_bytes());
    let (levels, mut wrong) = (LogLevels::default(), Vec::new());
    let json = shapes::all(SIZE).into_iter().map(|(name, text)| (name, text.into_bytes()));
    let bodies: Vec<(&str, Vec<u8>)> = json.chain(answers::others(SIZE)).collect();
    for tool in &snapshot.servers[0].tools {
        let call = call(&snapshot, &levels, &tool.name);
        for media in ["application/json", "text/plain", "application/xml", "image/png", "x/y"] {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static(media));
            for status in [StatusCode::OK, StatusCode::BAD_REQUEST] {
                let head = ResponseHead { status, headers: &headers };
                call.answer(&head, b"{}");
                for (shape, body) in &bodies {
                    let what = format!("{} of {shape}, {media} {status}", tool.name);
                    let whole = excess(body.len(), || drop(call.answer(&head, body)));
                    wrong.extend(whole.map(|e| format!("{what}: {e}")));
                    let streamed = excess(body.len(), || {
                        let mut writer = call.writer(&head);
                        for piece in body.chunks(16 << 10) {
                            writer.chunk(piece, &mut Vec::new());
                        }
                        writer.end(&mut Vec::new());
                    });
                    wrong.extend(streamed.map(|e| format!("{what}, streamed: {e}")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}
