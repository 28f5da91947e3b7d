//! One parameter's value -> its text on the wire, by OpenAPI's `style` and
//! `explode` (OpenAPI 3.1, "Style Values"; RFC 6570).

use super::encode::{
    Content, NOT_COOKIE, RESERVED_IN_PATH, RESERVED_KEPT, UNRESERVED, element, encode, encode_into,
    for_each_text, join, read, start_pair, written_as,
};
use super::form::Fields;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::Raw;
use crate::openapi::{Location, Style};
use percent_encoding::AsciiSet;
use serde_json::value::RawValue;
use std::fmt::Write;

/// How a parameter is written: what remains of its declaration after load.
#[derive(Debug)]
pub struct Spelling {
    /// The name on the wire.
    pub name: Box<str>,
    pub location: Location,
    pub style: Style,
    pub explode: bool,
    pub allow_reserved: bool,
    /// The value is one text in this media type.
    pub content: Option<Content>,
}

/// The value of a parameter, one level read.
type Value<'a> = Raw<'a>;

impl Spelling {
    /// Writes a path parameter. What could leave its segment is refused: an
    /// upstream may decode `%2F` or `%2e` before it looks at the path.
    pub fn write_path(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        let refuse = |why: &str| Err(self.refused(why));
        let nothing = match value {
            Raw::Array(items) => items.is_empty(),
            Raw::Object(members) => members.is_empty(),
            _ => false,
        };
        if nothing {
            return refuse("must not be empty in a path");
        }
        for_each_text(value, &mut |text| {
            if text.is_empty() {
                return refuse("must not be empty in a path");
            }
            // A tab is as harmless as a space once it is encoded.
            if text.chars().any(|c| c.is_control() && c != '\t') {
                return refuse("has a control character");
            }
            if text.split(['/', '\\']).any(|part| matches!(part, "" | "." | "..")) {
                return refuse("has an empty, `.` or `..` part");
            }
            Ok(())
        })?;
        if let Some(content) = self.content {
            encode_into(out, &written_as(content, value)?, UNRESERVED);
            return Ok(());
        }
        let set = if self.allow_reserved { RESERVED_IN_PATH } else { UNRESERVED };
        let before = out.len();
        match self.style {
            Style::Label => self.write_label(value, set, out)?,
            Style::Matrix => self.write_matrix(value, set, out)?,
            _ => self.write_simple(value, set, out)?,
        }
        match out.len() == before {
            true => refuse("must not be empty in a path"),
            false => Ok(()),
        }
    }

    fn write_simple(
        &self,
        value: &Value<'_>,
        set: &'static AsciiSet,
        out: &mut String,
    ) -> Result<()> {
        let pair = if self.explode { "=" } else { "," };
        self.joined(value, ",", pair, set, out)
    }

    fn write_label(
        &self,
        value: &Value<'_>,
        set: &'static AsciiSet,
        out: &mut String,
    ) -> Result<()> {
        out.push('.');
        match self.explode {
            true => self.joined(value, ".", "=", set, out),
            false => self.joined(value, ",", ",", set, out),
        }
    }

    fn write_matrix(
        &self,
        value: &Value<'_>,
        set: &'static AsciiSet,
        out: &mut String,
    ) -> Result<()> {
        match value {
            Raw::Array(items) if self.explode => {
                for item in items {
                    let _ = write!(out, ";{}=", encode(&self.name, UNRESERVED));
                    encode_into(out, &element(item)?, set);
                }
                Ok(())
            }
            Raw::Object(_) if self.explode => {
                out.push(';');
                self.joined(value, ";", "=", set, out)
            }
            _ => {
                let _ = write!(out, ";{}=", encode(&self.name, UNRESERVED));
                self.joined(value, ",", ",", set, out)
            }
        }
    }

    /// Writes a query parameter with its names: `a=1&a=2`. Nothing is written
    /// for an empty list or object.
    pub fn write_query(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        let set = if self.allow_reserved { RESERVED_KEPT } else { UNRESERVED };
        if let Some(content) = self.content {
            self.named(&written_as(content, value)?, set, out);
            return Ok(());
        }
        match value {
            Raw::Array(items) if items.is_empty() => Ok(()),
            Raw::Object(members) if members.is_empty() => Ok(()),
            Raw::Array(_) | Raw::Object(_) if self.style == Style::DeepObject => {
                self.write_deep(&self.name, value, set, out)
            }
            Raw::Array(items) if self.explode => {
                for item in items {
                    self.named(&element(item)?, set, out);
                }
                Ok(())
            }
            Raw::Object(_) if self.explode && self.style == Style::Form => {
                start_pair(out);
                self.joined(value, "&", "=", set, out)
            }
            _ => {
                self.named("", set, out);
                let delimiter = match self.style {
                    Style::SpaceDelimited => "%20",
                    Style::PipeDelimited => "%7C",
                    Style::TabDelimited => "%09",
                    _ => ",",
                };
                self.joined(value, delimiter, delimiter, set, out)
            }
        }
    }

