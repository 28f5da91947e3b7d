//! A call on an idle connection of HTTP/1, where the answer is as plain as most
//! are: its header comes in one piece, and says how long its body is.
//!
//! Pingora's client makes maps of headers to write and to drop them, and keeps the
//! letters of their names: 2 µs of a call. It gets every answer that is not plain,
//! as it came: chunks, informational ones, those that end a connection, and all
//! that is not as it should be.

use super::peers::Peer;
use super::unread::Unread;
use crate::exchange::Call;
use crate::tool::request::UpstreamRequest;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pingora_core::protocols::Stream;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The first read; most answers are not longer.
const READ_BYTES: usize = 4 << 10;

/// More headers than that are not plain.
const FIELDS_MAX: usize = 64;

/// Digits of a length that surely is a number of bytes.
const LENGTH_DIGITS_MAX: usize = 15;

/// Requests up to this size leave in one write.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// What became of a request.
pub enum Asked {
    /// The answer is read to its end, and the connection can be used again.
    Answered { head: Head, body: Bytes, stream: Stream },
    /// There is an answer that is not plain, and nothing of it is lost.
    Unread(Stream),
    /// The answer is longer than it may be.
    TooLarge,
    /// The connection ended before any answer.
    Stale(io::Error),
}

#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

/// Whether a request can be made here. A credential may have any name, also one
/// that is of the connection.
pub fn possible(request: &UpstreamRequest) -> bool {
    let ours = |name: &HeaderName| {
        matches!(
            *name,
            HOST | CONTENT_LENGTH | ACCEPT_ENCODING | CONNECTION | TRANSFER_ENCODING | UPGRADE
        )
    };
    request.method != Method::HEAD
        && request.target.bytes().all(|b| b.is_ascii_graphic())
        && !request.headers.iter().any(|(name, _)| ours(name))
}

