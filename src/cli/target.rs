//! What to load: a configuration file, or one OpenAPI document.

use super::{Exit, complain};
use crate::config::{Api, Config, Server};
use crate::mcp::session::SessionKey;
use crate::reload::{self, Built, Origin};
use crate::snapshot::{Server as ServerSnapshot, Snapshot};
use ring::rand::{SecureRandom, SystemRandom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of every verb that loads something.
#[derive(clap::Args)]
pub struct Target {
    /// The configuration file [default: drawbridge.yaml, where there is one].
    #[arg(short, long, value_name = "FILE", conflicts_with = "openapi")]
    pub config: Option<PathBuf>,
    /// An OpenAPI document, a file or an http(s) URL, instead of a configuration.
    #[arg(long, value_name = "FILE|URL")]
    pub openapi: Option<String>,
    /// The API's base URL [default: the document's first server].
    #[arg(long, value_name = "URL", requires = "openapi")]
    pub upstream: Option<String>,
}

const DEFAULT_FILE: &str = "drawbridge.yaml";

/// What `--openapi demo:bookshop` and the demo load.
pub fn embedded(source: &str) -> Option<&'static str> {
    (source == super::demo::SOURCE).then_some(crate::demo::DOCUMENT)
}

impl Target {
    pub fn origin(&self) -> Result<Origin, Exit> {
        if let Some(openapi) = &self.openapi {
            let mut api = Api::new("api", openapi);
            if let Some(url) = &self.upstream {
                if let Err(why) = crate::config::check_url(url) {
                    complain(&format!("--upstream {url} {why}"));
                    return Err(Exit::Usage);
                }
                api.upstream.urls = vec![url.clone()];
            }
            return Ok(Origin::Made(Box::new(config_of(api))));
        }
        if let Some(path) = &self.config {
            return Ok(Origin::File(path.clone()));
        }
        let path = PathBuf::from(DEFAULT_FILE);
        if path.exists() {
            return Ok(Origin::File(path));
        }
        complain(
            "nothing to load: give -c FILE or --openapi FILE (or run `drawbridge` alone for the demo)",
        );
        Err(Exit::Usage)
    }

    /// Loads everything and hands one server to `show`; tells the problems where
    /// there is nothing to show.
    pub fn with_server(
        &self,
        name: Option<&str>,
        show: impl FnOnce(&Built, &Snapshot, &ServerSnapshot) -> Exit,
    ) -> Exit {
        let built = match self.build() {
            Ok(built) => built,
            Err(exit) => return exit,
        };
        let Some(snapshot) = &built.snapshot else {
            built.problems.iter().for_each(|p| eprintln!("{p}"));
            return Exit::Findings;
        };
        let names: Vec<&str> = snapshot.servers.iter().map(|s| &*s.name).collect();
        let found = match name {
            Some(name) => snapshot.servers.iter().find(|s| *s.name == *name),
            None if names.len() == 1 => snapshot.servers.first(),
            None => None,
        };
        match found {
            Some(server) => show(&built, snapshot, server),
            None => {
                complain(&format!("say which server with --server: {}", names.join(", ")));
                Exit::Usage
            }
        }
    }

    /// Loads everything without listening.
    pub fn build(&self) -> Result<Built, Exit> {
        let origin = self.origin()?;
        let key = Arc::new(SessionKey::new(b"not used: nothing is served"));
        Ok(reload::build(&origin, embedded, None, &key, 1))
    }
}

/// A configuration of one api and one server at /mcp.
pub fn config_of(api: Api) -> Config {
    let server = Server::of_api("main", &api.name, "/mcp");
    let listener = crate::config::Listener {
        address: SocketAddr::from(([127, 0, 0, 1], 8080)),
        tls: None,
        h2c: false,
    };
    Config {
        apis: vec![api],
        servers: vec![server],
        listeners: vec![listener],
        ..Config::default()
    }
}

/// The configured key, or a random one.
pub fn session_key(config: &Config) -> Result<Arc<SessionKey>, Exit> {
    if let Some(secret) = &config.session_key {
        return Ok(Arc::new(SessionKey::new(secret.reveal().as_bytes())));
    }
    let mut bytes = [0; 32];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(Arc::new(SessionKey::new(&bytes))),
        Err(_) => {
            complain("the system gives no random bytes");
            Err(Exit::Unreachable)
        }
    }
}
