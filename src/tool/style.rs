//! One parameter's value -> its text on the wire, by OpenAPI's `style` and
//! `explode` (OpenAPI 3.1, "Style Values"; RFC 6570).

use super::bounded::Bounded;
use super::encode::{
    Content, NOT_COOKIE, RESERVED_IN_PATH, RESERVED_KEPT, UNRESERVED, element, for_each_text, join,
    start_pair, written_as,
};
use super::form::Fields;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::Raw;
use crate::openapi::{Location, Style};
use percent_encoding::AsciiSet;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// One header that arguments make, and all cookies together, in bytes. Common
/// servers take 8 KiB to 16 KiB.
pub const HEADER_BYTES_MAX: usize = 16 << 10;

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
    /// Whether members of an object become pairs with names of their own.
    pub fn names_members(&self) -> bool {
        self.content.is_none()
            && match self.style {
                Style::Form | Style::Cookie => self.explode,
                Style::DeepObject => true,
                _ => false,
            }
    }

    /// Refuses an object whose members would be taken for other parameters:
    /// `taken` has the names of those in lower case.
    pub fn check_names(&self, value: &Value<'_>, taken: &HashSet<String>) -> Result<()> {
        let Raw::Object(members) = value else { return Ok(()) };
        if taken.is_empty() || !self.names_members() {
            return Ok(());
        }
        for (name, _) in members {
            let written = match self.style {
                Style::DeepObject => format!("{}[{name}]", self.name),
                _ => name.to_string(),
            };
            if taken.contains(&written.to_ascii_lowercase()) {
                let shown: String = written.chars().take(64).collect();
                return Err(self.refused(&format!(
                    "cannot have the member `{shown}`: the request has another parameter of that name"
                )));
            }
        }
        Ok(())
    }

    /// Writes a path parameter. What could leave its segment is refused: an
    /// upstream may decode `%2F` or `%2e` before it looks at the path.
    pub fn write_path(&self, value: &Value<'_>, out: &mut Bounded) -> Result<()> {
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
            return out.encode(&written_as(content, value)?, UNRESERVED);
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
        out: &mut Bounded,
    ) -> Result<()> {
        let pair = if self.explode { "=" } else { "," };
        self.joined(value, ",", pair, set, out)
    }

    fn write_label(
        &self,
        value: &Value<'_>,
        set: &'static AsciiSet,
        out: &mut Bounded,
    ) -> Result<()> {
        out.push_str(".")?;
        match self.explode {
            true => self.joined(value, ".", "=", set, out),
            false => self.joined(value, ",", ",", set, out),
        }
    }

    fn write_matrix(
        &self,
        value: &Value<'_>,
        set: &'static AsciiSet,
        out: &mut Bounded,
    ) -> Result<()> {
        match value {
            Raw::Array(items) if self.explode => {
                for item in items {
                    self.start_matrix(out)?;
                    out.encode(&element(item)?, set)?;
                }
                Ok(())
            }
            Raw::Object(_) if self.explode => {
                out.push_str(";")?;
                self.joined(value, ";", "=", set, out)
            }
            _ => {
                self.start_matrix(out)?;
                self.joined(value, ",", ",", set, out)
            }
        }
    }

    fn start_matrix(&self, out: &mut Bounded) -> Result<()> {
        out.push_str(";")?;
        out.encode(&self.name, UNRESERVED)?;
        out.push_str("=")
    }

    /// Writes a query parameter with its names: `a=1&a=2`. Nothing is written
    /// for an empty list or object.
    pub fn write_query(&self, value: &Value<'_>, out: &mut Bounded) -> Result<()> {
        let set = if self.allow_reserved { RESERVED_KEPT } else { UNRESERVED };
        if let Some(content) = self.content {
            return self.named(&written_as(content, value)?, set, out);
        }
        match value {
            Raw::Array(items) if items.is_empty() => Ok(()),
            Raw::Object(members) if members.is_empty() => Ok(()),
            Raw::Array(_) | Raw::Object(_) if self.style == Style::DeepObject => {
                let mut name = out.empty_like();
                name.encode(&self.name, UNRESERVED)?;
                write_deep(&mut name, value, set, out)
            }
            Raw::Array(items) if self.explode => {
                for item in items {
                    self.named(&element(item)?, set, out)?;
                }
                Ok(())
            }
            Raw::Object(_) if self.explode && self.style == Style::Form => {
                start_pair(out)?;
                self.joined(value, "&", "=", set, out)
            }
            _ => {
                self.named("", set, out)?;
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
    pub fn write_query_string(&self, value: &Value<'_>, out: &mut Bounded) -> Result<()> {
        match (self.content, value) {
            (Some(Content::UrlEncoded), Raw::Object(members)) => {
                Fields::default().write_url_encoded(members, out)
            }
            (content, value) => {
                start_pair(out)?;
                out.encode(&written_as(content.unwrap_or(Content::Json), value)?, UNRESERVED)
            }
        }
    }

    fn named(&self, text: &str, set: &'static AsciiSet, out: &mut Bounded) -> Result<()> {
        start_pair(out)?;
        out.encode(&self.name, UNRESERVED)?;
        out.push_str("=")?;
        out.encode(text, set)
    }

    /// The value of a header: nothing is encoded, so nothing that is not
    /// plain text may be in it.
    pub fn header(&self, value: &Value<'_>) -> Result<String> {
        let mut out = Bounded::new(HEADER_BYTES_MAX, "a header");
        match self.content {
            Some(content) => out.push_str(&written_as(content, value)?)?,
            None => {
                let pair = if self.explode { "=" } else { "," };
                self.joined_raw(value, ",", pair, &mut out)?;
            }
        }
        match out.as_str().bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\t') {
            true => Ok(out.into_string()),
            false => Err(self.refused("has characters that no header may have")),
        }
    }

    /// The pairs of a cookie parameter, appended to a `Cookie` header's value.
    pub fn write_cookie(&self, value: &Value<'_>, out: &mut Bounded) -> Result<()> {
        if matches!(value, Raw::Array(items) if items.is_empty()) {
            return Ok(());
        }
        if self.style == Style::Cookie {
            return self.write_plain_cookie(value, out);
        }
        if let Some(content) = self.content {
            return cookie_pair(&self.name, &written_as(content, value)?, out);
        }
        match value {
            Raw::Array(items) if self.explode => {
                items.iter().try_for_each(|item| cookie_pair(&self.name, &element(item)?, out))
            }
            Raw::Object(members) if self.explode => {
                members.iter().try_for_each(|(name, item)| cookie_pair(name, &element(item)?, out))
            }
            Raw::Array(_) | Raw::Object(_) => {
                cookie_pair(&self.name, "", out)?;
                self.joined(value, ",", ",", NOT_COOKIE, out)
            }
            scalar => cookie_pair(&self.name, scalar.scalar().unwrap_or_default(), out),
        }
    }

    /// `style: cookie`: nothing is encoded, so nothing that would need it may be
    /// in a value.
    fn write_plain_cookie(&self, value: &Value<'_>, out: &mut Bounded) -> Result<()> {
        for_each_text(value, &mut |text| {
            let plain = text.bytes().all(|b| (0x21..0x7f).contains(&b) && !b"\",;\\".contains(&b));
            if plain { Ok(()) } else { Err(self.refused("has characters that no cookie may have")) }
        })?;
        if !out.is_empty() {
            out.push_str("; ")?;
        }
        match value {
            Raw::Object(_) if self.explode => self.joined_raw(value, "; ", "=", out),
            Raw::Array(items) if self.explode => {
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "; " } else { "" })?;
                    out.push_str(&self.name)?;
                    out.push_str("=")?;
                    out.push_str(&element(item)?)?;
                }
                Ok(())
            }
            _ => {
                out.push_str(&self.name)?;
                out.push_str("=")?;
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
        out: &mut Bounded,
    ) -> Result<()> {
        join(value, between, pair, &mut |text, out| out.encode(text, set), out)
    }

    fn joined_raw(
        &self,
        value: &Value<'_>,
        between: &str,
        pair: &str,
        out: &mut Bounded,
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

/// `a[b][0]=1`: nested as deep as the value, which is bounded when read. `name` is
/// that of `value`, encoded.
fn write_deep(
    name: &mut Bounded,
    value: &Value<'_>,
    set: &'static AsciiSet,
    out: &mut Bounded,
) -> Result<()> {
    let own = name.len();
    let mut inner = |key: &str, raw: &RawValue, out: &mut Bounded| {
        name.push_str("%5B")?;
        name.encode(key, UNRESERVED)?;
        name.push_str("%5D")?;
        let value = out.read(raw)?;
        write_deep(name, &value, set, out)?;
        name.truncate(own);
        Ok(())
    };
    match value {
        Raw::Object(members) => members.iter().try_for_each(|(k, v)| inner(k, v, out)),
        Raw::Array(items) => {
            let mut digits = itoa::Buffer::new();
            items.iter().enumerate().try_for_each(|(i, v)| inner(digits.format(i), v, out))
        }
        scalar => {
            start_pair(out)?;
            out.push_str(name.as_str())?;
            out.push_str("=")?;
            out.encode(scalar.scalar().unwrap_or_default(), set)
        }
    }
}

fn cookie_pair(name: &str, text: &str, out: &mut Bounded) -> Result<()> {
    if !out.is_empty() {
        out.push_str("; ")?;
    }
    out.encode(name, UNRESERVED)?;
    out.push_str("=")?;
    out.encode(text, NOT_COOKIE)
}

#[cfg(test)]
#[path = "style_tests.rs"]
mod tests;
