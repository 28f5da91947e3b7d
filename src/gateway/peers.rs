//! Upstreams -> Pingora peers, built when a snapshot is loaded.

use super::idle::{IDLE_MAX, Idle};
use crate::config::{Http2, Upstream as Settings};
use crate::policy::address::is_public;
use crate::problem::{Place, Problem};
use crate::snapshot::{Endpoint, Upstream};
use http::HeaderValue;
use pingora::prelude::HttpPeer;
use pingora_core::protocols::tls::CaType;
use pingora_core::upstreams::peer::{HttpUpstreamRequestPolicy, Peer as _};
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Keys of unpooled connections, taken in turn: Pingora keeps a connection for
/// the moment until it closes it, and the keys it has seen for ever.
const UNPOOLED_KEYS: usize = 256;
static UNPOOLED_TURN: AtomicUsize = AtomicUsize::new(0);

/// HTTP/2 streams on one upstream connection.
const H2_STREAMS_MAX: usize = 100;

/// The peers of one upstream.
pub struct Peers {
    list: Vec<Peer>,
    next: AtomicUsize,
    /// The hot path knows HTTP/1 only.
    pub http1_only: bool,
    /// Set once an answer came compressed, which was not asked for.
    pub compresses: AtomicBool,
}

pub struct Peer {
    pub peer: HttpPeer,
    /// The value of `Host`.
    pub authority: HeaderValue,
    pub tls: bool,
    /// Connections of HTTP/1 for calls that are read whole.
    pub idle: Arc<Idle>,
}

impl Peers {
    /// The next peer in turn; `None` when no name could be resolved.
    pub fn pick(&self) -> Option<&Peer> {
        self.pick_index().and_then(|i| self.at(i))
    }

