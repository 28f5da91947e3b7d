//! Which way a tool's answer takes, decided when it is compiled, and what kind
//! of content an answer is, decided by its Content-Type when it comes.

use super::body::{essence, is_json};
use crate::config::{AnswerAs, Override, ResultAs};
use crate::openapi::Operation;

/// `stream` where every successful answer the document describes can be turned
/// into a result piece by piece, so that its size does not matter; else
/// `whole`. The configuration overrides it.
pub fn way(operation: &Operation<'_>, over: &Override) -> AnswerAs {
    if over.result == Some(ResultAs::Passthrough) || operation.method == http::Method::HEAD {
        return AnswerAs::Whole;
    }
    if let Some(answer) = over.answer {
        return answer;
    }
    let mut media = operation
        .responses
        .iter()
        .filter(|r| r.status.starts_with('2'))
        .flat_map(|r| r.media.iter().map(|m| m.name))
        .peekable();
    if media.peek().is_some() && media.all(is_piecewise) && operation.body.is_none() {
        AnswerAs::Stream
    } else {
        AnswerAs::Whole
    }
}

/// Media whose results need no look at the whole.
fn is_piecewise(media: &str) -> bool {
    !is_json(media) && !media.contains('*') && !media.to_ascii_lowercase().contains("xml")
}

/// What one answer's body becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    Text,
    Image(String),
    Audio(String),
    /// An embedded resource.
    Blob(String),
}

impl Kind {
    /// By Content-Type; without one, text if it is text and bytes otherwise.
    pub fn of(content_type: Option<&str>) -> Kind {
        let Some(content_type) = content_type else { return Kind::Text };
        let essence = essence(content_type);
        let textual = [
            "application/xml",
            "application/x-ndjson",
            "application/jsonl",
            "application/javascript",
            "application/yaml",
            "application/x-yaml",
            "application/toml",
            "application/x-www-form-urlencoded",
            "application/sql",
            "application/graphql",
            "application/json-seq",
            "image/svg+xml",
        ];
        if is_json(&essence) {
            Kind::Json
        } else if essence.is_empty()
            || essence.starts_with("text/")
            || essence.ends_with("+xml")
            || essence.ends_with("+yaml")
            || textual.contains(&&*essence)
        {
            Kind::Text
        } else if essence.starts_with("image/") {
            Kind::Image(essence.into_owned())
        } else if essence.starts_with("audio/") {
            Kind::Audio(essence.into_owned())
        } else {
            Kind::Blob(essence.into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::USUAL_METHODS;
    use crate::openapi::{Document, operation::operations};
    use serde_json::json;

    #[test]
    fn kinds() {
        for (content_type, want) in [
            (Some("application/json; charset=utf-8"), Kind::Json),
            (Some("application/problem+json"), Kind::Json),
            (Some("text/csv"), Kind::Text),
            (Some("application/x-ndjson"), Kind::Text),
            (Some("image/svg+xml"), Kind::Text),
            (Some("IMAGE/PNG"), Kind::Image("image/png".into())),
            (Some("audio/wav"), Kind::Audio("audio/wav".into())),
            (Some("application/pdf"), Kind::Blob("application/pdf".into())),
            (None, Kind::Text),
        ] {
            assert_eq!(Kind::of(content_type), want, "{content_type:?}");
        }
    }

    #[test]
    fn ways() {
        let over = |answer| Override { answer, ..Override::default() };
        for (content, answer, want) in [
            (json!({"text/csv": {}}), None, AnswerAs::Stream),
            (json!({"image/png": {}}), None, AnswerAs::Stream),
            (json!({"text/csv": {}, "application/json": {}}), None, AnswerAs::Whole),
            (json!({}), None, AnswerAs::Whole),
            (json!({"application/json": {}}), Some(AnswerAs::Stream), AnswerAs::Stream),
            (json!({"text/csv": {}}), Some(AnswerAs::Whole), AnswerAs::Whole),
        ] {
            let d = Document::new(
                json!({"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": {"200": {"content": content}}}}}}),
                None,
            )
            .unwrap();
            let (good, _) = operations(&d, &USUAL_METHODS.map(str::to_owned));
            assert_eq!(way(&good[0], &over(answer)), want, "{content}");
        }
    }
}
