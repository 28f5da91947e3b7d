//! An answer of the API, whole -> the message for the client.

use super::call::Call;
use super::reply::{Rendered, open_result, tail};
use super::words::{ERROR_BODY_BYTES_MAX, ResponseHead, cut, error_text};
use crate::config::ResultAs;
use crate::fault::{Class, Fault};
use crate::jsonrpc::escape::{TextChunks, escape_into, string_into};
use crate::jsonrpc::raw;
use crate::observe::Outcome;
use crate::schema::Verdict;
use crate::schema::evaluate::BUDGET;
use crate::schema::instance::{Instance, Limits, Refused};
use crate::tool::answer::Kind;
use crate::tool::output::Output;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use serde::de::IgnoredAny;
use std::borrow::Cow;

/// Tags and attributes of an XML answer from which structure is made: a tree of it
/// takes some hundred bytes for each.
const XML_PARTS_MAX: usize = 8_000;

/// Bodies from this size on are looked at before they become text, so that the
/// result is allocated once.
const MEASURED_FROM_BYTES: usize = 64 << 10;

/// The structure of an answer whose tool promises one.
enum Structure<'b> {
    None,
    Checked(Cow<'b, str>),
    /// It is too large to be checked, for this reason.
    Unchecked(String),
}

impl Call {
    /// The message for an answer that is here whole.
    pub fn answer(&self, head: &ResponseHead<'_>, body: &[u8]) -> Rendered {
        let made = match head.status.is_success() {
            true => self.success(head, body),
            false => Ok(self.error_status(head, body)),
        };
        made.unwrap_or_else(|fault| self.fail(&fault))
    }