    /// The same, by its index.
    pub fn pick_index(&self) -> Option<usize> {
        match self.list.len() {
            0 => None,
            1 => Some(0),
            n => Some(self.next.fetch_add(1, Ordering::Relaxed) % n),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.list.iter()
    }

    /// Takes over the connections of the same addresses.
    pub fn inherit(&mut self, before: &[Peers]) {
        for peer in &mut self.list {
            let same = |other: &&Peer| other.peer.reuse_hash() == peer.peer.reuse_hash();
            if let Some(other) = before.iter().flat_map(Peers::iter).find(same) {
                peer.idle = other.idle.clone();
            }
        }
    }

    pub fn at(&self, index: usize) -> Option<&Peer> {
        self.list.get(index)
    }
}

impl Peer {
    /// The same without its pool: for the retry after a pooled connection turned
    /// out dead, since the others may be as dead.
    pub fn unpooled(&self) -> Box<HttpPeer> {
        let turn = UNPOOLED_TURN.fetch_add(1, Ordering::Relaxed) % UNPOOLED_KEYS;
        let mut peer = Box::new(self.peer.clone());
        peer.group_key = group(&("unpooled", turn, self.peer.group_key));
        peer.options.idle_timeout = Some(Duration::ZERO);
        peer
    }
}

/// Builds the peers of all upstreams. A name that cannot be resolved is a
/// warning: its calls fail with a clear result until a reload finds it.
pub fn load_peers(upstreams: &[Upstream]) -> (Vec<Peers>, Vec<Problem>) {
    let mut problems = Vec::new();
    let peers = upstreams.iter().map(|u| build(u, &mut problems)).collect();
    (peers, problems)
}

fn build(upstream: &Upstream, problems: &mut Vec<Problem>) -> Peers {
    let mut list = Vec::new();
    let ca = upstream.settings.tls.ca.as_ref().and_then(|path| match load_ca(path) {
        Ok(ca) => Some(ca),
        Err(e) => {
            let place = Place::file(path.to_string_lossy());
            problems.push(Problem::error(place, format!("cannot be used as `tls.ca`: {e}")));
            None
        }
    });
    // Asked where it matters only: whether the document itself is from this network.
    let near = |named_by: &Endpoint| {
        resolve(named_by).is_ok_and(|all| all.iter().any(|a| !is_public(a.ip())))
    };
    for endpoint in &upstream.endpoints {
        let resolved = resolve(endpoint);
        if let (Some(named_by), Ok(all)) = (&upstream.named_by, &resolved)
            && all.iter().any(|a| !is_public(a.ip()))
            && !near(named_by)
        {
            let place = Place::file(format!("api {}", upstream.api));
            let message = format!(
                "the server {} is at an address of this network, and only a document from elsewhere names it",
                endpoint.authority
            );
            let hint = "name it in `upstream.urls` if calls may go there";
            problems.push(Problem::error(place, message).hint(hint));
            continue;
        }
        let first = resolved.and_then(|all| {
            let none = || std::io::Error::other("the name has no address");
            all.first().copied().ok_or_else(none)
        });
        match first {
            Ok(address) => list.extend(peer(endpoint, address, &upstream.settings, ca.clone())),
            Err(e) => {
                let place = Place::file(format!("api {}", upstream.api));
                let message =
                    format!("the upstream {} cannot be resolved: {e}", endpoint.authority);
                problems.push(Problem::warning(place, message));
            }
        }
    }
    let http1_only = upstream.settings.http2 == Http2::Never
        || (upstream.settings.http2 == Http2::Auto && list.iter().all(|p| !p.tls));
    Peers { list, next: AtomicUsize::new(0), http1_only, compresses: AtomicBool::new(false) }
}

/// All addresses of a name, the one to use first.
fn resolve(endpoint: &Endpoint) -> std::io::Result<Vec<SocketAddr>> {
    let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
    let mut addresses: Vec<SocketAddr> = (host, endpoint.port).to_socket_addrs()?.collect();
    // Loopback servers listen on IPv4 more often than not.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

fn peer(
    endpoint: &Endpoint,
    address: SocketAddr,
    settings: &Settings,
    ca: Option<Arc<CaType>>,
) -> Option<Peer> {
    let host = endpoint.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = settings.tls.server_name.clone().unwrap_or(host);
    let mut peer = HttpPeer::new(address, endpoint.tls, name);
    let options = &mut peer.options;
    options.connection_timeout = Some(settings.connect_timeout);
    // TLS takes a few round trips more.
    options.total_connection_timeout = Some(settings.connect_timeout * 3);
    options.read_timeout = Some(settings.timeout);
    options.write_timeout = Some(settings.timeout);
    options.idle_timeout = Some(IDLE_MAX);
    options.verify_cert = settings.tls.verify;
    options.verify_hostname = settings.tls.verify;
    options.max_h2_streams = H2_STREAMS_MAX;
    // Nothing of a client's request is passed on, so nothing is to be taken out of it.
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
    match (settings.http2, endpoint.tls) {
        (Http2::Never, _) | (Http2::Auto, false) => options.set_http_version(1, 1),
        (Http2::Auto, true) => options.set_http_version(2, 1),
        (Http2::Always, _) => options.set_http_version(2, 2),
    }
    // What else connections must not be shared over: neither the authorities nor
    // the version is part of the pool's key by itself.
    let authorities =
        ca.iter().flat_map(|ca| ca.iter()).map(|certificate| certificate.borrow_raw_cert());
    peer.group_key = group(&(settings.http2 as u8, authorities.collect::<Vec<_>>()));
    peer.options.ca = ca;
    let authority = HeaderValue::from_str(&endpoint.authority).ok()?;
    Some(Peer { peer, authority, tls: endpoint.tls, idle: Arc::default() })
}

fn group(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn load_ca(path: &std::path::Path) -> Result<Arc<CaType>, String> {
    use pingora_core::tls::{RootCertStore, load_ca_file_into_store};
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    // Pingora's own wrapper panics on a bad certificate; this says what is bad.
    load_ca_file_into_store(path, &mut RootCertStore::empty()).map_err(|e| e.to_string())?;
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())?.collect();
    let certificates = certificates.map_err(|e| e.to_string())?;
    if certificates.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(certificates
        .into_iter()
        .map(|der| WrappedX509::new(der.as_ref().to_vec(), parse_x509))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UpstreamTls;

    fn one(http2: Http2, url: &str, ca: Option<&str>) -> Peers {
        let tls = url == "https";
        let settings = Settings {
            urls: Vec::new(),
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            http2,
            tls: UpstreamTls { ca: ca.map(Into::into), verify: true, server_name: None },
        };
        let (host, authority) = ("127.0.0.1".to_owned(), "127.0.0.1:9".to_owned());
        let endpoints = vec![Endpoint { tls, host, port: 9, authority }];
        let upstream = Upstream { api: "a".to_owned(), endpoints, named_by: None, settings };
        let (mut peers, problems) = load_peers(&[upstream]);
        assert!(problems.is_empty(), "{problems:?}");
        peers.remove(0)
    }

    #[test]
    fn connections_are_inherited_by_what_would_have_opened_them() {
        let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/ca.pem");
        let before = [one(Http2::Auto, "http", None), one(Http2::Auto, "https", None)];
        for (mut peers, from) in [
            (one(Http2::Auto, "http", None), Some(0)),
            (one(Http2::Auto, "https", None), Some(1)),
            (one(Http2::Always, "http", None), None),
            (one(Http2::Never, "https", None), None),
            (one(Http2::Auto, "https", Some(conf)), None),
        ] {
            peers.inherit(&before);
            let same = |other: &Peers| Arc::ptr_eq(&peers.list[0].idle, &other.list[0].idle);
            assert_eq!(before.iter().position(same), from);
        }
    }

    #[test]
    fn a_document_from_elsewhere_does_not_lead_into_this_network() {
        let endpoint = |host: &str| Endpoint {
            tls: false,
            host: host.to_owned(),
            port: 9,
            authority: format!("{host}:9"),
        };
        let (far, near) = ("93.184.216.34", "127.0.0.1");
        for (named_by, host, refused) in [
            (Some(far), "127.0.0.1", true),
            (Some(far), "0177.0.0.1", true),
            (Some(far), "0x7f.1", true),
            (Some(far), "2130706433", true),
            (Some(far), "0.0.0.0", true),
            (Some(far), "169.254.169.254", true),
            (Some(far), "10.1.2.3", true),
            (Some(far), "[::1]", true),
            (Some(far), "[::ffff:127.0.0.1]", true),
            (Some(far), "localhost", true),
            (Some(far), "1.1.1.1", false),
            (Some(near), "127.0.0.1", false),
            (Some(near), "10.1.2.3", false),
            (None, "127.0.0.1", false),
        ] {
            let upstream = Upstream {
                api: "a".to_owned(),
                endpoints: vec![endpoint(host)],
                named_by: named_by.map(endpoint),
                settings: crate::config::Api::new("a", "x").upstream,
            };
            let (peers, problems) = load_peers(&[upstream]);
            assert_eq!(peers[0].is_empty(), refused, "{named_by:?} {host}: {problems:?}");
            assert_eq!(problems.iter().any(Problem::is_error), refused, "{named_by:?} {host}");
        }
    }
}
