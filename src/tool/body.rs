//! The request body: which of its media types is sent, and how it is written.

use super::bounded::{Bounded, too_long};
use super::encode::read;
use super::file::base64;
use super::form::Fields;
use super::xml::Shapes;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::{Entries, Raw};
use crate::openapi::{Body, Media};
use bytes::Bytes;
use http::HeaderValue;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How the argument `body` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    Json,
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `multipart/form-data`; its Content-Type gains the boundary.
    Multipart,
    /// A string as it is.
    Text,
    /// XML from a value by the schema, as text, or its bytes in Base64.
    Xml,
    /// Bytes, given in Base64.
    Binary,
}

#[derive(Debug)]
pub struct BodyPlan {
    pub argument: Box<str>,
    pub form: BodyForm,
    pub content_type: HeaderValue,
    /// For the forms made of fields.
    pub fields: Fields,
    /// For XML with a schema.
    pub xml: Option<Shapes>,
    /// The body's members are arguments of their own.
    pub flat: Option<Flat>,
    /// The largest body, in bytes; [`bytes_max`] of the arguments where it is not
    /// configured.
    pub bytes_max: Option<usize>,
}

/// The largest body that arguments make by default: percent-encoding writes three
/// bytes for one, and forms repeat short names for short values.
pub fn bytes_max(argument_bytes: usize) -> usize {
    const FACTOR: usize = 4;
    const BASE: usize = 64 << 10;
    argument_bytes.saturating_mul(FACTOR).saturating_add(BASE)
}

/// A body whose members stand beside the parameters.
#[derive(Debug)]
pub struct Flat {
    pub members: Vec<Box<str>>,
    /// The body is sent even when no member is given.
    pub required: bool,
}

impl Flat {
    /// The body as one object again, its members as they were written.
    pub fn gather(&self, arguments: &Entries<'_>) -> Result<Option<Box<RawValue>>> {
        let mut text = String::from("{");
        for (name, raw) in arguments.iter().filter(|(n, _)| self.members.iter().any(|m| **m == **n))
        {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name.as_ref()).to_string());
            text.push(':');
            text.push_str(raw.get());
        }
        text.push('}');
        if text.len() == 2 && !self.required {
            return Ok(None);
        }
        RawValue::from_string(text).map(Some).map_err(|e| {
            Fault::new(Class::Internal, "the body cannot be put together").log(e.to_string())
        })
    }
}

/// `application/json` and everything that is JSON by RFC 6839's `+json`.
pub fn is_json(media: &str) -> bool {
    let media = essence(media);
    media == "application/json" || media == "text/json" || media.ends_with("+json")
}

/// `application/xml`, `text/xml` and everything that is XML by RFC 7303's `+xml`.
pub fn is_xml(media: &str) -> bool {
    let media = essence(media);
    media == "application/xml" || media == "text/xml" || media.ends_with("+xml")
}

/// A media type without parameters, lower-case.
pub fn essence(media: &str) -> Cow<'_, str> {
    let essence = media.split(';').next().unwrap_or_default().trim();
    match essence.bytes().any(|b| b.is_ascii_uppercase()) {
        true => essence.to_ascii_lowercase().into(),
        false => essence.into(),
    }
}

/// The media type that is sent: JSON before forms before the rest, then the
/// document's order.
pub fn choose<'b, 'd>(
    body: &'b Body<'d>,
) -> std::result::Result<(&'b Media<'d>, BodyForm), String> {
    let best = body
        .media
        .iter()
        .enumerate()
        .filter_map(|(i, m)| Some((rank(m.name)?, i, m)))
        .min_by_key(|(rank, i, _)| (*rank, *i));
    match best {
        Some((_, _, media)) => Ok((media, form(media.name))),
        None => {
            let names: Vec<&str> = body.media.iter().map(|m| m.name).collect();
            Err(format!("request bodies in {} are not supported", names.join(", ")))
        }
    }
}

