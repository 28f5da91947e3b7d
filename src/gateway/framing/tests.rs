//! Where requests break, however their bytes come.

use super::chunks::{SIZE_LINE_BYTES_MAX, TRAILERS_BYTES_MAX};
use super::*;

const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING:\tchunked \r\n\r\n";

/// How many bytes are taken, whatever pieces they come in.
fn taken(bytes: &[u8]) -> usize {
    let whole = Framing::default().take(bytes);
    for size in [1, 2, 3, 7] {
        let (mut framing, mut at) = (Framing::default(), 0);
        for piece in bytes.chunks(size) {
            let n = framing.take(piece);
            at += n;
            if n < piece.len() {
                break;
            }
        }
        assert_eq!(at, whole, "in pieces of {size}");
    }
    whole
}

#[test]
fn bodies_in_chunks() {
    // The bar is where they break; no bar, nowhere.
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "00005\r\nhello\r\n000\r\n\r\n",
        "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        "1;a\r\nx\r\n1;a=b;c\r\ny\r\n1 ; a = b\r\nz\r\n1;a=\"q\\\"u;o\"\t;b\r\nw\r\n0\r\n\r\n",
        "0;last\r\nX-A: b\r\nX-B:\r\n\r\n",
        "5\r\nhel",
        "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "|\r\n",
        "|\n",
        "| 5\r\n",
        "|-5\r\n",
        "|+5\r\n",
        "0|x5\r\n",
        "5|_0\r\n",
        "5|\n",
        "5\r|x",
        "5 |\r\n",
        "5;|\r\n",
        "5;a=|\r\n",
        "5;a|\n",
        "5;a=\"b|\r\n",
        "5;a=\"b\"|c\r\n",
        "5;a |b",
        "5;a|\0",
        "5\r\nhello|0\r\n",
        "5\r\nhello\r|x",
        "5\r\nhello|\n",
        "5\r\nhello\r\n|\r\n",
        "0\r\n|\n",
        "0\r\n\r|x",
        "0\r\nX-A|\r\n",
        "0\r\n|: b\r\n",
        "0\r\n| X: b\r\n",
        "0\r\nX-A| : b\r\n",
        "0\r\nX-A: b|\n",
        "0\r\nX-A: b|\0",
        "0123456789abcdef|0\r\n",
        "ffffffffffffffff\r\nx",
    ] {
        let (before, after) = body.split_once('|').unwrap_or((body, ""));
        let bytes = format!("{HEAD}{before}{after}");
        assert_eq!(taken(bytes.as_bytes()), HEAD.len() + before.len(), "{body:?}");
    }
}

#[test]
fn request_lines() {
    for (line, bad) in [
        ("GET / HTTP/1.1", false),
        ("\r\n\r\nGET / HTTP/1.1", false),
        ("POST http://a/b?c=%20 HTTP/1.0", false),
        ("GET  / HTTP/1.1", true),
        ("GET /a b HTTP/1.1", true),
        ("GET /a#b HTTP/1.1", true),
        ("GET /\0 HTTP/1.1", true),
        ("GET /\u{e9} HTTP/1.1", true),
        ("GET / HTTP/1.1 ", true),
        ("GET /", true),
        ("GET a HTTP/1.1", true),
        ("OPTIONS * HTTP/1.1", false),
        (" GET / HTTP/1.1", true),
        ("G\tET / HTTP/1.1", true),
    ] {
        let mut framing = Framing::default();
        let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        framing.take(format!("{good}{line}\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!((framing.is_bad(1), framing.is_bad(2)), (false, bad), "{line:?}");
    }
}

#[test]
fn limits_at_them_and_one_past_them() {
    for (bytes, broken) in [(SIZE_LINE_BYTES_MAX, false), (SIZE_LINE_BYTES_MAX + 1, true)] {
        let line = format!("{HEAD}1;{}\r\n", "a".repeat(bytes - 4));
        assert_eq!(taken(line.as_bytes()) < line.len(), broken, "{bytes}");
    }
    for (bytes, broken) in [(TRAILERS_BYTES_MAX, false), (TRAILERS_BYTES_MAX + 1, true)] {
        let trailers = format!("{HEAD}0\r\na:{}\r\n\r\n", "b".repeat(bytes - 6));
        assert_eq!(taken(trailers.as_bytes()) < trailers.len(), broken, "{bytes}");
    }
}

#[test]
fn a_request_is_followed_by_the_next_one() {
    let length = "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nZZ\r\n\r\n\r\nx";
    let none = "GET / HTTP/1.1\r\nCookie: transfer-encoding: chunked\r\n\r\n";
    let broken = format!("{length}{none}{length}{HEAD}|ZZ");
    let (before, _) = broken.split_once('|').unwrap();
    assert_eq!(taken(broken.replace('|', "").as_bytes()), before.len());
    // After what is refused by its header nothing is looked at.
    for framing in [
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: x",
    ] {
        let bytes = format!("POST / HTTP/1.1\r\n{framing}\r\n\r\n{HEAD}ZZ");
        assert_eq!(taken(bytes.as_bytes()), bytes.len(), "{framing}");
        let mut followed = Framing::default();
        followed.take(bytes.as_bytes());
        assert!(followed.is_bad(1), "{framing}");
    }
    let long = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(HEAD_BYTES_MAX));
    let mut framing = Framing::default();
    assert_eq!(framing.take(long.as_bytes()), long.len());
    assert_eq!(framing.take(b"b"), 1);
    assert!(framing.head.is_empty() && matches!(framing.state, State::Last));
}
