//! Pingora's errors on the way to an API -> faults that a client reads.

use crate::config::units::show_bytes;
use crate::exchange::Call;
use crate::fault::{Class, Fault};
use crate::tool::request::is_idempotent;
use pingora::ErrorType;
use pingora::prelude::Error;

pub fn late(call: &Call) -> Fault {
    let seconds = call.tool.timeout.as_secs_f32();
    let advice = match is_idempotent(&call.request.method) {
        true => "it may be called again",
        false => "it may have been carried out all the same: look before calling again",
    };
    Fault::new(
        Class::UpstreamTimeout,
        format!("The API did not answer within {seconds} s; {advice}"),
    )
}

pub fn too_large(limit: usize) -> Fault {
    Fault::new(
        Class::UpstreamTooLarge,
        format!(
            "The API's answer is larger than {}; ask for less (a filter, a page, fewer fields)",
            show_bytes(limit)
        ),
    )
}

/// Nothing was sent, and the time is over.
pub fn unreached() -> Fault {
    Fault::new(
        Class::UpstreamTimeout,
        "The API could not be reached in time; nothing was sent, it may be called again",
    )
}

/// Nothing was sent.
pub fn unreachable(e: &Error) -> Fault {
    let fault = match e.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => unreached(),
        _ => Fault::new(
            Class::UpstreamRefused,
            "The API cannot be reached; nothing was sent, it may be called again later",
        ),
    };
    fault.log(told(e))
}

const NOT_HTTP: &str = "The API sent something that is not HTTP; this is for its operator";

/// Something was sent and no whole answer came back.
pub fn broken(e: &Error) -> Fault {
    let invalid_chunk = matches!(e.etype().as_str(), "InvalidChunk" | "InvalidTrailerEnd");
    let fault = match e.etype() {
        _ if invalid_chunk => Fault::new(Class::UpstreamInvalid, NOT_HTTP),
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            Fault::new(Class::UpstreamTimeout, "The API stopped answering")
        }
        ErrorType::InvalidHTTPHeader
        | ErrorType::H2Error
        | ErrorType::InvalidH2
        | ErrorType::H1Error => Fault::new(Class::UpstreamInvalid, NOT_HTTP),
        ErrorType::ConnectRefused
        | ErrorType::ConnectTimedout
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::TLSHandshakeFailure
        | ErrorType::InvalidCert => {
            return unreachable(e);
        }
        _ => Fault::new(
            Class::UpstreamClosed,
            "The API closed the connection before its answer was complete",
        ),
    };
    fault.log(told(e))
}

/// The longest part of an answer that the log repeats, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// An error in words for the log. Where an answer's header could not be parsed,
/// Pingora's words repeat all of it; here is its first line alone, or the name of
/// its first field, since values may be secrets.
fn told(e: &Error) -> String {
    let words = e.to_string();
    let Some((before, raw)) = words.split_once("buf: ") else {
        return words.chars().take(SHOWN_CHARS_MAX).collect();
    };
    let before = before.trim_end().trim_end_matches("context:").trim_end();
    // It is escaped, line breaks included.
    let line = raw.split("\\r").next().and_then(|l| l.split("\\n").next()).unwrap_or_default();
    let line =
        if line.starts_with("HTTP/") { line } else { line.split(':').next().unwrap_or_default() };
    let shown: String = line.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
    format!("{before}: the answer begins with {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_repeats_no_header_of_an_answer() {
        for (raw, shown) in [
            ("HTTP/1.1 2x0 OK\\r\\nSet-Cookie: hunter2\\r\\n", "begins with HTTP/1.1 2x0 OK"),
            ("X-Secret: hunter2\\r\\n", "begins with X-Secret"),
            ("garbage", "begins with garbage"),
        ] {
            let context = format!("buf: {raw}");
            let told = told(&Error::explain(ErrorType::InvalidHTTPHeader, context));
            assert!(told.ends_with(shown) && !told.contains("hunter2"), "{told}");
        }
        let long = Error::explain(ErrorType::ReadError, "x".repeat(1000));
        assert!(told(&long).len() <= SHOWN_CHARS_MAX);
    }
}