fn rank(media: &str) -> Option<u8> {
    let essence = essence(media);
    Some(match &*essence {
        "application/json" => 0,
        "application/json-patch+json" => 2,
        _ if is_json(media) => 1,
        "*/*" | "application/*" => 3,
        "application/x-www-form-urlencoded" => 4,
        "multipart/form-data" => 5,
        e if e.starts_with("multipart/") => return None,
        _ => 6,
    })
}

fn form(media: &str) -> BodyForm {
    match &*essence(media) {
        "*/*" | "application/*" => BodyForm::Json,
        "application/x-www-form-urlencoded" => BodyForm::UrlEncoded,
        "multipart/form-data" => BodyForm::Multipart,
        e if is_xml(e) => BodyForm::Xml,
        e if e.starts_with("text/") && !is_json(e) => BodyForm::Text,
        e if is_json(e) => BodyForm::Json,
        _ => BodyForm::Binary,
    }
}

/// The Content-Type that is sent for a media type of the document.
pub fn content_type(media: &str) -> std::result::Result<HeaderValue, String> {
    let text = match &*essence(media) {
        "*/*" | "application/*" => "application/json".to_owned(),
        e if e.contains('*') => "application/octet-stream".to_owned(),
        _ => media.trim().to_owned(),
    };
    HeaderValue::from_str(&text).map_err(|_| format!("the media type `{media}` cannot be sent"))
}

impl BodyPlan {
    /// The bytes of the body and its Content-Type. `seed` differs from call to
    /// call.
    pub fn write(&self, argument: &RawValue, seed: u64) -> Result<(Bytes, HeaderValue)> {
        let content_type = self.content_type.clone();
        let max = self.bytes_max.unwrap_or_else(|| bytes_max(argument.get().len()));
        let bytes = match self.form {
            // As written: the reader refused everything with two meanings.
            BodyForm::Json => Bytes::copy_from_slice(argument.get().as_bytes()),
            BodyForm::UrlEncoded => match read(argument)? {
                Raw::Object(members) => {
                    let mut out = Bounded::new(max, "a body");
                    self.fields.write_url_encoded(&members, &mut out)?;
                    Bytes::from(out.into_string())
                }
                _ => return Err(self.refused("must be an object")),
            },
            BodyForm::Multipart => return self.multipart(argument, seed, max),
            BodyForm::Text => match read(argument)? {
                Raw::String(text) => Bytes::from(text.into_owned()),
                _ => Bytes::copy_from_slice(argument.get().as_bytes()),
            },
            BodyForm::Xml => match read(argument)? {
                Raw::String(text) if text.trim_start().starts_with('<') => {
                    if has_doctype(&text) {
                        return Err(self.refused("has a DOCTYPE, which is not sent"));
                    }
                    Bytes::from(text.into_owned())
                }
                Raw::String(text) => match base64(&text) {
                    Some(bytes) if has_doctype(&String::from_utf8_lossy(&bytes)) => {
                        return Err(self.refused("has a DOCTYPE, which is not sent"));
                    }
                    Some(bytes) => Bytes::from(bytes),
                    None => return Err(self.refused("is not XML")),
                },
                value => match &self.xml {
                    Some(shapes) => Bytes::from(shapes.write(&value, argument.get().len(), max)?),
                    None => return Err(self.refused("must be XML text")),
                },
            },
            BodyForm::Binary => match read(argument)? {
                Raw::String(text) => match base64(&text) {
                    Some(bytes) => Bytes::from(bytes),
                    None => return Err(self.refused("is not Base64")),
                },
                _ => return Err(self.refused("must be Base64 text")),
            },
        };
        match bytes.len() <= max {
            true => Ok((bytes, content_type)),
            false => Err(too_long("a body", max)),
        }
    }

    fn multipart(
        &self,
        argument: &RawValue,
        seed: u64,
        bytes_max: usize,
    ) -> Result<(Bytes, HeaderValue)> {
        let Raw::Object(members) = read(argument)? else {
            return Err(self.refused("must be an object"));
        };
        let (body, boundary) = self.fields.multipart(&members, seed, bytes_max)?;
        let content_type =
            HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
                .map_err(|_| self.refused("cannot be sent"))?;
        Ok((body.into(), content_type))
    }

