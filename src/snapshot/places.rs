//! Where calls go: the upstreams of operations.

use crate::config::{Api, Upstream as UpstreamConfig};
use crate::openapi::Document;
use crate::tool::compile::{Place as Placed, Upstreams};

/// Where calls go: endpoints that are alike.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub api: String,
    pub endpoints: Vec<Endpoint>,
    /// The document's own origin, where it came from a URL and names another one:
    /// addresses that only this network knows are then not to be reached by it.
    pub named_by: Option<Endpoint>,
    pub settings: UpstreamConfig,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// The value of `Host`.
    pub authority: String,
}

impl Endpoint {
    fn same_origin(&self, other: &Endpoint) -> bool {
        (self.tls, self.port) == (other.tls, other.port)
            && self.host.eq_ignore_ascii_case(&other.host)
    }
}

/// Finds or adds the upstream of an operation. Configured URLs win over the
/// document's servers.
pub struct Places<'a> {
    pub api: &'a Api,
    pub document: &'a Document,
    pub upstreams: &'a mut Vec<Upstream>,
}

impl Upstreams for Places<'_> {
    fn place(&mut self, document_url: Option<&str>) -> Result<Placed, String> {
        let configured: Vec<&str> = self.api.upstream.urls.iter().map(String::as_str).collect();
        let urls = match (configured.is_empty(), document_url) {
            (false, _) => configured,
            (true, Some(url)) => vec![url],
            (true, None) => {
                return Err(
                    "the document names no absolute server; give `upstream.urls`".to_owned()
                );
            }
        };
        let fetched_from = match self.api.upstream.urls.is_empty() {
            true => self.document.url.as_deref().and_then(origin),
            false => None,
        };
        let mut endpoints = Vec::new();
        let mut base = None;
        for url in urls {
            let (endpoint, path) = endpoint(url)?;
            if *base.get_or_insert_with(|| path.clone()) != path {
                return Err("the upstream URLs have different paths".to_owned());
            }
            endpoints.push(endpoint);
        }
        // A document from a URL is trusted as far as its own origin is.
        let named_by = fetched_from.filter(|own| endpoints.iter().any(|e| !e.same_origin(own)));
        let authorities: Vec<Box<str>> =
            endpoints.iter().map(|e| e.authority.as_str().into()).collect();
        let foreign = named_by.as_ref().and(authorities.first()).map(ToString::to_string);
        let known =
            self.upstreams.iter().position(|u| u.api == self.api.name && u.endpoints == endpoints);
        let index = known.unwrap_or_else(|| {
            self.upstreams.push(Upstream {
                api: self.api.name.clone(),
                endpoints,
                named_by,
                settings: self.api.upstream.clone(),
            });
            self.upstreams.len() - 1
        });
        let base_path = base.unwrap_or_default();
        Ok(Placed { upstream: index, base_path, authorities, foreign })
    }
}

/// Where a document came from: its URL may have a user and a query.
fn origin(url: &str) -> Option<Endpoint> {
    let uri: http::Uri = url.parse().ok()?;
    Some(endpoint_of(&uri))
}

fn endpoint_of(uri: &http::Uri) -> Endpoint {
    let tls = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let authority = uri.authority().map(|a| a.to_string()).unwrap_or_default();
    Endpoint { tls, host, port, authority }
}

fn endpoint(url: &str) -> Result<(Endpoint, String), String> {
    crate::config::check_url(url).map_err(|why| match url.contains('@') {
        // It may hold a password.
        true => format!("the server URL {why}"),
        false => format!("the server URL `{url}` {why}"),
    })?;
    let uri: http::Uri =
        url.parse().map_err(|_| format!("the server URL `{url}` cannot be read"))?;
    let path = uri.path().trim_end_matches('/').to_owned();
    Ok((endpoint_of(&uri), path))
}
