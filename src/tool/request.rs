//! The arguments of a call -> the request to the API.
//!
//! A request is built from nothing: no header of the client's is copied unless
//! the configuration names it.

use super::body::BodyPlan;
use super::bounded::Bounded;
use super::credential::Credential;
use super::encode::read;
use super::style::{HEADER_BYTES_MAX, Spelling};
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::{Entries, Raw};
use crate::openapi::Location;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use smallvec::SmallVec;
use std::collections::HashSet;

/// The longest request target, in bytes: what servers commonly take.
pub const TARGET_BYTES_MAX: usize = 32 << 10;

/// Everything about a tool's requests that does not depend on arguments.
#[derive(Debug)]
pub struct Plan {
    pub method: Method,
    /// The upstream's base path and the template, cut at its holes.
    pub path: Vec<PathPart>,
    /// A query every request carries.
    pub fixed_query: Box<str>,
    pub bindings: Vec<Binding>,
    pub body: Option<BodyPlan>,
    pub accept: HeaderValue,
    /// Configured headers and those of the credential.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub credential: Credential,
    /// Headers of the client's that are passed on.
    pub forwarded: Vec<HeaderName>,
}

#[derive(Debug)]
pub enum PathPart {
    Literal(Box<str>),
    /// Index into the bindings.
    Hole(usize),
}

/// Whether a method only reads (RFC 9110 §9.2.1; QUERY by its own standard).
pub fn is_safe(method: &Method) -> bool {
    method.is_safe() || method.as_str() == "QUERY"
}

/// Whether a request may be repeated (RFC 9110 §9.2.2).
pub fn is_idempotent(method: &Method) -> bool {
    method.is_idempotent() || is_safe(method)
}

/// One argument and where it goes.
#[derive(Debug)]
pub struct Binding {
    pub argument: Box<str>,
    pub spelling: Spelling,
    /// Names that the members of an object must not take, in lower case, where
    /// they become parameters of their own: those of other parameters and of
    /// credentials.
    pub taken: HashSet<String>,
}

impl Binding {
    /// Fills in what the members of objects must not be named. `supplied` are
    /// parameters that credentials fill in.
    pub fn keep_apart(
        bindings: &mut [Binding],
        fixed_query: &str,
        supplied: &[(Location, String)],
    ) {
        let place = |location| match location {
            Location::QueryString => Location::Query,
            other => other,
        };
        let lower = |name: &str| name.to_ascii_lowercase();
        for at in 0..bindings.len() {
            let own = place(bindings[at].spelling.location);
            if !matches!(own, Location::Query | Location::Cookie)
                || !bindings[at].spelling.names_members()
            {
                continue;
            }
            let others = bindings
                .iter()
                .enumerate()
                .filter(|(n, b)| *n != at && place(b.spelling.location) == own);
            let mut taken: HashSet<String> = others.map(|(_, b)| lower(&b.spelling.name)).collect();
            taken.extend(
                supplied.iter().filter(|(l, _)| place(*l) == own).map(|(_, name)| lower(name)),
            );
            if own == Location::Query {
                let names = fixed_query.split('&').filter_map(|pair| pair.split('=').next());
                taken.extend(names.filter(|n| !n.is_empty()).map(lower));
            }
            bindings[at].taken = taken;
        }
    }
}

/// A request ready to be sent; `Host` is the peer's and comes last.
#[derive(Debug)]
pub struct UpstreamRequest {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: SmallVec<[(HeaderName, HeaderValue); 6]>,
    pub body: Option<Bytes>,
}

impl UpstreamRequest {
    /// What its `Content-Length` says. Methods that mostly have a body must say
    /// that there is none (RFC 9110 §8.6).
    pub fn content_length(&self) -> Option<usize> {
        match &self.body {
            Some(body) => Some(body.len()),
            None => (!is_safe(&self.method)).then_some(0),
        }
    }
}

