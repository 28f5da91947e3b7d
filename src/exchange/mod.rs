//! One exchange, from a client's message to its answer. Read this first.
//!
//! [`admit`] looks at method, path and headers; [`prepare`] at the message. Its
//! answer says what the shell must do ([`Next`]). A call that needs the API
//! then meets [`Call::answer`] (the whole answer at once) or [`Call::writer`]
//! (piece by piece), and [`Call::fail`] when the API could not be asked.
//!
//! Nothing here waits, and nothing reads a socket, a clock or a file: time and
//! chance come in with the [`Facts`].

mod admit;
mod call;
pub mod decode;
mod levels;
mod prepare;
mod reply;
mod respond;
mod subscribe;
mod words;
mod writer;

pub use admit::{Admitted, admit};
pub use call::{Call, Notices, Phase, event_into};
pub use levels::LogLevels;
pub use prepare::prepare;
pub use reply::{Body, Record, Rendered, Reply, fault_reply};
pub use subscribe::Subscription;
pub use words::ResponseHead;
pub use writer::Writer;

use http::{HeaderMap, Method};

/// What the shell knows of a request besides its body.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    /// `Host`, or `:authority` of HTTP/2.
    pub authority: Option<&'a str>,
    pub headers: &'a HeaderMap,
    /// Gives the Unix time in seconds.
    pub now: fn() -> u64,
    /// Names this request in logs and to the client.
    pub request_id: u64,
    /// Gives bytes from a secure generator.
    pub random: fn() -> [u8; 16],
    /// Levels that sessions asked for.
    pub levels: &'a LogLevels,
}

/// What is to be done for a request.
pub enum Next {
    /// Send this.
    Reply(Reply),
    /// Ask the API, read its answer whole, send one reply.
    Exchange(Box<Call>),
    /// Ask the API and pass its answer on as it comes.
    Relay(Box<Call>),
    /// Open an event stream.
    Stream(Box<Subscription>),
}

#[cfg(test)]
mod tests;
