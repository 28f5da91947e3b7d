//! Files and URLs -> a configuration and its documents; and whether they
//! changed. The only place that reads them.

mod fetch;
mod source;
mod watched;

pub use watched::Watched;

use source::read_document_source;

use crate::config::{self, Api, Config};
use crate::openapi::{Document, bundle, overlay};
use crate::problem::{Place, Problem};
use crate::snapshot::{self, ApiReport, Ingredients, Snapshot};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    File(PathBuf),
    /// Made from the command line, or the demo.
    Made(Box<Config>),
}

/// What was read, and every problem in it.
#[derive(Default)]
pub struct Read {
    pub config: Option<Config>,
    pub documents: HashMap<String, Document>,
    pub problems: Vec<Problem>,
    /// Every file it depends on.
    pub files: Watched,
}

/// The result of reading and building.
pub struct Built {
    pub config: Option<Config>,
    pub snapshot: Option<Snapshot>,
    pub reports: Vec<ApiReport>,
    pub problems: Vec<Problem>,
    /// Every file it depends on.
    pub files: Watched,
}

/// Gives the text of a document that is part of the program.
pub type Embedded = fn(&str) -> Option<&'static str>;

/// Reads the configuration and every document it names.
pub fn read(origin: &Origin, embedded: Embedded) -> Read {
    let mut read = Read::default();
    let config = match origin {
        Origin::Made(config) => Ok(*config.clone()),
        Origin::File(path) => {
            read.files.add(path);
            read_config(path)
        }
    };
    match config {
        Ok(config) => {
            for api in &config.apis {
                match document(api, embedded, &mut read) {
                    Ok(document) => {
                        read.documents.insert(api.name.clone(), document);
                    }
                    Err(problem) => read.problems.push(problem),
                }
            }
            read.config = Some(config);
        }
        Err(problems) => read.problems = problems,
    }
    read
}

fn read_config(path: &std::path::Path) -> Result<Config, Vec<Problem>> {
    let name = path.to_string_lossy();
    let text = std::fs::read_to_string(path).map_err(|e| {
        vec![Problem::error(Place::file(name.clone()), format!("cannot be read: {e}"))]
    })?;
    let base = path.parent().unwrap_or(std::path::Path::new(""));
    config::parse(&name, &text, &|name| source::lookup(base, name))
}

/// Reads a document, takes its other files in and applies its overlays.
fn document(api: &Api, embedded: Embedded, read: &mut Read) -> Result<Document, Problem> {
    let source = api.openapi.as_str();
    let local = api.overlays.iter().chain([&api.openapi]).filter(|s| !config::is_url(s));
    local.for_each(|file| read.files.add(file));
    let (mut value, url) = match embedded(source) {
        Some(text) => (parsed(source, text.as_bytes().to_vec())?, None),
        None => value_of(source)?,
    };
    for overlay in &api.overlays {
        let (actions, _) = value_of(overlay)?;
        let warnings = overlay::apply(&mut value, &actions)
            .map_err(|e| Problem::error(Place::file(overlay), e))?;
        let told = warnings.into_iter().map(|w| Problem::warning(Place::file(overlay), w));
        read.problems.extend(told);
    }
    let mut allowed = source::Allowed::new(source, &api.references);
    let mut others = Watched::default();
    let report = bundle::bundle(&mut value, source, &mut |address| {
        let mut one = Watched::default();
        one.add(address);
        let value = allowed.fetch(address)?;
        if !config::is_url(address) {
            others.join(one);
        }
        Ok(value)
    });
    read.files.join(others);
    let unread = report.unread.into_iter().map(|reference| {
        Problem::warning(Place::file(source), format!("a reference cannot be read: {reference}"))
    });
    read.problems.extend(unread);
    let mut document =
        Document::new(value, url).map_err(|e| Problem::error(Place::file(source), e))?;
    document.files = report.files;
    Ok(document)
}

/// A file's or URL's value, and the URL if it is one.
fn value_of(source: &str) -> Result<(serde_json::Value, Option<String>), Problem> {
    let fetched =
        read_document_source(source).map_err(|e| Problem::error(Place::file(source), e))?;
    Ok((parsed(source, fetched.bytes)?, fetched.url))
}

fn parsed(source: &str, bytes: Vec<u8>) -> Result<serde_json::Value, Problem> {
    crate::read::read(bytes).map_err(|e| {
        let place = Place { file: source.to_owned(), line: e.line, column: e.column };
        Problem::error(place, e.message)
    })
}

/// Reads everything and builds a snapshot of it.
pub fn build(
    origin: &Origin,
    embedded: Embedded,
    listeners: Option<&[SocketAddr]>,
    session_key: &Arc<crate::mcp::session::SessionKey>,
    generation: u64,
) -> Built {
    let Read { config, documents, mut problems, files } = read(origin, embedded);
    let Some(config) = config else {
        return Built { config: None, snapshot: None, reports: Vec::new(), problems, files };
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
    Built { config: Some(config), snapshot, reports, problems, files }
}
