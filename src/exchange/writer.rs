//! An answer of the API, piece by piece -> pieces of the message, with constant
//! memory.

use super::call::Call;
use super::reply::{open_result, tail};
use super::respond::base64_into;
use super::words::{ERROR_BODY_BYTES_MAX, ResponseHead, error_text};
use crate::jsonrpc::escape::{TextChunks, escape_into, string_into};
use crate::mcp::Era;
use crate::observe::Outcome;
use crate::snapshot::Server;
use crate::tool::answer::Kind;
use std::sync::Arc;

/// Writes one result while its content arrives. Whether it is an error is
/// written last, so that what goes wrong on the way can still be told.
pub struct Writer {
    form: Form,
    /// What stands between the content and `isError`.
    close: &'static [u8],
    server: Arc<Server>,
    era: Era,
    is_error: bool,
    outcome: Outcome,
    received: usize,
    bytes_max: usize,
    ended: bool,
    /// The opening, until the first piece takes it along: one write for both.
    opening: Vec<u8>,
}

enum Form {
    Text(TextChunks),
    /// Up to two bytes wait for their third.
    Base64 {
        rest: [u8; 3],
        len: usize,
    },
}

impl Call {
    /// Begins a result.
    pub fn writer(&self, head: &ResponseHead<'_>) -> Writer {
        let mut opening = Vec::with_capacity(256);
        let out = &mut opening;
        open_result(&self.id, out);
        out.extend_from_slice(b"{\"content\":[");
        let success = head.status.is_success();
        let kind = match success {
            true => Kind::of(head.content_type()),
            false => Kind::Text,
        };
        let (form, close): (Form, &'static [u8]) = match kind {
            Kind::Json | Kind::Text => {
                out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"");
                if !success {
                    escape_into(out, &error_text(head, b""));
                    escape_into(out, "\n");
                }
                (Form::Text(TextChunks::of_charset(head.charset())), b"\"}]")
            }
            Kind::Image(media) => (self.open_data("image", &media, out), b"\"}]"),
            Kind::Audio(media) => (self.open_data("audio", &media, out), b"\"}]"),
            Kind::Blob(media) => {
                out.extend_from_slice(b"{\"type\":\"resource\",\"resource\":{\"uri\":");
                string_into(out, &self.resource_uri());
                out.extend_from_slice(b",\"mimeType\":");
                string_into(out, &media);
                out.extend_from_slice(b",\"blob\":\"");
                (Form::Base64 { rest: [0; 3], len: 0 }, b"\"}}]")
            }
        };
        Writer {
            form,
            close,
            server: self.server.clone(),
            era: self.era,
            is_error: !success,
            outcome: if success { Outcome::Ok } else { Outcome::ErrorStatus },
            received: 0,
            bytes_max: match success {
                true => self.tool.stream_bytes_max,
                false => ERROR_BODY_BYTES_MAX,
            },
            ended: false,
            opening,
        }
    }

    fn open_data(&self, kind: &str, media: &str, out: &mut Vec<u8>) -> Form {
        out.extend_from_slice(b"{\"type\":");
        string_into(out, kind);
        out.extend_from_slice(b",\"mimeType\":");
        string_into(out, media);
        out.extend_from_slice(b",\"data\":\"");
        Form::Base64 { rest: [0; 3], len: 0 }
    }
}

impl Writer {
    /// Takes a piece of the answer in. Past the limit the result is closed as an
    /// error and the rest is dropped.
    pub fn chunk(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        out.append(&mut self.opening);
        if self.ended {
            return;
        }
        let room = self.bytes_max - self.received;
        let taken = &chunk[..chunk.len().min(room)];
        self.received += taken.len();
        match &mut self.form {
            Form::Text(text) => text.push(taken, out),
            Form::Base64 { rest, len } => push_base64(rest, len, taken, out),
        }
        if taken.len() < chunk.len() && self.is_error {
            // Enough to know what went wrong.
            if let Form::Text(_) = self.form {
                escape_into(out, "…");
            }
            return self.end(out);
        }
        if taken.len() < chunk.len() {
            let limit = crate::config::units::show_bytes(self.bytes_max);
            let class = crate::fault::Class::UpstreamTooLarge;
            self.cut(class, &format!("cut here: the answer is larger than {limit}"), out);
        }
    }

    /// Ends the result.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.opening);
        if self.ended {
            return;
        }
        self.ended = true;
        match &mut self.form {
            Form::Text(text) => text.end(out),
            Form::Base64 { rest, len } => base64_into(&rest[..*len], out),
        }
        out.extend_from_slice(self.close);
        self.finish(out);
    }

    /// Ends a result whose answer broke off, saying so.
    pub fn cut(&mut self, class: crate::fault::Class, why: &str, out: &mut Vec<u8>) {
        out.append(&mut self.opening);
        if self.ended {
            return;
        }
        self.ended = true;
        self.is_error = true;
        self.outcome = Outcome::Fault(class);
        match &mut self.form {
            Form::Text(text) => text.end(out),
            Form::Base64 { rest, len } => base64_into(&rest[..*len], out),
        }
        // A block of its own: the content may be text or Base64.
        out.extend_from_slice(&self.close[..self.close.len() - 1]);
        out.extend_from_slice(b",{\"type\":\"text\",\"text\":");
        string_into(out, &format!("[{why} ({})]", class.name()));
        out.extend_from_slice(b"}]");
        self.finish(out);
    }

    fn finish(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.is_error {
            b",\"isError\":true"
        } else {
            b",\"isError\":false"
        });
        out.extend_from_slice(tail(&self.server, self.era));
        out.push(b'}');
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the answer was taken in to its end.
    pub fn received_all(&self) -> bool {
        self.ended && !matches!(self.outcome, Outcome::Fault(_))
    }

    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub fn received(&self) -> usize {
        self.received
    }
}

fn push_base64(rest: &mut [u8; 3], len: &mut usize, mut chunk: &[u8], out: &mut Vec<u8>) {
    while *len > 0 && *len < 3 && !chunk.is_empty() {
        rest[*len] = chunk[0];
        *len += 1;
        chunk = &chunk[1..];
    }
    if *len == 3 {
        base64_into(&rest[..], out);
        *len = 0;
    }
    if *len == 0 {
        let (whole, left) = chunk.split_at(chunk.len() - chunk.len() % 3);
        base64_into(whole, out);
        rest[..left.len()].copy_from_slice(left);
        *len = left.len();
    }
}
