//! Fetching a document from a URL: bounded in bytes, time and redirects, and not led
//! into this network by somebody outside it.

use crate::config::is_url;
use crate::policy::address::is_public;
use crate::read::DOCUMENT_BYTES_MAX;
use crate::secret::without_userinfo;
use std::io::{Error as IoError, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// All of it, redirects included.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

const REDIRECTS_MAX: usize = 3;

/// Fetches a URL. Where it redirects, `allowed` is asked about each next one, and a
/// server of the public internet cannot lead to an address of this network.
pub fn fetch(url: &str, allowed: &dyn Fn(&str) -> bool) -> Result<Vec<u8>, String> {
    let failed =
        |e: ureq::Error| format!("cannot be fetched: {}", without_userinfo(&e.to_string()));
    let begun = Instant::now();
    let public_only = Arc::new(AtomicBool::new(false));
    let resolver = Guarded { inner: DefaultResolver::default(), public_only: public_only.clone() };
    let config = Agent::config_builder()
        .max_redirects(0)
        // A proxy would resolve names in our place.
        .proxy(None)
        .user_agent(concat!("drawbridge/", env!("CARGO_PKG_VERSION")))
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
    let mut next = url.to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let left = FETCH_TIMEOUT.saturating_sub(begun.elapsed());
        let request = agent.get(&next).config().timeout_global(Some(left)).build();
        let mut response = request.call().map_err(failed)?;
        if !response.status().is_redirection() {
            let body = response.body_mut().with_config().limit(DOCUMENT_BYTES_MAX as u64 + 1);
            return body.read_to_vec().map_err(failed);
        }
        let location = response.headers().get("location").and_then(|v| v.to_str().ok());
        let location = location.ok_or("redirects to nowhere")?;
        let target = crate::openapi::bundle::join(&next, location);
        let downgraded = next.starts_with("https:") && !target.starts_with("https:");
        if !is_url(&target) || downgraded || !allowed(&target) {
            let shown: String = target.chars().take(200).collect();
            return Err(format!(
                "redirects to {}, which is not followed",
                without_userinfo(&shown)
            ));
        }
        next = target;
    }
    Err(format!("redirects more than {REDIRECTS_MAX} times"))
}

/// The system's resolver. The first name decides whether the next ones must be of
/// the public internet; connections go to the addresses that were looked at.
#[derive(Debug)]
struct Guarded {
    inner: DefaultResolver,
    public_only: Arc<AtomicBool>,
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let all = self.inner.resolve(uri, config, timeout)?;
        let is_near = all.iter().any(|a| !is_public(a.ip()));
        if self.public_only.load(Ordering::Relaxed) && is_near {
            let why = "it redirects to an address of this network";
            return Err(ureq::Error::Io(IoError::new(ErrorKind::PermissionDenied, why)));
        }
        self.public_only.store(!is_near, Ordering::Relaxed);
        Ok(all)
    }
}
