//! Configured headers, and names of headers.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of every request: the program's name, and what is configured.
pub fn headers(configured: &[(String, String)]) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let agent = concat!("drawbridge/", env!("CARGO_PKG_VERSION"));
    let mut map = HeaderMap::new();
    map.insert(http::header::USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in configured.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("accept")) {
        let unusable = || format!("the configured header `{name}` cannot be sent");
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
        value.set_sensitive(true);
        map.insert(header, value);
    }
    Ok(map.iter().map(|(n, v)| (n.clone(), v.clone())).collect())
}

/// Names as headers have them; others are none.
pub fn header_names(names: &[String]) -> Vec<HeaderName> {
    names.iter().filter_map(|n| HeaderName::from_bytes(n.as_bytes()).ok()).collect()
}
