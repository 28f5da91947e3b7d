//! `params._meta`: what a request says about itself, and the era it proves.

use super::version::{Era, MODERN, Revision, SUPPORTED};
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::Text;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Severity of a log notice (RFC 5424, as MCP names them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "debug" => Level::Debug,
            "info" => Level::Info,
            "notice" => Level::Notice,
            "warning" => Level::Warning,
            "error" => Level::Error,
            "critical" => Level::Critical,
            "alert" => Level::Alert,
            "emergency" => Level::Emergency,
            _ => return None,
        })
    }
}

/// The longest progress token, as written. It is echoed in every notice.
pub const TOKEN_BYTES_MAX: usize = 256;

/// The members of `_meta` that are acted on.
#[derive(Debug, Default)]
pub struct Meta<'a> {
    pub protocol_version: Option<Cow<'a, str>>,
    pub has_client_capabilities: bool,
    client_capabilities: Option<&'a RawValue>,
    /// As written: a string or an integer.
    pub progress_token: Option<&'a str>,
    pub log_level: Option<Level>,
}

#[derive(Deserialize, Default)]
struct Wire<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Text<'a>>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientCapabilities")]
    client_capabilities: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/logLevel")]
    log_level: Option<Text<'a>>,
    #[serde(borrow, default, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

impl<'a> Meta<'a> {
    pub fn parse(raw: Option<&'a RawValue>) -> Result<Meta<'a>> {
        let Some(raw) = raw else { return Ok(Meta::default()) };
        if !raw.get().starts_with('{') {
            return Err(Fault::new(Class::InvalidMeta, "`_meta` must be an object"));
        }
        let wire: Wire<'a> = serde_json::from_str(raw.get())
            .map_err(|e| Fault::new(Class::InvalidMeta, format!("`_meta` cannot be read: {e}")))?;
        let log_level = match &wire.log_level {
            None => None,
            Some(Text(text)) => Some(Level::parse(text).ok_or_else(|| {
                let message = "`_meta` has a logLevel that is none of debug, info, notice, warning, error, critical, alert, emergency";
                Fault::new(Class::InvalidParams, message)
            })?),
        };
        Ok(Meta {
            protocol_version: wire.protocol_version.map(|text| text.0),
            has_client_capabilities: wire
                .client_capabilities
                .is_some_and(|c| c.get().starts_with('{')),
            client_capabilities: wire.client_capabilities,
            progress_token: wire.progress_token.map(RawValue::get).filter(|t| is_token(t)),
            log_level,
        })
    }

    /// Whether the client declared a capability for this request.
    pub fn declares(&self, capability: &str) -> bool {
        self.client_capabilities
            .and_then(|raw| crate::jsonrpc::raw::entries(raw.get()).ok())
            .is_some_and(|entries| entries.iter().any(|(k, _)| k == capability))
    }
}

/// Progress tokens are strings or integers; anything else is as if absent.
fn is_token(raw: &str) -> bool {
    raw.len() <= TOKEN_BYTES_MAX && (raw.starts_with('"') || raw.parse::<i64>().is_ok())
}

/// Which era a message belongs to. The body decides: a version in `_meta` is
/// modern, whatever the method; a header that names a modern version without
/// the `_meta` is a broken modern request; all else shook hands before.
pub fn era(meta: &Meta<'_>, header: Option<&str>) -> Result<Era> {
    match (meta.protocol_version.as_deref(), header) {
        (Some(body), Some(header)) if body != header => Err(Fault::new(
            Class::HeaderMismatch,
            format!(
                "the header MCP-Protocol-Version does not match `_meta`: {} and {}",
                shown(header),
                shown(body)
            ),
        )),
        (Some(body), _) if body != MODERN => Err(unsupported(body)),
        (Some(_), None) => Err(Fault::new(
            Class::HeaderMismatch,
            "the header MCP-Protocol-Version is missing; send it with the version of `_meta`",
        )),
        (Some(_), Some(_)) if !meta.has_client_capabilities => Err(Fault::new(
            Class::InvalidMeta,
            "`_meta` lacks io.modelcontextprotocol/clientCapabilities",
        )),
        (Some(_), Some(_)) => Ok(Era::Modern),
        (None, Some(header)) if header == MODERN => Err(Fault::new(
            Class::InvalidMeta,
            "`_meta` lacks io.modelcontextprotocol/protocolVersion",
        )),
        (None, Some(header)) => match Revision::parse(header) {
            Some(revision) => Ok(Era::Legacy(revision)),
            None => Err(unsupported(header)),
        },
        // 2025-03-26 has no such header.
        (None, None) => Ok(Era::Legacy(Revision::R2025_03_26)),
    }
}

fn unsupported(requested: &str) -> Fault {
    Fault::new(
        Class::UnsupportedVersion,
        format!(
            "the protocol version {} is not supported; supported: {}",
            shown(requested),
            SUPPORTED.join(", ")
        ),
    )
    .data(json!({"supported": SUPPORTED, "requested": requested.chars().take(64).collect::<String>()}))
}

/// A client's word in an answer, cut and quoted.
pub fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(64).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eras() {
        let full = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        let no_caps = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let future = r#"{"io.modelcontextprotocol/protocolVersion":"v9","io.modelcontextprotocol/clientCapabilities":{}}"#;
        for (meta, header, want) in [
            (full, Some("2026-07-28"), "modern"),
            (full, None, "header_mismatch"),
            (full, Some("2025-11-25"), "header_mismatch"),
            (no_caps, Some("2026-07-28"), "invalid_meta"),
            (future, Some("v9"), "unsupported_version"),
            (future, Some("2026-07-28"), "header_mismatch"),
            ("{}", Some("2026-07-28"), "invalid_meta"),
            ("{}", Some("2025-06-18"), "legacy"),
            ("{}", Some("1999-01-01"), "unsupported_version"),
            ("{}", None, "legacy"),
            (r#"{"io.modelcontextprotocol/logLevel":"loud"}"#, None, "invalid_params"),
            (r#"{"io.modelcontextprotocol/protocolVersion":7}"#, None, "invalid_meta"),
        ] {
            let raw: &RawValue = serde_json::from_str(meta).unwrap();
            let got = match Meta::parse(Some(raw)).and_then(|m| era(&m, header)) {
                Ok(era) => era.name(),
                Err(f) => f.class.name(),
            };
            assert_eq!(got, want, "{meta} {header:?}");
        }
    }

    #[test]
    fn progress_tokens() {
        let long = format!("\"{}\"", "x".repeat(TOKEN_BYTES_MAX));
        for (token, want) in [
            ("\"a\"", true),
            ("7", true),
            ("1.5", false),
            ("null", false),
            ("{}", false),
            (&long, false),
        ] {
            let text = format!(r#"{{"progressToken":{token}}}"#);
            let raw: &RawValue = serde_json::from_str(&text).unwrap();
            assert_eq!(Meta::parse(Some(raw)).unwrap().progress_token.is_some(), want, "{token}");
        }
    }

    #[test]
    fn capabilities() {
        let text = r#"{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}"#;
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        let meta = Meta::parse(Some(raw)).unwrap();
        assert!(meta.declares("sampling") && !meta.declares("elicitation"));
    }
}