    fn success(&self, head: &ResponseHead<'_>, body: &[u8]) -> Result<Rendered, Fault> {
        if self.tool.result == ResultAs::Passthrough {
            return self.passthrough(body);
        }
        let mut out = Vec::with_capacity(256);
        open_result(&self.id, &mut out);
        out.extend_from_slice(b"{\"content\":[");
        let opened = out.len();
        let mut structure = Structure::None;
        match Kind::of(head.content_type()) {
            _ if body.is_empty() => text_block(&empty(head.status), &mut out),
            Kind::Json => structure = self.json(body, &mut out)?,
            Kind::Text => {
                out.reserve_exact(escaped_len(body) + 256);
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"");
                let mut text = TextChunks::of_charset(head.charset());
                text.push(body, &mut out);
                text.end(&mut out);
                out.extend_from_slice(b"\"}");
                structure = self.xml(head, body)?;
            }
            Kind::Image(media) => data_block("image", &media, body, &mut out),
            Kind::Audio(media) => data_block("audio", &media, body, &mut out),
            Kind::Blob(media) => self.blob_block(&media, body, &mut out),
        }
        let structured = match structure {
            Structure::Checked(text) => Some(text),
            Structure::Unchecked(why) => return Ok(self.unchecked(head, &why, opened, out)),
            Structure::None if self.tool.has_output(self.era.is_modern()) => {
                return Err(mismatch(
                    "the answer is not JSON, but the tool promises structure",
                    body,
                ));
            }
            Structure::None => None,
        };
        let told = self.told(head);
        if !told.is_empty() {
            out.push(b',');
            text_block(&told, &mut out);
        }
        out.extend_from_slice(b"],\"isError\":false");
        if let Some(json) = structured {
            let (open, close) = match self.wraps() {
                true => (&b",\"structuredContent\":{\"result\":"[..], &b"}"[..]),
                false => (&b",\"structuredContent\":"[..], &b""[..]),
            };
            out.extend_from_slice(open);
            out.extend_from_slice(json.as_bytes());
            out.extend_from_slice(close);
        }
        out.extend_from_slice(tail(&self.server, self.era));
        out.push(b'}');
        Ok(Rendered { body: out, outcome: Outcome::Ok })
    }

    /// A JSON body as text; the same again as structure where it is promised.
    fn json<'b>(&self, body: &'b [u8], out: &mut Vec<u8>) -> Result<Structure<'b>, Fault> {
        let text = std::str::from_utf8(body)
            .map_err(|_| invalid("the API said JSON but sent bytes that are not UTF-8", body))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        let Some(output) = self.promised() else {
            serde_json::from_str::<IgnoredAny>(text).map_err(|e| not_json(&e, body))?;
            out.reserve_exact(text.len() * 2 + 256);
            text_block(text, out);
            return Ok(Structure::None);
        };
        let why = if output.schema.accepts(text) { None } else { self.check(output, text, body)? };
        // Twice: as text, and as structure.
        out.reserve_exact(text.len() * 2 + 256);
        text_block(text, out);
        Ok(match why {
            None => Structure::Checked(text.into()),
            Some(why) => Structure::Unchecked(why),
        })
    }

    /// Checks an answer against the schema that promises its structure. Gives why
    /// it could not be checked.
    fn check(&self, output: &Output, text: &str, body: &[u8]) -> Result<Option<String>, Fault> {
        let instance = match Instance::parse(text, &Limits::ANSWER) {
            Ok(instance) => instance,
            Err(Refused::TooMany(max)) => {
                return Ok(Some(format!("it has more than {max} values")));
            }
            Err(Refused::Invalid(e)) => return Err(not_json(&e, body)),
        };
        match output.schema.check(&instance) {
            Ok(()) => Ok(None),
            Err(verdict) if verdict.rule == BUDGET => {
                Ok(Some("checking it would take too much work".to_owned()))
            }
            Err(verdict) => Err(unfit(&verdict, body)),
        }
    }

    /// A result whose structure is promised and was not checked: the text alone,
    /// which says so. `opened` is where its content begins. It is marked as an
    /// error, since clients drop a success that lacks its structure.
    fn unchecked(
        &self,
        head: &ResponseHead<'_>,
        why: &str,
        opened: usize,
        mut out: Vec<u8>,
    ) -> Rendered {
        let status = head.status.as_u16();
        let said = format!(
            "HTTP {status}: the API has carried this out. Do not repeat it. Its answer follows as text alone: {why}."
        );
        let mut block = Vec::with_capacity(said.len() + 32);
        text_block(&said, &mut block);
        block.push(b',');
        out.splice(opened..opened, block);
        out.extend_from_slice(b"],\"isError\":true");
        out.extend_from_slice(tail(&self.server, self.era));
        out.push(b'}');
        Rendered { body: out, outcome: Outcome::Fault(Class::OutputMismatch) }
    }

    /// Headers that help a model on, one a line. The API's own address is taken
    /// out of them: it is nobody's business.
    fn told(&self, head: &ResponseHead<'_>) -> String {
        let limits = head.status == StatusCode::TOO_MANY_REQUESTS;
        let mut lines: Vec<String> = Vec::new();
        for (name, value) in head.headers {
            let wanted = self.tool.told.contains(name)
                || (limits
                    && ["ratelimit", "x-ratelimit"].iter().any(|p| name.as_str().starts_with(p)));
            // Where a redirect leads is told by its origin only, in the advice.
            if head.status.is_redirection() && name == header::LOCATION {
                continue;
            }
            if let (true, Ok(value)) = (wanted, value.to_str()) {
                let value = self.without_origin(value);
                lines.push(format!("{name}: {}", cut(&value, 1000)));
            }
        }
        lines.join("\n")
    }

    fn without_origin(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for scheme in ["https://", "http://"] {
            for authority in &self.tool.authorities {
                value = value.replace(&format!("{scheme}{authority}"), "");
            }
        }
        value
    }

    /// An XML body as structure, where that is promised.
    fn xml(&self, head: &ResponseHead<'_>, body: &[u8]) -> Result<Structure<'static>, Fault> {
        let promised = self.promised().and_then(|o| Some((o, o.xml.as_ref()?)));
        let Some((output, shapes)) = promised else { return Ok(Structure::None) };
        if !head.content_type().is_some_and(crate::tool::body::is_xml) {
            return Ok(Structure::None);
        }
        if memchr::memchr2_iter(b'<', b'=', body).count() > XML_PARTS_MAX {
            let why = format!("it has more than {XML_PARTS_MAX} tags and attributes");
            return Ok(Structure::Unchecked(why));
        }
        let value = shapes.read(&String::from_utf8_lossy(body)).map_err(|e| {
            invalid(&format!("the API said XML but sent something else ({e})"), body)
        })?;
        let text = value.to_string();
        Ok(match self.check(output, &text, body)? {
            None => Structure::Checked(text.into()),
            Some(why) => Structure::Unchecked(why),
        })
    }

    /// Whether structure goes out as the `result` of an object.
    fn wraps(&self) -> bool {
        let published = self.tool.output.as_ref().filter(|o| !o.root_is_object);
        !self.era.is_modern() && published.is_some()
    }

    /// The schema that structure is promised by, in this era.
    fn promised(&self) -> Option<&Output> {
        self.tool.output.as_ref().filter(|_| self.tool.has_output(self.era.is_modern()))
    }

    /// Bytes as an embedded resource. Its URI names the api and the path, never
    /// the host or the query, in which credentials may stand.
    fn blob_block(&self, media: &str, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"type\":\"resource\",\"resource\":{\"uri\":");
        string_into(out, &self.resource_uri());
        out.extend_from_slice(b",\"mimeType\":");
        string_into(out, media);
        out.extend_from_slice(b",\"blob\":\"");
        base64_into(body, out);
        out.extend_from_slice(b"\"}}");
    }

    pub fn resource_uri(&self) -> String {
        let path = self.request.target.split('?').next().unwrap_or_default();
        format!("api://{}{path}", self.tool.api)
    }

    /// A body that already is a CallToolResult.
    fn passthrough(&self, body: &[u8]) -> Result<Rendered, Fault> {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let members = raw::entries(text).map_err(|e| not_json(&e, body))?;
        let member = |name: &str| members.iter().find(|(k, _)| k == name).map(|(_, v)| v.get());
        let Some(content) = member("content").filter(|c| c.starts_with('[')) else {
            return Err(invalid(
                "the API's answer is no CallToolResult: it has no `content`",
                body,
            ));
        };
        let is_error = member("isError") == Some("true");
        let mut out = Vec::with_capacity(body.len() + 256);
        open_result(&self.id, &mut out);
        out.extend_from_slice(b"{\"content\":");
        out.extend_from_slice(content.as_bytes());
        if let (false, Some(structured)) = (is_error, member("structuredContent")) {
            out.extend_from_slice(b",\"structuredContent\":");
            out.extend_from_slice(structured.as_bytes());
        }
        out.extend_from_slice(if is_error { b",\"isError\":true" } else { b",\"isError\":false" });
        out.extend_from_slice(tail(&self.server, self.era));
        out.push(b'}');
        let outcome = if is_error { Outcome::ErrorStatus } else { Outcome::Ok };
        Ok(Rendered { body: out, outcome })
    }

    /// Any status that is no success: what it was, what the API said of it and
    /// what may help.
    fn error_status(&self, head: &ResponseHead<'_>, body: &[u8]) -> Rendered {
        let mut out = Vec::with_capacity(body.len().min(ERROR_BODY_BYTES_MAX) * 2 + 512);
        let mut text = error_text(head, body);
        let told = self.told(head);
        if !told.is_empty() {
            text = format!("{}\n{told}", text.trim_end());
        }
        super::reply::error_result(&self.server, self.era, &self.id, &text, &mut out);
        Rendered { body: out, outcome: Outcome::ErrorStatus }
    }
}

