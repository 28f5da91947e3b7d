//! A client of event streams.

use super::binary::Binary;
use super::http::{Connection, Response};
use super::mcp::check_message;
use super::message::Message;
use super::shown;
use serde_json::Value;

/// An open stream.
pub struct Events {
    connection: Connection,
    pending: Vec<u8>,
    /// Comment lines seen so far.
    pub comments: usize,
}

impl Events {
    /// Sends a message that is answered by a stream.
    pub fn ask(binary: &Binary, message: &Message) -> Self {
        let mut connection = Connection::open(binary.address);
        connection.send(&message.bytes(binary.address));
        Events::on(connection)
    }

    /// GET of the revisions before 2026-07-28.
    pub fn get(binary: &Binary, headers: &[(&str, &str)]) -> Self {
        let mut request = format!(
            "GET /mcp HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n",
            binary.address
        );
        headers.iter().for_each(|(n, v)| request.push_str(&format!("{n}: {v}\r\n")));
        let mut connection = Connection::open(binary.address);
        connection.send((request + "\r\n").as_bytes());
        Events::on(connection)
    }

    fn on(mut connection: Connection) -> Self {
        let head = connection.head().expect("a stream, not the end of the connection");
        let mut events = Events { connection, pending: Vec::new(), comments: 0 };
        if head.status != 200 {
            panic!("no stream: {head:?}");
        }
        events.check_head(&head);
        events
    }

    fn check_head(&mut self, head: &Response) {
        assert_eq!(head.header("content-type"), Some("text/event-stream"), "{head:?}");
        assert_eq!(head.header("cache-control"), Some("no-store"), "{head:?}");
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{head:?}");
    }

    /// Sends what nobody asked for.
    pub fn disturb(&mut self) {
        self.connection.send(b"x");
    }

    /// The next message, comments passed over; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Value> {
        self.next_bytes().map(|data| {
            serde_json::from_slice(&data).unwrap_or_else(|e| panic!("{e}: {}", shown(&data)))
        })
    }

    fn next_bytes(&mut self) -> Option<Vec<u8>> {
        loop {
            while let Some(at) = self.pending.windows(2).position(|w| w == b"\n\n") {
                let event: Vec<u8> = self.pending.drain(..at + 2).collect();
                let event = String::from_utf8(event).expect("events are text");
                if event.starts_with(':') {
                    self.comments += 1;
                    continue;
                }
                let data = event.strip_prefix("event: message\ndata: ");
                let data = data.unwrap_or_else(|| panic!("an event: {event:?}"));
                assert!(!data.trim_end().contains('\n'), "one line of data: {event:?}");
                return Some(data.trim_end().as_bytes().to_vec());
            }
            match self.connection.chunk() {
                Some(chunk) => self.pending.extend(chunk),
                None => {
                    assert!(self.pending.is_empty(), "half an event: {}", shown(&self.pending));
                    return None;
                }
            }
        }
    }

    /// Waits for the first comment: the stream is open.
    pub fn wait_comment(&mut self) {
        while self.comments == 0 {
            let chunk = self.connection.chunk().expect("a comment");
            assert!(chunk.starts_with(b":"), "{}", shown(&chunk));
            self.comments += 1;
        }
    }

    /// Reads to the end: the notices, and the one answer after them.
    pub fn finish(mut self, message: &Message) -> (Vec<Value>, Value) {
        let mut notices: Vec<Value> = Vec::new();
        let answer = loop {
            let data = self.next_bytes().expect("an answer before the end of the stream");
            let value: Value = serde_json::from_slice(&data).expect("JSON");
            match value.get("id") {
                None => notices.push(value),
                Some(_) => break check_message(message, &data),
            }
        };
        assert_eq!(self.next(), None, "nothing follows the answer");
        (notices, answer)
    }

    pub fn close(self) {
        self.connection.close();
    }
}
