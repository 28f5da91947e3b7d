//! Files and URLs -> a configuration and its documents; and whether they
//! changed. The only place that reads them.

mod source;

pub use source::{Fetched, lookup, read_document_source};

use crate::config::{self, Config};
use crate::openapi::Document;
use crate::problem::{Place, Problem};
use crate::snapshot::{self, ApiReport, Ingredients, Snapshot};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    File(PathBuf),
    /// Made from the command line, or the demo.
    Made(Box<Config>),
}

/// What was read, and every problem in it.
pub struct Read {
    pub config: Option<Config>,
    pub documents: HashMap<String, Document>,
    pub problems: Vec<Problem>,
}

/// The result of reading and building.
pub struct Built {
    pub config: Option<Config>,
    pub snapshot: Option<Snapshot>,
    pub reports: Vec<ApiReport>,
    pub problems: Vec<Problem>,
}

/// Gives the text of a document that is part of the program.
pub type Embedded = fn(&str) -> Option<&'static str>;

/// Reads the configuration and every document it names.
pub fn read(origin: &Origin, embedded: Embedded) -> Read {
    let config = match origin {
        Origin::Made(config) => Ok(*config.clone()),
        Origin::File(path) => read_config(path),
    };
    let config = match config {
        Ok(config) => config,
        Err(problems) => return Read { config: None, documents: HashMap::new(), problems },
    };
    let (mut documents, mut problems) = (HashMap::new(), Vec::new());
    for api in &config.apis {
        match document(&api.openapi, embedded) {
            Ok(document) => {
                documents.insert(api.name.clone(), document);
            }
            Err(problem) => problems.push(problem),
        }
    }
    Read { config: Some(config), documents, problems }
}

fn read_config(path: &std::path::Path) -> Result<Config, Vec<Problem>> {
    let name = path.to_string_lossy();
    let text = std::fs::read_to_string(path).map_err(|e| {
        vec![Problem::error(Place::file(name.clone()), format!("cannot be read: {e}"))]
    })?;
    config::parse(&name, &text, &lookup)
}

fn document(source: &str, embedded: Embedded) -> Result<Document, Problem> {
    let place = |line, column| Place { file: source.to_owned(), line, column };
    let fetched = match embedded(source) {
        Some(text) => Fetched { bytes: text.as_bytes().to_vec(), url: None },
        None => read_document_source(source).map_err(|e| Problem::error(Place::file(source), e))?,
    };
    let value = crate::read::read(fetched.bytes)
        .map_err(|e| Problem::error(place(e.line, e.column), e.message))?;
    Document::new(value, fetched.url).map_err(|e| Problem::error(place(0, 0), e))
}

/// Reads everything and builds a snapshot of it.
pub fn build(
    origin: &Origin,
    embedded: Embedded,
    listeners: Option<&[SocketAddr]>,
    session_key: &Arc<crate::mcp::session::SessionKey>,
    generation: u64,
) -> Built {
    let Read { config, documents, mut problems } = read(origin, embedded);
    let Some(config) = config else {
        return Built { config: None, snapshot: None, reports: Vec::new(), problems };
    };
    let own: Vec<SocketAddr> = config.listeners.iter().map(|l| l.address).collect();
    let unreadable = problems.iter().any(Problem::is_error);
    let (snapshot, reports, more) = snapshot::build(&Ingredients {
        config: &config,
        documents: &documents,
        listeners: listeners.unwrap_or(&own),
        session_key: session_key.clone(),
        generation,
    });
    // A server without tools is no news where its document could not be read.
    problems.extend(more.into_iter().filter(|p| !unreadable || !p.message.starts_with("no tool")));
    let snapshot = snapshot.filter(|_| !unreadable);
    Built { config: Some(config), snapshot, reports, problems }
}

/// The files a configuration depends on, as they are now. Compared to learn
/// whether a reload is due.
pub fn stamps(origin: &Origin, config: &Config) -> Vec<(PathBuf, Option<(SystemTime, u64)>)> {
    let mut files: Vec<PathBuf> = match origin {
        Origin::File(path) => vec![path.clone()],
        Origin::Made(_) => Vec::new(),
    };
    let documents = config.apis.iter().map(|a| &a.openapi).filter(|s| !config::is_url(s));
    files.extend(documents.map(PathBuf::from));
    files
        .into_iter()
        .map(|path| {
            let stamp =
                std::fs::metadata(&path).ok().and_then(|m| Some((m.modified().ok()?, m.len())));
            (path, stamp)
        })
        .collect()
}
