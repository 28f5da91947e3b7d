//! One POST body -> one JSON-RPC message, borrowed from the body.

use super::raw::Text;
use crate::fault::{Class, Fault};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The longest string id, in bytes as written. Ids are echoed into every
/// answer and log line; no client needs more than a UUID.
pub const ID_BYTES_MAX: usize = 256;

/// The largest integer id: what a JavaScript client can hold exactly
/// (2^53 - 1).
const ID_INTEGER_MAX: u64 = (1 << 53) - 1;

/// A message that a client may send, its `params` read as `P`.
#[derive(Debug)]
pub enum Message<'a, P> {
    Request(Request<'a, P>),
    Notification {
        method: Cow<'a, str>,
    },
    /// A response to a server's request. This server sends none, so it is
    /// acknowledged and dropped.
    Response,
}

#[derive(Debug)]
pub struct Request<'a, P> {
    /// The id as written: a JSON string or integer.
    pub id: &'a str,
    pub method: Cow<'a, str>,
    /// `None` without `params`; an error for an object that is no `P`.
    pub params: Option<serde_json::Result<P>>,
}

/// A message that cannot be served, with its id where one could be read.
#[derive(Debug)]
pub struct Rejected {
    pub id: Option<Box<str>>,
    pub fault: Fault,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "P: Deserialize<'de>"))]
struct Wire<'a, P> {
    #[serde(borrow, default)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    params: Option<P>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Tells `null` from absent: `Option` alone reads both as `None`.
fn present<'de, T, D>(d: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    T::deserialize(d).map(Some)
}

/// An object read as `P`. A struct alone would take an array as well.
struct Members<P>(P);

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Members<P> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Object<P>(PhantomData<P>);
        impl<'de, P: Deserialize<'de>> Visitor<'de> for Object<P> {
            type Value = Members<P>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                P::deserialize(MapAccessDeserializer::new(map)).map(Members)
            }
        }
        d.deserialize_map(Object(PhantomData))
    }
}

/// Reads one message. Batches are refused: no revision served here has them
/// but 2025-03-26, where they are optional for senders and no client uses them.
pub fn parse<'a, P: Deserialize<'a>>(body: &'a [u8]) -> Result<Message<'a, P>, Rejected> {
    let text = std::str::from_utf8(body)
        .map_err(|e| reject(None, Class::ParseError, format!("the body is not UTF-8: {e}")))?;
    // All at once, as nearly every message allows; what does not is read again
    // in parts, to tell what is wrong and whose message it is.
    if let Ok(Members(wire)) = serde_json::from_str::<Members<Wire<'a, Members<P>>>>(text) {
        return checked(wire, |params| Ok(Ok(params.0)));
    }
    if text.trim_start().starts_with('[') {
        return Err(reject(
            None,
            Class::InvalidRequest,
            "JSON-RPC batches are not supported; send one message in each POST",
        ));
    }
    let wire: Wire<'a, &RawValue> = serde_json::from_str(text).map_err(|e| {
        let class = match e.classify() {
            serde_json::error::Category::Data if !e.to_string().starts_with("duplicate field") => {
                Class::InvalidRequest
            }
            _ => Class::ParseError,
        };
        reject(None, class, format!("the body is not a JSON-RPC message: {e}"))
    })?;
    checked(wire, |params| match params.get().starts_with('{') {
        true => Ok(serde_json::from_str(params.get())),
        false => Err("`params` must be an object"),
    })
}

