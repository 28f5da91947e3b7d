//! The payloads: requests whose framing is wrong, and requests whose framing is
//! unusual and right.
//!
//! They are made from templates. A `$` and a letter stand for a part of the call
//! that the payload carries; [`filled`] lists them.

use crate::bodies::{BROKEN_BODIES, ENDED_BODIES, GOOD_BODIES};
use crate::heads::{BROKEN_FRAMINGS, BROKEN_STARTS, CHUNKED, GOOD_FRAMINGS, PLAIN};
use crate::support::api;
use crate::support::message::{Era, Message};
use Want::{Refused, RefusedEarly, Served};
use serde_json::json;

/// What must become of a payload.
#[derive(Clone, Copy, Debug)]
pub enum Want {
    Served,
    /// 400, and the connection closes.
    Refused,
    /// This status or 400, and the connection closes.
    RefusedEarly(u16),
}

pub struct Payload {
    pub name: String,
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    pub want: Want,
    /// Whether a refusal must say so before the connection closes. It need not
    /// where the header cannot be parsed, or where the client stops sending.
    pub answered: bool,
    /// Whether the client closes its sending side after the payload.
    pub ends: bool,
}

impl Payload {
    pub fn bytes(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }
}

/// The `Host` that every listener of the tests serves.
pub const HOST: &str = "localhost";

/// The call of every payload.
pub fn call(way: &str) -> Message {
    Message::call(Era::Modern, &api::get(way), json!({"case": "first"})).id("1")
}

/// The good request that follows a payload. The API sees it as the case
/// `smuggled`, and a front proxy as a target of that name.
pub fn hidden(way: &str) -> Message {
    let message = Message::call(Era::Modern, &api::get(way), json!({"case": "smuggled"}));
    message.id("2").path("/mcp?smuggled")
}

const START: &[u8] = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n";
const TE: &[u8] = b"Transfer-Encoding: chunked";
const LENGTH: &[u8] = b"Content-Length: $D";

/// Every payload, for a tool that answers in a given way.
pub fn payloads(way: &str) -> Vec<Payload> {
    let call = call(way);
    let of = |name: &str, start: &[u8], framing: &[u8], body: &[u8], want: Want| Payload {
        name: name.to_owned(),
        head: filled(&[start, b"$H", framing, b"\r\n\r\n"].concat(), &call),
        body: filled(body, &call),
        want,
        answered: false,
        ends: false,
    };
    let mut out = Vec::new();
    for (name, body) in GOOD_BODIES {
        out.push(of(name, START, TE, body, Served));
    }
    for (name, body) in BROKEN_BODIES {
        out.push(Payload { answered: true, ..of(name, START, TE, body, Refused) });
    }
    for (name, body) in ENDED_BODIES {
        out.push(Payload { ends: true, ..of(name, START, TE, body, Refused) });
    }
    let endless = b"ffffffffffffffff\r\n$B";
    let endless = of("the end after the largest size", START, TE, endless, RefusedEarly(413));
    out.push(Payload { ends: true, ..endless });
    for (name, framing, body) in GOOD_FRAMINGS {
        out.push(of(name, START, framing, body, Served));
    }
    for (name, framing, body) in BROKEN_FRAMINGS {
        out.push(of(name, START, framing, body, Refused));
    }
    for (name, start) in BROKEN_STARTS {
        out.push(of(name, start, LENGTH, PLAIN, Refused));
    }
    let old = b"POST /mcp HTTP/1.0\r\nHost: localhost\r\n";
    out.push(of("chunked in HTTP/1.0", old, TE, CHUNKED, Refused));
    let tunnel = b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n";
    out.push(of("a tunnel", tunnel, LENGTH, PLAIN, RefusedEarly(405)));
    out
}

/// Every broken body under every header that is refused whatever its body is.
pub fn refused_early(way: &str) -> Vec<Payload> {
    let good = call(way);
    let cases: [(&str, &[u8], Message, u16); 8] = [
        ("no such path", b"POST /nothing HTTP/1.1\r\nHost: localhost\r\n", good.clone(), 404),
        ("a foreign host", b"POST /mcp HTTP/1.1\r\nHost: evil.example\r\n", good.clone(), 403),
        ("a foreign page", START, good.clone().also("Origin", "http://evil.example"), 403),
        ("an answer in HTML", START, good.clone().header("Accept", "text/html"), 406),
        ("a text", START, good.clone().header("Content-Type", "text/plain"), 415),
        ("a coded body", START, good.clone().also("Content-Encoding", "gzip"), 415),
        ("a GET", b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n", good.clone(), 405),
        ("another method", b"PUT /mcp HTTP/1.1\r\nHost: localhost\r\n", good.clone(), 405),
    ];
    let mut out = Vec::new();
    for (what, start, call, status) in &cases {
        let head = filled(&[*start, b"$H", TE, b"\r\n\r\n"].concat(), call);
        for (name, body) in BROKEN_BODIES {
            out.push(Payload {
                name: format!("{what}, {name}"),
                head: head.clone(),
                body: filled(body, call),
                want: RefusedEarly(*status),
                answered: true,
                ends: false,
            });
        }
    }
    out
}

/// What an HTTP/2 connection begins with, sent where only HTTP/1.1 is spoken.
pub fn preface() -> Payload {
    Payload {
        name: "the preface of HTTP/2".to_owned(),
        head: b"PRI * HTTP/2.0\r\n\r\n".to_vec(),
        body: b"SM\r\n\r\n".to_vec(),
        want: Refused,
        answered: false,
        ends: false,
    }
}

/// A template with the parts of a call in place of its marks.
fn filled(template: &[u8], call: &Message) -> Vec<u8> {
    let body = call.body();
    let (first, rest) = body.split_at(10);
    let mut parts = template.split(|byte| *byte == b'$');
    let mut out = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (mark, after) = part.split_first().expect("a mark after the dollar sign");
        match *mark {
            // The message, its length in hex and in decimal.
            b'B' => out.extend_from_slice(&body),
            b'N' => out.extend(format!("{:x}", body.len()).bytes()),
            b'D' => out.extend(body.len().to_string().bytes()),
            // Its first ten bytes, the rest, and the length of the rest in hex.
            b'F' => out.extend_from_slice(first),
            b'L' => out.extend_from_slice(rest),
            b'R' => out.extend(format!("{:x}", rest.len()).bytes()),
            // The message in chunks of one byte.
            b'O' => body.iter().for_each(|b| out.extend([b'1', b'\r', b'\n', *b, b'\r', b'\n'])),
            // The header lines that MCP asks for.
            b'H' => call.headers().iter().for_each(|(name, value)| {
                out.extend(format!("{name}: {value}\r\n").bytes());
            }),
            // Some bytes, and more than a size line may have.
            b'S' => out.extend([b'p'; 500]),
            b'P' => out.extend([b'p'; 1100]),
            // More lines than trailers may have.
            b'T' => out.extend("X-T: 0123456789\r\n".repeat(600).bytes()),
            other => panic!("no such mark: {}", other as char),
        }
        out.extend_from_slice(after);
    }
    out
}