    fn refused(&self, why: &str) -> Fault {
        Fault::new(Class::InvalidArguments, format!("`{}` {why}", self.argument))
    }
}

/// Whether XML declares a document type, which can name entities and files of the
/// API's. In UTF-16, which Base64 can hold, every other byte is zero.
fn has_doctype(text: &str) -> bool {
    const WORD: &[u8] = b"<!doctype";
    let mut matched = 0;
    for byte in text.bytes().filter(|b| *b != 0) {
        let byte = byte.to_ascii_lowercase();
        matched = match byte == WORD[matched] {
            true => matched + 1,
            false => usize::from(byte == WORD[0]),
        };
        if matched == WORD.len() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_that_is_sent() {
        for (names, want) in [
            (&["text/plain", "application/json"][..], Some("application/json")),
            (&["application/xml", "application/vnd.api+json"], Some("application/vnd.api+json")),
            (
                &["application/json-patch+json", "application/merge-patch+json"],
                Some("application/merge-patch+json"),
            ),
            (
                &["multipart/form-data", "application/x-www-form-urlencoded"],
                Some("application/x-www-form-urlencoded"),
            ),
            (&["multipart/form-data"], Some("multipart/form-data")),
            (&["multipart/mixed"], None),
            (&["image/png"], Some("image/png")),
        ] {
            let media =
                names.iter().map(|name| Media { name, schema: None, encoding: None }).collect();
            let body = Body { required: false, description: None, media };
            assert_eq!(choose(&body).ok().map(|(m, _)| m.name), want, "{names:?}");
        }
    }

    fn plan(form: BodyForm, bytes_max: Option<usize>) -> BodyPlan {
        BodyPlan {
            argument: "body".into(),
            form,
            content_type: HeaderValue::from_static("x/y"),
            fields: Fields::default(),
            xml: None,
            flat: None,
            bytes_max,
        }
    }

    #[test]
    fn the_bound_of_a_body_at_it_and_one_past_it() {
        for (form, json, bytes) in [
            (BodyForm::Json, r#"{"a":1}"#, 7),
            (BodyForm::Text, r#""ab\u0063""#, 3),
            (BodyForm::Binary, r#""aGk=""#, 2),
            (BodyForm::UrlEncoded, r#"{"a":" "}"#, 5),
        ] {
            for (bytes_max, fits) in [(bytes, true), (bytes - 1, false)] {
                let plan = plan(form, Some(bytes_max));
                let raw: &RawValue = serde_json::from_str(json).unwrap();
                assert_eq!(plan.write(raw, 1).is_ok(), fits, "{form:?} {bytes_max}");
            }
        }
        assert_eq!(bytes_max(1 << 10), 68 << 10);
    }

    #[test]
    fn bodies() {
        for (form, json, want) in [
            (
                BodyForm::Json,
                r#"{"n":9007199254740993, "d":1.10}"#,
                Some(r#"{"n":9007199254740993, "d":1.10}"#),
            ),
            (BodyForm::UrlEncoded, "[1]", None),
            (BodyForm::Text, r#""a\nb""#, Some("a\nb")),
            (BodyForm::Xml, r#""<a/>""#, Some("<a/>")),
            (BodyForm::Xml, r#""plain words""#, None),
            (BodyForm::Xml, r#""<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>""#, None),
            (BodyForm::Xml, r#"" <?xml version='1.0'?><<!doctype a><a/>""#, None),
            (BodyForm::Xml, r#""PCFET0NUWVBFIGE+PGEvPg==""#, None),
            (BodyForm::Xml, r#""PAAhAEQATwBDAFQAWQBQAEUA""#, None),
            (BodyForm::Binary, r#""aGk=""#, Some("hi")),
            (BodyForm::Binary, r#""aGk""#, Some("hi")),
            (BodyForm::Binary, r#""???""#, None),
        ] {
            let plan = plan(form, None);
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(
                plan.write(raw, 1).ok().map(|(b, _)| b).as_deref(),
                want.map(str::as_bytes),
                "{form:?} {json}"
            );
        }
    }
}