/// Bytes that a text takes in JSON; for short ones a guess.
fn escaped_len(body: &[u8]) -> usize {
    if body.len() < MEASURED_FROM_BYTES {
        return body.len() * 2;
    }
    let controls = body.iter().filter(|b| **b < 0x20).count();
    let escaped = body.iter().filter(|b| matches!(b, b'"' | b'\\')).count();
    body.len() + escaped + controls * 5
}

fn empty(status: StatusCode) -> String {
    format!(
        "HTTP {} {}: done; the API sent no content.",
        status.as_u16(),
        status.canonical_reason().unwrap_or("")
    )
}

fn text_block(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"");
    escape_into(out, text);
    out.extend_from_slice(b"\"}");
}

fn data_block(kind: &str, media: &str, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    string_into(out, kind);
    out.extend_from_slice(b",\"mimeType\":");
    string_into(out, media);
    out.extend_from_slice(b",\"data\":\"");
    base64_into(body, out);
    out.extend_from_slice(b"\"}");
}

pub fn base64_into(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let len = base64::encoded_len(bytes.len(), true).unwrap_or(0);
    out.resize(start + len, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

fn not_json(e: &serde_json::Error, body: &[u8]) -> Fault {
    invalid(&format!("the API said JSON but sent something else ({e})"), body)
}

fn invalid(why: &str, body: &[u8]) -> Fault {
    Fault::new(Class::UpstreamInvalid, with_body(why, body))
}

fn unfit(verdict: &Verdict, body: &[u8]) -> Fault {
    let place = if verdict.pointer.is_empty() { "/" } else { &verdict.pointer };
    let message = cut(&verdict.message, 300);
    mismatch(
        &format!("the answer does not fit the tool's output schema: at {place}: {message}"),
        body,
    )
}

fn mismatch(why: &str, body: &[u8]) -> Fault {
    Fault::new(Class::OutputMismatch, with_body(why, body))
}

fn with_body(why: &str, body: &[u8]) -> String {
    let head = &body[..body.len().min(ERROR_BODY_BYTES_MAX)];
    let text: Cow<'_, str> = String::from_utf8_lossy(head);
    let visible: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect();
    let more = if body.len() > head.len() { "…" } else { "" };
    format!("{why}. The answer was:\n{visible}{more}\n")
}
