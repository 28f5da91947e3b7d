//! The gateway's own credentials: which of an operation's security alternatives
//! is configured, and what it adds to a request.

use super::encode::{NOT_COOKIE, UNRESERVED};
use crate::config::Auth;
use crate::openapi::security::{Scheme, scheme};
use crate::openapi::{Document, Location, Operation};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;

/// What a credential adds to every request of a tool.
#[derive(Clone, Default)]
pub struct Credential {
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `name=value`, encoded.
    pub query: Vec<Box<str>>,
    pub cookies: Vec<Box<str>>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(***)")
    }
}

/// Parameters that any apiKey scheme of the operation fills in: never an
/// agent's to set, configured or not.
pub fn supplied(document: &Document, operation: &Operation<'_>) -> Vec<(Location, String)> {
    operation
        .security
        .iter()
        .flatten()
        .filter_map(|name| match scheme(document, name) {
            Some(Scheme::ApiKey { location, name }) => Some((location, name)),
            _ => None,
        })
        .collect()
}

/// Every parameter that a credential of the operation or of the configuration may
/// fill in: no argument may take such a name.
pub fn names(
    document: &Document,
    operation: &Operation<'_>,
    auth: &[(String, Auth)],
) -> Vec<(Location, String)> {
    let mut all = supplied(document, operation);
    all.extend(auth.iter().filter_map(|(name, _)| match scheme(document, name) {
        Some(Scheme::ApiKey { location, name }) => Some((location, name)),
        _ => None,
    }));
    all
}

/// What is wrong with the configured credentials of an api, all of it.
pub fn check(document: &Document, auth: &[(String, Auth)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, auth) in auth.iter().filter(|(_, a)| !matches!(a, Auth::Header { .. })) {
        if let Err(why) = add(&mut Credential::default(), name, scheme(document, name), auth) {
            wrong.push(why);
        }
    }
    wrong
}

/// The credential of the first alternative that is configured in full. None is
/// configured: the call goes without, and the upstream decides; many documents
/// declare security that a deployment behind the gateway does not ask for.
pub fn compile(
    document: &Document,
    operation: &Operation<'_>,
    auth: &[(String, Auth)],
) -> Result<Credential, String> {
    let configured =
        |name: &String| auth.iter().find(|(known, _)| known == name).map(|(_, auth)| auth);
    let chosen = operation
        .security
        .iter()
        .find(|schemes| !schemes.is_empty() && schemes.iter().all(|s| configured(s).is_some()));
    let mut credential = Credential::default();
    for (name, auth) in auth {
        if let Auth::Header { .. } = auth {
            add(&mut credential, name, None, auth)?;
        }
    }
    for name in chosen.into_iter().flatten() {
        if let Some(auth) = configured(name).filter(|a| !matches!(a, Auth::Header { .. })) {
            add(&mut credential, name, scheme(document, name), auth)?;
        }
    }
    Ok(credential)
}

fn add(
    credential: &mut Credential,
    name: &str,
    scheme: Option<Scheme>,
    auth: &Auth,
) -> Result<(), String> {
    let unusable = || format!("the credential `{name}` cannot stand in a header");
    let sensitive = |text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| unusable())?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    match (scheme, auth) {
        (_, Auth::Header { header, value }) => {
            let header = HeaderName::from_bytes(header.as_bytes()).map_err(|_| unusable())?;
            credential.headers.push((header, sensitive(value.reveal())?));
        }
        (Some(Scheme::ApiKey { location, name: key }), Auth::Value(secret)) => {
            let pair = |set| {
                let name = utf8_percent_encode(&key, set);
                let value = utf8_percent_encode(secret.reveal(), set);
                format!("{name}={value}").into_boxed_str()
            };
            match location {
                Location::Header => {
                    let header = HeaderName::from_bytes(key.as_bytes()).map_err(|_| unusable())?;
                    credential.headers.push((header, sensitive(secret.reveal())?));
                }
                Location::Cookie => credential.cookies.push(pair(NOT_COOKIE)),
                Location::Query | Location::QueryString | Location::Path => {
                    credential.query.push(pair(UNRESERVED))
                }
            }
        }
        (Some(Scheme::Bearer), Auth::Value(secret)) => {
            let value = sensitive(&format!("Bearer {}", secret.reveal()))?;
            credential.headers.push((http::header::AUTHORIZATION, value));
        }
        (Some(Scheme::Basic), Auth::Basic { username, password }) => {
            let pair = STANDARD.encode(format!("{username}:{}", password.reveal()));
            let value = sensitive(&format!("Basic {pair}"))?;
            credential.headers.push((http::header::AUTHORIZATION, value));
        }
        (Some(Scheme::MutualTls), _) | (None, _) => {
            return Err(format!("the document has no scheme `{name}` that a request can carry"));
        }
        (Some(Scheme::Basic), Auth::Value(_)) => {
            return Err(format!("`{name}` is basic: give `username` and `password`"));
        }
        (Some(_), Auth::Basic { .. }) => {
            return Err(format!("`{name}` is not basic: give `value`"));
        }
    }
    Ok(())
}
