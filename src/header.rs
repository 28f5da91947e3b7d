//! Which headers of an upstream request an agent or an operator may set.

/// Headers that OpenAPI says are ignored as parameters (3.1, Parameter Object),
/// and those that belong to the connection, to framing or to credentials: they
/// are never an agent's to set.
const RESERVED: [&str; 18] = [
    "accept",
    "content-type",
    "authorization",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-encoding",
    "accept-encoding",
    "cookie",
    "set-cookie",
    "forwarded",
    "http2-settings",
];

/// Names of MCP itself, of proxies and of forwarding are reserved as a whole.
const RESERVED_PREFIXES: [&str; 3] = ["mcp-", "proxy-", "x-forwarded-"];

/// Whether an argument, a configured header or a forwarded one may have this
/// name.
pub fn is_settable(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !RESERVED.contains(&name.as_str()) && !RESERVED_PREFIXES.iter().any(|p| name.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, want) in [
            ("X-Trace", true),
            ("If-Match", true),
            ("Authorization", false),
            ("COOKIE", false),
            ("Mcp-Session-Id", false),
            ("X-Forwarded-For", false),
            ("Proxy-Authorization", false),
        ] {
            assert_eq!(is_settable(name), want, "{name}");
        }
    }
}
