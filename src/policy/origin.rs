//! `Host` and `Origin`: protection from DNS rebinding.
//!
//! A page on another site can make a browser send requests to a local port
//! (MCP 2026-07-28, streamable HTTP, "Security & Endpoint": an invalid Origin
//! is answered 403).

use crate::fault::{Class, Fault, Result};
use std::net::SocketAddr;

/// What `Host` and `Origin` may say.
#[derive(Clone, Debug)]
pub struct OriginPolicy {
    /// Lower-case host names without port. Empty: any host, which is right only
    /// behind a listener on a public address that has no names configured.
    hosts: Vec<String>,
    /// Lower-case origins (`https://app.example.com`).
    origins: Vec<String>,
}

const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl OriginPolicy {
    /// `hosts` and `origins` as configured; `listeners` decide what is served
    /// when no hosts are configured.
    pub fn compile(hosts: &[String], origins: &[String], listeners: &[SocketAddr]) -> Self {
        let lower = |l: &[String]| l.iter().map(|s| s.to_ascii_lowercase()).collect::<Vec<_>>();
        let mut hosts: Vec<String> =
            lower(hosts).iter().map(|h| without_port(h).to_owned()).collect();
        if hosts.is_empty() && !listeners.iter().any(|a| a.ip().is_unspecified()) {
            hosts.extend(LOOPBACK_HOSTS.map(str::to_owned));
            for ip in listeners.iter().map(SocketAddr::ip).filter(|ip| !ip.is_loopback()) {
                hosts.push(match ip {
                    std::net::IpAddr::V4(ip) => ip.to_string(),
                    std::net::IpAddr::V6(ip) => format!("[{ip}]"),
                });
            }
        }
        OriginPolicy { hosts, origins: lower(origins) }
    }

    /// `host` is the authority the client named; `origins` all its `Origin`
    /// headers.
    pub fn check<'h>(
        &self,
        host: Option<&str>,
        mut origins: impl Iterator<Item = &'h [u8]>,
    ) -> Result<()> {
        match host {
            Some(host) if self.hosts.is_empty() || self.serves(host) => {}
            _ => {
                return Err(Fault::new(
                    Class::ForbiddenHost,
                    "this server does not answer to that Host; add it to `hosts` of the server",
                ));
            }
        }
        let Some(origin) = origins.next() else { return Ok(()) };
        let second = origins.next();
        let origin = std::str::from_utf8(origin).unwrap_or_default().to_ascii_lowercase();
        if second.is_none() && (self.same_origin(&origin, host) || self.origins.contains(&origin)) {
            return Ok(());
        }
        Err(Fault::new(
            Class::ForbiddenOrigin,
            "this server does not answer pages of that Origin; add it to `origins` of the server",
        ))
    }

    fn serves(&self, host: &str) -> bool {
        let name = without_port(host);
        self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
    }

    /// A page of the very host that was asked, which `serves` let in. Without a
    /// list of hosts that proves nothing: a rebound name is equal too.
    fn same_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let same = authority.zip(host).is_some_and(|(a, h)| a.eq_ignore_ascii_case(h));
        !self.hosts.is_empty() && same
    }
}

/// The host of an authority; an IPv6 literal keeps its brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.is_empty() => {
            if host.contains(':') && !host.ends_with(']') {
                authority
            } else {
                host
            }
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(policy: &OriginPolicy, host: &str, origins: &[&str]) -> &'static str {
        let host = (!host.is_empty()).then_some(host);
        match policy.check(host, origins.iter().map(|o| o.as_bytes())) {
            Ok(()) => "ok",
            Err(f) => f.class.name(),
        }
    }

    #[test]
    fn a_loopback_listener_serves_loopback_names_only() {
        let policy = OriginPolicy::compile(&[], &[], &["127.0.0.1:8080".parse().unwrap()]);
        for (host, origins, want) in [
            ("127.0.0.1:8080", &[][..], "ok"),
            ("localhost:9", &[], "ok"),
            ("LOCALHOST", &[], "ok"),
            ("[::1]:8080", &[], "ok"),
            ("", &[], "forbidden_host"),
            ("evil.example.com", &[], "forbidden_host"),
            ("localhost.evil.com", &[], "forbidden_host"),
            ("127.0.0.1.nip.io", &[], "forbidden_host"),
            ("[::ffff:127.0.0.1]", &[], "forbidden_host"),
            ("127.0.0.1:8080@evil.com", &[], "forbidden_host"),
            ("127.0.0.1:8080", &["http://127.0.0.1:8080"], "ok"),
            ("127.0.0.1:8080", &["http://127.0.0.1:9999"], "forbidden_origin"),
            ("127.0.0.1:8080", &["http://evil.example.com"], "forbidden_origin"),
            ("127.0.0.1:8080", &["null"], "forbidden_origin"),
            (
                "127.0.0.1:8080",
                &["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
                "forbidden_origin",
            ),
        ] {
            assert_eq!(verdict(&policy, host, origins), want, "{host} {origins:?}");
        }
    }

    #[test]
    fn a_listener_serves_its_own_address_and_loopback_names() {
        let addresses = ["192.0.2.7:80", "[2001:db8::7]:80"].map(|a| a.parse().unwrap());
        let policy = OriginPolicy::compile(&[], &[], &addresses);
        for (host, want) in [
            ("192.0.2.7", "ok"),
            ("[2001:db8::7]:80", "ok"),
            ("localhost", "ok"),
            ("192.0.2.8", "forbidden_host"),
            ("evil.example.com", "forbidden_host"),
        ] {
            assert_eq!(verdict(&policy, host, &[]), want, "{host}");
        }
        // One listener on all addresses, and no name is known to be wrong.
        let mixed = ["192.0.2.7:80", "0.0.0.0:81"].map(|a| a.parse().unwrap());
        let policy = OriginPolicy::compile(&[], &[], &mixed);
        assert_eq!(verdict(&policy, "anything.example", &[]), "ok");
        let named = OriginPolicy::compile(&["a.example".to_owned()], &[], &mixed);
        assert_eq!(verdict(&named, "anything.example", &[]), "forbidden_host");
    }

    #[test]
    fn configured_names_and_origins() {
        let all = ["0.0.0.0:443".parse().unwrap()];
        let hosts = ["mcp.example.com".to_owned()];
        let origins = ["https://app.example.com".to_owned()];
        let policy = OriginPolicy::compile(&hosts, &origins, &all);
        assert_eq!(verdict(&policy, "mcp.example.com:443", &["https://APP.example.com"]), "ok");
        assert_eq!(verdict(&policy, "127.0.0.1", &[]), "forbidden_host");
        let open = OriginPolicy::compile(&[], &[], &all);
        assert_eq!(verdict(&open, "anything.example", &[]), "ok");
        assert_eq!(verdict(&open, "evil.example", &["http://evil.example"]), "forbidden_origin");
    }
}
