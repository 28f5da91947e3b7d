//! One exchange by Pingora's clients, over HTTP/1 or HTTP/2.

use super::failure::{broken, too_large};
use super::peers::Peer;
use crate::exchange::Call;
use crate::exchange::decode::Decoder;
use crate::fault::{Class, Fault};
use crate::observe::metrics;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::prelude::Error;
use pingora::{ErrorType, Result as PingoraResult};
use pingora_core::protocols::http::client::HttpSession as ClientSession;

/// Informational answers (1xx) before the real one.
const INFORMATIONAL_MAX: usize = 10;

type Result<T> = std::result::Result<T, Fault>;

pub fn count_request(call: &Call) {
    let bytes = call.request.body.as_ref().map_or(0, |b| b.len() as u64);
    metrics().upstream_request_bytes.inc_by(bytes);
}

pub fn head_of(session: &ClientSession) -> Result<&ResponseHeader> {
    session
        .response_header()
        .ok_or_else(|| Fault::new(Class::UpstreamInvalid, "The API's answer has no header"))
}

/// The request header of a call for a peer, for HTTP/1.
pub fn request_header(call: &Call, peer: &Peer) -> PingoraResult<RequestHeader> {
    let request = &call.request;
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 3);
    headers.insert(HOST, peer.authority.clone());
    for (name, value) in &request.headers {
        headers.append(name.clone(), value.clone());
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(length) = request.content_length() {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method.clone();
    parts.uri = http::Uri::try_from(&*request.target)
        .map_err(|e| Error::because(ErrorType::InvalidHTTPHeader, "the request target", e))?;
    // Pingora's own setters look every name up again.
    parts.headers = headers;
    Ok(parts.into())
}

/// What HTTP/2 wants instead: an absolute URI and no `Host`.
pub fn for_http2(header: &mut RequestHeader, peer: &Peer) -> PingoraResult<()> {
    let uri = http::Uri::builder()
        .scheme(if peer.tls { "https" } else { "http" })
        .authority(peer.authority.as_bytes())
        .path_and_query(header.raw_path())
        .build()
        .map_err(|e| Error::because(ErrorType::InvalidHTTPHeader, "the request target", e))?;
    header.remove_header(&HOST);
    header.set_uri(uri);
    header.set_version(Version::HTTP_2);
    Ok(())
}

/// Writes the request and reads the answer's header.
pub async fn send(session: &mut ClientSession, peer: &Peer, call: &Call) -> PingoraResult<()> {
    // The call has one deadline, and no other time.
    session.set_read_timeout(None);
    session.set_write_timeout(None);
    let mut header = request_header(call, peer)?;
    let body = call.request.body.as_ref();
    count_request(call);
    match (&mut *session, body) {
        (ClientSession::H2(session), None) => {
            for_http2(&mut header, peer)?;
            session.write_request_header(Box::new(header), true)?;
        }
        (ClientSession::H2(_), Some(body)) => {
            for_http2(&mut header, peer)?;
            session.write_request_header(Box::new(header)).await?;
            session.write_request_body(body.clone(), true).await?;
            session.finish_request_body().await?;
        }
        (_, body) => {
            session.write_request_header(Box::new(header)).await?;
            if let Some(body) = body {
                session.write_request_body(body.clone(), true).await?;
            }
            session.finish_request_body().await?;
        }
    }
    read_head(session).await
}

/// Reads headers up to that of the answer.
pub async fn read_head(session: &mut ClientSession) -> PingoraResult<()> {
    let mut informational = 0;
    loop {
        session.read_response_header().await?;
        let Some(head) = session.response_header() else { continue };
        sound(head, &mut informational)?;
        if !head.status.is_informational() {
            let raw = session.as_http1().map(|http1| http1.get_headers_raw_bytes());
            return match raw.is_some_and(|raw| is_framed_twice(&head.headers, &raw)) {
                true => Error::e_explain(ErrorType::InvalidHTTPHeader, "two framings at once"),
                false => check_coding(head),
            };
        }
    }
}

/// Both a length and chunks: the front of a smuggled answer (RFC 9112 §6.3).
/// Pingora takes the length out, so the header's bytes are looked at.
fn is_framed_twice(headers: &HeaderMap, raw: &[u8]) -> bool {
    headers.contains_key(TRANSFER_ENCODING) && super::header::has_length(raw)
}

/// Pingora takes any list of codings that ends in `chunked` for chunks alone.
pub fn check_coding(head: &ResponseHeader) -> PingoraResult<()> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let chunks = |v: &HeaderValue| v.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next().is_none_or(chunks), codings.next()) {
        (true, None) => Ok(()),
        _ => Error::e_explain(
            ErrorType::InvalidHTTPHeader,
            "a transfer coding that was not asked for",
        ),
    }
}

/// Refuses headers that no answer may have: a change of protocol nobody asked
/// for, informational ones without end.
pub fn sound(head: &ResponseHeader, informational: &mut usize) -> PingoraResult<()> {
    let refused = |why: &'static str| Error::e_explain(ErrorType::InvalidHTTPHeader, why);
    if head.status == http::StatusCode::SWITCHING_PROTOCOLS {
        return refused("a change of protocol");
    }
    *informational += usize::from(head.status.is_informational());
    if *informational > INFORMATIONAL_MAX {
        return refused("too many informational answers");
    }
    Ok(())
}

pub async fn read_body(session: &mut ClientSession, call: &Call) -> Result<Bytes> {
    let limit = call.tool.response_bytes_max;
    let no_body = call.request.method == http::Method::HEAD;
    let (length, mut decoder) = {
        let headers = &head_of(session)?.headers;
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let length = text(CONTENT_LENGTH).and_then(|v| v.parse::<usize>().ok());
        if !no_body && length.is_some_and(|n| n > limit) {
            return Err(too_large(limit));
        }
        match no_body {
            true => (length, None),
            false => (length, Decoder::new(text(CONTENT_ENCODING), limit)?),
        }
    };
    let Some(first) = session.read_response_body().await.map_err(|e| broken(&e))? else {
        return Ok(Bytes::new());
    };
    if decoder.is_none() && length == Some(first.len()) && session.response_done() {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(length.unwrap_or(first.len() * 2).min(limit));
    let mut next = Some(first);
    while let Some(piece) = next {
        match &mut decoder {
            Some(decoder) => body.extend_from_slice(&decoder.push(&piece)?),
            None => body.extend_from_slice(&piece),
        }
        if body.len() > limit {
            return Err(too_large(limit));
        }
        next = session.read_response_body().await.map_err(|e| broken(&e))?;
    }
    if let Some(mut decoder) = decoder {
        body.extend_from_slice(&decoder.end()?);
        if body.len() > limit {
            return Err(too_large(limit));
        }
    }
    Ok(body.freeze())
}