fn checked<'a, W, P>(
    wire: Wire<'a, W>,
    read: impl FnOnce(W) -> Result<serde_json::Result<P>, &'static str>,
) -> Result<Message<'a, P>, Rejected> {
    let id = match wire.id {
        Some(raw) => Some(check_id(raw.get())?),
        None => None,
    };
    let refuse = |message: &str| reject(id, Class::InvalidRequest, message);
    if wire.jsonrpc.is_none_or(|text| text.0 != "2.0") {
        return Err(refuse("`jsonrpc` must be the string \"2.0\""));
    }
    let Some(Text(method)) = wire.method else {
        if wire.result.is_some() != wire.error.is_some() {
            return Ok(Message::Response);
        }
        return Err(refuse("`method` is missing"));
    };
    if wire.result.is_some() || wire.error.is_some() {
        return Err(refuse("a message has either a `method` or a `result` or an `error`"));
    }
    let params = wire.params.map(read).transpose().map_err(refuse)?;
    Ok(match id {
        Some(id) => Message::Request(Request { id, method, params }),
        None => Message::Notification { method },
    })
}

/// An id is a string or an integer (MCP: never null).
fn check_id(raw: &str) -> Result<&str, Rejected> {
    let refuse = |message: &str| Err(reject(None, Class::InvalidRequest, message));
    if raw.len() > ID_BYTES_MAX {
        return refuse("`id` is longer than 256 bytes");
    }
    if raw.starts_with('"') {
        return match serde_json::from_str::<Cow<'_, str>>(raw) {
            Ok(_) => Ok(raw),
            Err(e) => Err(reject(None, Class::ParseError, format!("`id` is not a string: {e}"))),
        };
    }
    match raw.parse::<i64>() {
        Ok(n) if n.unsigned_abs() <= ID_INTEGER_MAX => Ok(raw),
        _ => refuse("`id` must be a string or an integer within 2^53"),
    }
}

fn reject(id: Option<&str>, class: Class, message: impl Into<String>) -> Rejected {
    Rejected { id: id.map(Into::into), fault: Fault::new(class, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn parse(body: &[u8]) -> Result<Message<'_, Value>, Rejected> {
        super::parse(body)
    }

    #[test]
    fn messages() {
        for (body, want) in [
            (r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#, "request 0 ping"),
            (r#" {"jsonrpc":"2.0","id":"a","method":"ping","params":{}} "#, "request \"a\" ping"),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "notification"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "response"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "invalid_request"),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, "invalid_request"),
            (r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"p"}"#, "invalid_request"),
            (
                r#"{"jsonrpc":"2.0","id":9007199254740991,"method":"p"}"#,
                "request 9007199254740991 p",
            ),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "invalid_request"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, "parse_error"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, "invalid_request"),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "invalid_request"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "invalid_request"),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "invalid_request"),
            (r#"["2.0",1,"ping"]"#, "invalid_request"),
            (r#"["2.0",1,"tools/call",{"name":"x"}]"#, "invalid_request"),
            ("[]", "invalid_request"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#, "parse_error"),
            (r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#, "parse_error"),
            ("", "parse_error"),
            ("7", "invalid_request"),
            ("\u{feff}{}", "parse_error"),
        ] {
            let got = match parse(body.as_bytes()) {
                Ok(Message::Request(r)) => format!("request {} {}", r.id, r.method),
                Ok(Message::Notification { .. }) => "notification".into(),
                Ok(Message::Response) => "response".into(),
                Err(r) => r.fault.class.name().into(),
            };
            assert_eq!(got, want, "{body}");
        }
        assert!(parse(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_fault_after_the_id_keeps_the_id() {
        let r = parse(br#"{"jsonrpc":"2.0","id":"x","params":{}}"#).unwrap_err();
        assert_eq!(r.id.as_deref(), Some("\"x\""));
    }

    #[test]
    fn the_longest_id_and_one_past_it() {
        for (len, ok) in [(ID_BYTES_MAX, true), (ID_BYTES_MAX + 1, false)] {
            let id = "x".repeat(len - 2);
            let body = format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}"#);
            assert_eq!(parse(body.as_bytes()).is_ok(), ok, "{len}");
        }
    }

    #[test]
    fn a_million_levels_of_nesting_are_skipped_without_recursion() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{deep}}}}}"#);
        assert!(parse(body.as_bytes()).is_ok());
    }
}
