//! Headers that repeat what the body says, so that other parties can route
//! without reading it (2026-07-28, streamable HTTP, "Request Metadata"). They
//! must say the same.

use super::meta::shown;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::Raw;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;

pub static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub static METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub static NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The one value of a header, or why there is none.
pub fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(mismatch(format!("the header {name} stands more than once")));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim_matches([' ', '\t']))),
        Err(_) => {
            Err(mismatch(format!("the header {name} has characters that no header may have")))
        }
    }
}

/// `Mcp-Method` is there and is the body's method.
pub fn check_method(headers: &HeaderMap, method: &str) -> Result<()> {
    match single(headers, &METHOD)? {
        Some(value) if value == method => Ok(()),
        Some(value) => Err(mismatch(format!(
            "the header Mcp-Method is {} but the body's method is {}",
            shown(value),
            shown(method)
        ))),
        None => Err(mismatch("the header Mcp-Method is missing".to_owned())),
    }
}

/// `Mcp-Name` is there and is the body's name or URI.
pub fn check_name(headers: &HeaderMap, name: &str) -> Result<()> {
    let Some(value) = single(headers, &NAME)? else {
        return Err(mismatch("the header Mcp-Name is missing".to_owned()));
    };
    if decode("Mcp-Name", value)? == name {
        return Ok(());
    }
    Err(mismatch(format!(
        "the header Mcp-Name is {} but the body names {}",
        shown(value),
        shown(name)
    )))
}

/// `Mcp-Param-{name}` says what the argument says; there is none for a missing
/// or null argument.
pub fn check_parameter(
    headers: &HeaderMap,
    header: &HeaderName,
    argument: Option<&Raw<'_>>,
) -> Result<()> {
    let value = single(headers, header)?;
    let argument = argument.and_then(Raw::scalar);
    match (value, argument) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(mismatch(format!(
            "the header {header} is missing; list the tools again to learn which arguments are mirrored"
        ))),
        (Some(_), None) => {
            Err(mismatch(format!("the header {header} stands for an argument that is not given")))
        }
        (Some(value), Some(argument)) => {
            let value = decode(header.as_str(), value)?;
            if value == argument || same_number(&value, argument) {
                return Ok(());
            }
            Err(mismatch(format!("the header {header} does not match its argument")))
        }
    }
}

/// Takes the Base64 form (`=?base64?...?=`) off a value.
fn decode<'v>(header: &str, value: &'v str) -> Result<Cow<'v, str>> {
    let inner = value.strip_prefix("=?base64?").and_then(|v| v.strip_suffix("?="));
    let Some(inner) = inner else { return Ok(Cow::Borrowed(value)) };
    let text = STANDARD.decode(inner).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(text) => Ok(Cow::Owned(text)),
        None => Err(mismatch(format!("the header {header} is not valid Base64 of UTF-8 text"))),
    }
}

/// Numbers are compared as numbers: `42.0` is `42`.
fn same_number(a: &str, b: &str) -> bool {
    let number = |s: &str| {
        s.bytes()
            .all(|c| c.is_ascii_digit() || b"+-.eE".contains(&c))
            .then(|| s.parse::<f64>().ok())
    };
    match (number(a).flatten(), number(b).flatten()) {
        (Some(x), Some(y)) => x == y,
        _ => false,
    }
}

fn mismatch(message: String) -> Fault {
    Fault::new(Class::HeaderMismatch, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (k, v) in pairs {
            map.append(*k, http::HeaderValue::from_bytes(v.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn methods_and_names() {
        for (pairs, ok) in [
            (&[("mcp-method", "tools/call"), ("mcp-name", "a")][..], true),
            (&[("mcp-method", "tools/call"), ("mcp-name", "  a  ")], true),
            (&[("mcp-method", "tools/call"), ("mcp-name", "=?base64?YQ==?=")], true),
            (&[("mcp-method", "TOOLS/CALL"), ("mcp-name", "a")], false),
            (&[("mcp-name", "a")], false),
            (&[("mcp-method", "tools/call")], false),
            (&[("mcp-method", "tools/call"), ("mcp-name", "b")], false),
            (&[("mcp-method", "tools/call"), ("mcp-name", "a"), ("mcp-name", "a")], false),
            (&[("mcp-method", "tools/call"), ("mcp-name", "é")], false),
        ] {
            let map = headers(pairs);
            let got = check_method(&map, "tools/call").and_then(|()| check_name(&map, "a"));
            assert_eq!(got.is_ok(), ok, "{pairs:?}");
        }
    }

    #[test]
    fn parameters() {
        for (header, argument, ok) in [
            (Some("Hello"), Some("\"Hello\""), true),
            (Some("=?base64?SGVsbG8=?="), Some("\"Hello\""), true),
            (Some("=?base64?SGVsbG8?="), Some("\"Hello\""), false),
            (Some("=?base64?SGVs!!!bG8=?="), Some("\"Hello\""), false),
            (Some("SGVsbG8="), Some("\"SGVsbG8=\""), true),
            (Some("=?base64?SGVsbG8="), Some("\"=?base64?SGVsbG8=\""), true),
            (Some("x"), Some("\"y\""), false),
            (None, Some("\"y\""), false),
            (None, Some("null"), true),
            (None, None, true),
            (Some("x"), None, false),
            (Some("42.0"), Some("42"), true),
            (Some("41"), Some("42"), false),
            (Some("true"), Some("true"), true),
            (Some("=?base64?IHBhZGRlZCA=?="), Some("\" padded \""), true),
        ] {
            let map = header.map_or_else(HeaderMap::new, |h| headers(&[("mcp-param-x", h)]));
            let raw = argument.map(|a| serde_json::from_str::<&RawValue>(a).unwrap());
            let raw = raw.map(|r| Raw::read(r).unwrap());
            let got = check_parameter(&map, &HeaderName::from_static("mcp-param-x"), raw.as_ref());
            assert_eq!(got.is_ok(), ok, "{header:?} {argument:?}");
        }
    }
}