/// Sends the request of a call and reads its answer. An error is that of an answer
/// that broke off.
pub async fn ask(mut stream: Stream, peer: &Peer, call: &Call) -> io::Result<Asked> {
    if let Err(e) = send(&mut stream, peer, &call.request).await {
        return Ok(Asked::Stale(e));
    }
    let mut read = BytesMut::with_capacity(READ_BYTES);
    match stream.read_buf(&mut read).await {
        Ok(0) => return Ok(Asked::Stale(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => {}
        Err(e) => return Ok(Asked::Stale(e)),
    }
    let Some((head, length)) = plain(&mut read) else {
        return Ok(Asked::Unread(Box::new(Unread::new(read.freeze(), stream))));
    };
    if length > call.tool.response_bytes_max {
        return Ok(Asked::TooLarge);
    }
    read.reserve(length.saturating_sub(read.len()));
    while read.len() < length {
        let rest = length - read.len();
        if stream.read_buf(&mut (&mut read).limit(rest)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Asked::Answered { head, body: read.freeze(), stream })
}

async fn send(stream: &mut Stream, peer: &Peer, request: &UpstreamRequest) -> io::Result<()> {
    let mut out = Vec::with_capacity(512);
    head_into(&mut out, &peer.authority, request);
    match &request.body {
        Some(body) if out.len() + body.len() > REQUEST_BYTES_MAX => {
            stream.write_all(&out).await?;
            stream.write_all(body).await?;
        }
        body => {
            out.extend_from_slice(body.as_deref().unwrap_or_default());
            stream.write_all(&out).await?;
        }
    }
    stream.flush().await
}

/// The header of a request (RFC 9112 §3), as `client::request_header` has it.
fn head_into(out: &mut Vec<u8>, authority: &HeaderValue, request: &UpstreamRequest) {
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    put(&[request.method.as_str().as_bytes(), b" ", request.target.as_bytes()]);
    put(&[b" HTTP/1.1\r\nHost: ", authority.as_bytes(), b"\r\n"]);
    for (name, value) in &request.headers {
        // As Pingora writes it.
        let name = if *name == CONTENT_TYPE { "Content-Type" } else { name.as_str() };
        put(&[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    put(&[b"accept-encoding: identity\r\n"]);
    if let Some(length) = request.content_length() {
        put(&[b"Content-Length: ", itoa::Buffer::new().format(length).as_bytes(), b"\r\n"]);
    }
    put(&[b"\r\n"]);
}

/// Takes a plain header from the front of what was read, with the length of the
/// body; `None`, and takes nothing, where it is not plain.
fn plain(read: &mut BytesMut) -> Option<(Head, usize)> {
    let end = memchr::memmem::find(read, b"\r\n\r\n")? + 4;
    let (head, length) = parse(&Bytes::copy_from_slice(&read[..end]))?;
    // What comes after an answer nobody asked for.
    if read.len() - end > length {
        return None;
    }
    let _ = read.split_to(end);
    Some((head, length))
}

fn parse(bytes: &Bytes) -> Option<(Head, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut fields);
    let complete = parsed.parse(bytes) == Ok(httparse::Status::Complete(bytes.len()));
    let status = StatusCode::from_u16(parsed.code?).ok()?;
    let has_body = status.as_u16() >= 200
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !complete || parsed.version != Some(1) || !has_body {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    let mut length = None;
    for field in parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let plain = match name {
            CONTENT_LENGTH => length.replace(number(field.value)?).is_none(),
            CONNECTION => field.value.eq_ignore_ascii_case(b"keep-alive"),
            TRANSFER_ENCODING | UPGRADE | CONTENT_ENCODING => false,
            _ => true,
        };
        if !plain {
            return None;
        }
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).ok()?;
        headers.append(name, value);
    }
    Some((Head { status, headers }, length?))
}

fn number(digits: &[u8]) -> Option<usize> {
    let sound = digits.len() <= LENGTH_DIGITS_MAX && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| sound)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_answers_are_taken() {
        let many = |n: usize| "X-A: 1\r\n".repeat(n);
        let most = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{}\r\n", many(FIELDS_MAX - 1));
        let more = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{}\r\n", many(FIELDS_MAX));
        let digits = "0".repeat(LENGTH_DIGITS_MAX - 1);
        let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {digits}3\r\n\r\n");
        let longer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0{digits}3\r\n\r\n");
        for (text, want) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Some((200, 3, ""))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", Some((200, 3, "ab"))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Some((200, 3, "abc"))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Some((200, 0, ""))),
            ("HTTP/1.1 404\r\ncontent-length: 3\r\nX: y\r\n\r\n", Some((404, 3, ""))),
            (
                "HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\n",
                Some((200, 3, "")),
            ),
            (&most, Some((200, 3, ""))),
            (&long, Some((200, 3, ""))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", None),
            ("HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", None),
            ("HTTP/1.1 200 OK\nContent-Length: 3\n\n\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nUpgrade: x\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\n", None),
            ("HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n", None),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", None),
            ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", None),
            ("HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\n", None),
            ("nonsense\r\n\r\n", None),
            ("", None),
            (&more, None),
            (&longer, None),
        ] {
            let mut read = BytesMut::from(text);
            let got = plain(&mut read);
            let rest = String::from_utf8_lossy(&read).into_owned();
            let got = got.map(|(head, length)| (head.status.as_u16(), length, &*rest));
            assert_eq!(got, want, "{text:?}");
            assert!(want.is_some() || rest == text, "{text:?}: nothing is lost");
        }
    }

    #[test]
    fn requests_on_the_wire() {
        let header = |name: &'static str, value| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        for (method, body, headers, want) in [
            (
                Method::GET,
                None,
                vec![],
                "GET /a?b=c HTTP/1.1\r\nHost: h:1\r\naccept-encoding: identity\r\n\r\n",
            ),
            (
                Method::POST,
                Some("{}"),
                vec![header("content-type", "application/json"), header("x-key", "1")],
                "POST /a?b=c HTTP/1.1\r\nHost: h:1\r\nContent-Type: application/json\r\nx-key: 1\r\naccept-encoding: identity\r\nContent-Length: 2\r\n\r\n",
            ),
            (
                Method::DELETE,
                None,
                vec![],
                "DELETE /a?b=c HTTP/1.1\r\nHost: h:1\r\naccept-encoding: identity\r\nContent-Length: 0\r\n\r\n",
            ),
        ] {
            let request = UpstreamRequest {
                method,
                target: "/a?b=c".to_owned(),
                headers: headers.into(),
                body: body.map(|b| Bytes::from_static(b.as_bytes())),
            };
            let mut out = Vec::new();
            head_into(&mut out, &HeaderValue::from_static("h:1"), &request);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn targets_that_pingora_refuses_are_left_to_it() {
        for (method, target, want) in [
            (Method::GET, "/a?b=%20", true),
            (Method::HEAD, "/a", false),
            (Method::GET, "/a b", false),
            (Method::GET, "/a\r\n", false),
            (Method::GET, "/é", false),
        ] {
            let (headers, body) = (Default::default(), None);
            let request = UpstreamRequest { method, target: target.to_owned(), headers, body };
            assert_eq!(possible(&request), want, "{target:?}");
        }
    }
}
