//! Text of values on the wire: percent-encoding, delimiters, and values as one
//! text.

use super::bounded::Bounded;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::Raw;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Json,
    Text,
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
}

/// Everything but unreserved characters is encoded (RFC 3986 §2.3).
pub const UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// With `allowReserved`, what cannot change the query's structure stays.
pub const RESERVED_KEPT: &AsciiSet = &UNRESERVED
    .remove(b':')
    .remove(b'/')
    .remove(b'?')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';');

/// The same for a path, in which `/` and `?` would change the structure.
pub const RESERVED_IN_PATH: &AsciiSet =
    &RESERVED_KEPT.add(b'/').add(b'?').remove(b'&').remove(b'+').remove(b'=');

/// Outside the cookie-octets (RFC 6265 §4.1.1), and `%` itself.
pub const NOT_COOKIE: &AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b',').add(b';').add(b'\\').add(b'%');

pub fn join(
    value: &Raw<'_>,
    between: &str,
    pair: &str,
    write: &mut dyn FnMut(&str, &mut Bounded) -> Result<()>,
    out: &mut Bounded,
) -> Result<()> {
    match value {
        Raw::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(between)?;
                }
                write(&element(item)?, out)?;
            }
        }
        Raw::Object(members) => {
            for (i, (name, item)) in members.iter().enumerate() {
                if i > 0 {
                    out.push_str(between)?;
                }
                write(name, out)?;
                out.push_str(pair)?;
                write(&element(item)?, out)?;
            }
        }
        scalar => write(scalar.scalar().unwrap_or_default(), out)?,
    }
    Ok(())
}

/// Every text that would stand in the wire form of a value.
pub fn for_each_text(value: &Raw<'_>, check: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    match value {
        Raw::Array(items) => items.iter().try_for_each(|item| check(&element(item)?)),
        Raw::Object(members) => members.iter().try_for_each(|(name, item)| {
            check(name)?;
            check(&element(item)?)
        }),
        scalar => check(scalar.scalar().unwrap_or_default()),
    }
}

/// An element of a list or object as one text; a nested list or object, for
/// which OpenAPI defines no form, as its JSON.
pub fn element(raw: &RawValue) -> Result<Cow<'_, str>> {
    Ok(match read(raw)? {
        Raw::String(s) => s,
        Raw::Null => Cow::Borrowed(""),
        _ => Cow::Borrowed(raw.get()),
    })
}

pub fn read(raw: &RawValue) -> Result<Raw<'_>> {
    Raw::read(raw).map_err(|e| Fault::new(Class::InvalidArguments, format!("an argument: {e}")))
}

pub fn written_as<'v>(content: Content, value: &'v Raw<'_>) -> Result<Cow<'v, str>> {
    match (content, value) {
        (Content::Text, value) if value.scalar().is_some() => {
            Ok(Cow::Borrowed(value.scalar().unwrap_or_default()))
        }
        (_, value) => json_text(value).map(Cow::Owned),
    }
}

/// A value as JSON again.
pub fn json_text(value: &Raw<'_>) -> Result<String> {
    let text = match value {
        Raw::Null => Ok("null".to_owned()),
        Raw::Bool(b) => Ok(b.to_string()),
        Raw::Number(n) => Ok((*n).to_owned()),
        Raw::String(s) => serde_json::to_string(s),
        Raw::Array(items) => serde_json::to_string(items),
        Raw::Object(members) => {
            struct Members<'a, 'b>(&'b [(Cow<'a, str>, &'a RawValue)]);
            impl serde::Serialize for Members<'_, '_> {
                fn serialize<S: serde::Serializer>(
                    &self,
                    s: S,
                ) -> std::result::Result<S::Ok, S::Error> {
                    s.collect_map(self.0.iter().map(|(k, v)| (k, v)))
                }
            }
            serde_json::to_string(&Members(members))
        }
    };
    text.map_err(|e| {
        Fault::new(Class::Internal, "an argument cannot be written").log(e.to_string())
    })
}

pub fn start_pair(out: &mut Bounded) -> Result<()> {
    match out.is_empty() || out.as_str().ends_with(['?', '&']) {
        true => Ok(()),
        false => out.push_str("&"),
    }
}