impl Plan {
    /// Builds the request of one call. `client` holds the client's headers;
    /// `seed` differs from call to call.
    pub fn build(
        &self,
        arguments: &Entries<'_>,
        client: &HeaderMap,
        seed: u64,
    ) -> Result<UpstreamRequest> {
        let mut headers = SmallVec::new();
        headers.push((ACCEPT, self.accept.clone()));
        headers.extend(self.headers.iter().cloned());
        let target = self.target(arguments)?;
        let mut cookies = Bounded::new(HEADER_BYTES_MAX, "a header");
        for binding in &self.bindings {
            let Some(value) = given(arguments, &binding.argument)? else { continue };
            match binding.spelling.location {
                Location::Header => {
                    let (name, value) = header(&binding.spelling, &value)?;
                    // What the operator set is not an agent's to change.
                    let set = name != USER_AGENT && self.headers.iter().any(|(n, _)| *n == name);
                    if !set {
                        headers.retain(|(n, _)| *n != name);
                        headers.push((name, value));
                    }
                }
                Location::Cookie => {
                    binding.spelling.check_names(&value, &binding.taken)?;
                    binding.spelling.write_cookie(&value, &mut cookies)?;
                }
                Location::Path | Location::Query | Location::QueryString => {}
            }
        }
        let mut cookies = cookies.into_string();
        for cookie in &self.credential.cookies {
            if !cookies.is_empty() {
                cookies.push_str("; ");
            }
            cookies.push_str(cookie);
        }
        if !cookies.is_empty() {
            let mut value = HeaderValue::from_str(&cookies).map_err(|_| unsendable("cookie"))?;
            value.set_sensitive(true);
            headers.push((COOKIE, value));
        }
        for name in &self.forwarded {
            if let Some(value) = client.get(name) {
                headers.retain(|(n, _)| n != name);
                headers.push((name.clone(), value.clone()));
            }
        }
        headers.extend(self.credential.headers.iter().cloned());
        let mut body = None;
        if let Some((bytes, content_type)) = self.body(arguments, seed)? {
            headers.push((CONTENT_TYPE, content_type));
            body = Some(bytes);
        }
        Ok(UpstreamRequest { method: self.method.clone(), target, headers, body })
    }

    fn target(&self, arguments: &Entries<'_>) -> Result<String> {
        let mut target = Bounded::new(TARGET_BYTES_MAX, "a URL");
        for part in &self.path {
            match part {
                PathPart::Literal(text) => target.push_str(text)?,
                PathPart::Hole(index) => {
                    let binding = &self.bindings[*index];
                    let value = given(arguments, &binding.argument)?.unwrap_or(Raw::Null);
                    binding.spelling.write_path(&value, &mut target)?;
                }
            }
        }
        let mut query = Bounded::new(TARGET_BYTES_MAX, "a URL");
        query.push_str(&self.fixed_query)?;
        for binding in &self.bindings {
            let whole = match binding.spelling.location {
                Location::Query => false,
                Location::QueryString => true,
                _ => continue,
            };
            match (given(arguments, &binding.argument)?, whole) {
                (Some(value), false) => {
                    binding.spelling.check_names(&value, &binding.taken)?;
                    binding.spelling.write_query(&value, &mut query)?;
                }
                (Some(value), true) => {
                    binding.spelling.check_names(&value, &binding.taken)?;
                    binding.spelling.write_query_string(&value, &mut query)?;
                }
                (None, _) => {}
            }
        }
        for pair in &self.credential.query {
            query.push_str(if query.is_empty() { "" } else { "&" })?;
            query.push_str(pair)?;
        }
        if !query.is_empty() {
            target.push_str("?")?;
            target.push_str(query.as_str())?;
        }
        Ok(target.into_string())
    }

    fn body(&self, arguments: &Entries<'_>, seed: u64) -> Result<Option<(Bytes, HeaderValue)>> {
        let Some(plan) = &self.body else { return Ok(None) };
        if let Some(members) = &plan.flat {
            return match members.gather(arguments)? {
                Some(body) => plan.write(&body, seed).map(Some),
                None => Ok(None),
            };
        }
        match arguments.iter().find(|(name, _)| *name == *plan.argument) {
            Some((_, raw)) => plan.write(raw, seed).map(Some),
            None => Ok(None),
        }
    }
}

/// An argument's value; null is as if it were not given.
fn given<'a>(arguments: &Entries<'a>, name: &str) -> Result<Option<Raw<'a>>> {
    let Some((_, raw)) = arguments.iter().find(|(n, _)| n == name) else { return Ok(None) };
    Ok(match read(raw)? {
        Raw::Null => None,
        value => Some(value),
    })
}

fn header(spelling: &Spelling, value: &Raw<'_>) -> Result<(HeaderName, HeaderValue)> {
    let text = spelling.header(value)?;
    let name = HeaderName::from_bytes(spelling.name.as_bytes());
    match (name, HeaderValue::from_str(&text)) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(unsendable(&spelling.name)),
    }
}

fn unsendable(name: &str) -> Fault {
    Fault::new(
        Class::InvalidArguments,
        format!("the parameter `{name}` cannot be sent in a header"),
    )
}
