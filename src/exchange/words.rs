//! What a model reads of an answer that is no success.

use crate::tool::answer::Kind;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

/// The header of an API's answer, as far as a result depends on it.
#[derive(Clone, Copy)]
pub struct ResponseHead<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
}

/// Bytes of an error's body that a model gets to read.
pub const ERROR_BODY_BYTES_MAX: usize = 4 << 10;

impl ResponseHead<'_> {
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok())
    }

    /// The `charset` of the Content-Type.
    pub fn charset(&self) -> Option<&str> {
        self.content_type()?.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        })
    }
}

/// The words for an error status; `body` may be cut.
pub fn error_text(head: &ResponseHead<'_>, body: &[u8]) -> String {
    let mut text = error_opening(head);
    let shown = readable(head, body);
    let detail = problem_detail(&shown);
    if let Some(detail) = &detail {
        text = format!("{}: {detail}", text.trim_end_matches('.'));
    }
    let advice = advice(head);
    if !advice.is_empty() {
        text = format!("{}. {advice}", text.trim_end_matches('.'));
    }
    if !shown.is_empty() && detail.as_deref() != Some(shown.trim()) {
        text.push('\n');
        text.push_str(&shown);
    }
    text
}

fn error_opening(head: &ResponseHead<'_>) -> String {
    let reason = head.status.canonical_reason().unwrap_or("");
    format!("HTTP {} {reason}", head.status.as_u16()).trim_end().to_owned()
}

/// The head of a body as text, where it is text.
fn readable(head: &ResponseHead<'_>, body: &[u8]) -> String {
    if !matches!(Kind::of(head.content_type()), Kind::Json | Kind::Text) {
        return String::new();
    }
    let cut = &body[..body.len().min(ERROR_BODY_BYTES_MAX)];
    let mut text = String::from_utf8_lossy(cut).into_owned();
    if body.len() > cut.len() {
        text.push('…');
    }
    text
}

/// The sentence in an error body: `detail` or `title` of RFC 9457, or what else
/// APIs call it.
fn problem_detail(body: &str) -> Option<String> {
    let value: Value = serde_json::from_str(body).ok()?;
    [
        "/detail",
        "/title",
        "/message",
        "/error/message",
        "/error_description",
        "/error",
        "/errors/0/message",
    ]
    .iter()
    .find_map(|p| value.pointer(p).and_then(Value::as_str))
    .filter(|s| !s.is_empty())
    .map(|s| cut(s, 300))
}

fn advice(head: &ResponseHead<'_>) -> String {
    let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok());
    match (head.status.as_u16(), retry_after) {
        (400 | 422, _) => "Check the arguments and call again.".into(),
        (401, _) => {
            "The API did not accept the gateway's credentials; this is for its operator.".into()
        }
        (403, _) => "The API does not allow this.".into(),
        (404 | 410, _) => "Nothing is there; check the identifiers.".into(),
        (409, _) => "It conflicts with the present state; read it again first.".into(),
        (429 | 503, Some(after)) if after.bytes().all(|b| b.is_ascii_digit()) => {
            format!("Try again after {after} s.")
        }
        (429, _) => "Too many calls; try again later.".into(),
        (301..=303 | 307 | 308, _) => redirect(head),
        (304, _) => "It did not change.".into(),
        (500..=599, _) => "The API failed; the call may work later.".into(),
        _ => String::new(),
    }
}

/// Redirects are told, never followed: they could lead anywhere.
fn redirect(head: &ResponseHead<'_>) -> String {
    let location = head.headers.get(header::LOCATION).and_then(|v| v.to_str().ok());
    let origin = location
        .and_then(|l| l.parse::<http::Uri>().ok())
        .and_then(|uri| Some(format!("{}://{}", uri.scheme_str()?, uri.authority()?)));
    match origin {
        Some(origin) => format!("The API redirects to {origin}, which is not followed."),
        None => "The API redirects elsewhere, which is not followed.".to_owned(),
    }
}

/// Text of at most so many characters.
pub fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    text.chars().take(chars).collect::<String>() + "…"
}