    /// Writes the whole query (`in: querystring` of OpenAPI 3.2).
    pub fn write_query_string(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        match (self.content, value) {
            (Some(Content::UrlEncoded), Raw::Object(members)) => {
                let pairs = Fields::default().url_encoded(members)?;
                if !pairs.is_empty() {
                    start_pair(out);
                    out.push_str(&pairs);
                }
                Ok(())
            }
            (content, value) => {
                start_pair(out);
                encode_into(out, &written_as(content.unwrap_or(Content::Json), value)?, UNRESERVED);
                Ok(())
            }
        }
    }

    fn named(&self, text: &str, set: &'static AsciiSet, out: &mut String) {
        start_pair(out);
        encode_into(out, &self.name, UNRESERVED);
        out.push('=');
        encode_into(out, text, set);
    }

    /// `a[b][0]=1`: nested as deep as the value, which is bounded when read.
    fn write_deep(
        &self,
        name: &str,
        value: &Value<'_>,
        set: &'static AsciiSet,
        out: &mut String,
    ) -> Result<()> {
        let mut inner = |key: &str, raw: &RawValue| {
            let name = format!("{name}[{key}]");
            self.write_deep(&name, &read(raw)?, set, out)
        };
        match value {
            Raw::Object(members) => members.iter().try_for_each(|(k, v)| inner(k, v)),
            Raw::Array(items) => {
                items.iter().enumerate().try_for_each(|(i, v)| inner(&i.to_string(), v))
            }
            scalar => {
                start_pair(out);
                encode_into(out, name, UNRESERVED);
                out.push('=');
                encode_into(out, scalar.scalar().unwrap_or_default(), set);
                Ok(())
            }
        }
    }

    /// The value of a header: nothing is encoded, so nothing that is not
    /// plain text may be in it.
    pub fn header(&self, value: &Value<'_>) -> Result<String> {
        let mut out = String::new();
        match self.content {
            Some(content) => out.push_str(&written_as(content, value)?),
            None => {
                let pair = if self.explode { "=" } else { "," };
                self.joined_raw(value, ",", pair, &mut out)?;
            }
        }
        match out.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\t') {
            true => Ok(out),
            false => Err(self.refused("has characters that no header may have")),
        }
    }

    /// The pairs of a cookie parameter, appended to a `Cookie` header's value.
    pub fn write_cookie(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        if matches!(value, Raw::Array(items) if items.is_empty()) {
            return Ok(());
        }
        if self.style == Style::Cookie {
            return self.write_plain_cookie(value, out);
        }
        let mut pair = |name: &str, text: &str| {
            if !out.is_empty() {
                out.push_str("; ");
            }
            encode_into(out, name, UNRESERVED);
            out.push('=');
            encode_into(out, text, NOT_COOKIE);
        };
        if let Some(content) = self.content {
            pair(&self.name, &written_as(content, value)?);
            return Ok(());
        }
        match value {
            Raw::Array(items) if self.explode => {
                for item in items {
                    pair(&self.name, &element(item)?);
                }
            }
            Raw::Object(members) if self.explode => {
                for (name, item) in members {
                    pair(name, &element(item)?);
                }
            }
            Raw::Array(_) | Raw::Object(_) => {
                let mut joined = String::new();
                self.joined(value, ",", ",", NOT_COOKIE, &mut joined)?;
                pair(&self.name, "");
                out.push_str(&joined);
            }
            scalar => pair(&self.name, scalar.scalar().unwrap_or_default()),
        }
        Ok(())
    }

    /// `style: cookie`: nothing is encoded, so nothing that would need it may be
    /// in a value.
    fn write_plain_cookie(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        for_each_text(value, &mut |text| {
            let plain = text.bytes().all(|b| (0x21..0x7f).contains(&b) && !b"\",;\\".contains(&b));
            if plain { Ok(()) } else { Err(self.refused("has characters that no cookie may have")) }
        })?;
        if !out.is_empty() {
            out.push_str("; ");
        }
        match value {
            Raw::Object(_) if self.explode => self.joined_raw(value, "; ", "=", out),
            Raw::Array(items) if self.explode => {
                for (i, item) in items.iter().enumerate() {
                    let _ = write!(
                        out,
                        "{}{}={}",
                        if i > 0 { "; " } else { "" },
                        self.name,
                        element(item)?
                    );
                }
                Ok(())
            }
            _ => {
                let _ = write!(out, "{}=", self.name);
                self.joined_raw(value, ",", ",", out)
            }
        }
    }

    /// Elements or members joined, each encoded, the delimiters as they are.
    fn joined(
        &self,
        value: &Value<'_>,
        between: &str,
        pair: &str,
        set: &'static AsciiSet,
        out: &mut String,
    ) -> Result<()> {
        join(value, between, pair, &mut |text, out| encode_into(out, text, set), out)
    }

    fn joined_raw(
        &self,
        value: &Value<'_>,
        between: &str,
        pair: &str,
        out: &mut String,
    ) -> Result<()> {
        join(value, between, pair, &mut |text, out| out.push_str(text), out)
    }

    fn refused(&self, why: &str) -> Fault {
        Fault::new(
            Class::InvalidArguments,
            format!("the {} parameter `{}` {why}", self.location.name(), self.name),
        )
    }
}

#[cfg(test)]
#[path = "style_tests.rs"]
mod tests;
