//! Real documents of many providers. They are not part of this repository; a
//! folder `shared/corpus` beside it holds them. Without it there is nothing to
//! try, and these tests say so and pass.

use drawbridge::config::{Api, Config, Server, is_tool_name};
use drawbridge::mcp::session::SessionKey;
use drawbridge::openapi::{Document, bundle, overlay};
use drawbridge::read::read;
use drawbridge::schema::validators::compiles;
use drawbridge::snapshot::{ApiReport, Ingredients, Snapshot, build, definition};
use drawbridge::tool::Tool;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Documents that describe no operation, and so no tool.
const WITHOUT_OPERATIONS: [&str; 3] =
    ["readme-webhooks-31.json", "speakeasy-self-32.yaml", "twilio-iam-scim.yaml"];

/// Fewer would mean that the folder is not what was meant.
const DOCUMENTS_MIN: usize = 70;

/// Of a thousand operations, so many become tools.
const TOOLS_PER_MILLE_MIN: usize = 997;

/// The folder, where there is one.
fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !folder.is_dir() {
        println!("skipped: no corpus");
        return None;
    }
    Some(folder)
}

fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("a file of the corpus");
    if path.extension().is_none_or(|e| e != "gz") {
        return bytes;
    }
    let mut out = Vec::new();
    GzDecoder::new(&bytes[..]).read_to_end(&mut out).expect("gzip");
    out
}

fn is_document(name: &str) -> bool {
    [".json", ".yaml", ".yml"].iter().any(|e| name.trim_end_matches(".gz").ends_with(e))
}

/// Every document by its name, the largest first: they are worked on in parallel.
fn documents(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut out: Vec<(u64, String, PathBuf)> = std::fs::read_dir(folder)
        .expect("the corpus")
        .flatten()
        .filter(|e| is_document(&e.file_name().to_string_lossy()))
        .map(|e| {
            let name = e.file_name().to_string_lossy().trim_end_matches(".gz").to_owned();
            (e.metadata().map_or(0, |m| m.len()), name, e.path())
        })
        .collect();
    out.sort_by_key(|(size, name, path)| {
        let packed = path.extension().is_some_and(|e| e == "gz");
        (std::cmp::Reverse(size * if packed { 10 } else { 1 }), name.clone())
    });
    out.into_iter().map(|(_, name, path)| (name, path)).collect()
}

/// The snapshot of one document; `None` where no tool is left.
fn compiled(document: Document) -> (Option<Snapshot>, ApiReport) {
    let mut api = Api::new("api", "inline");
    api.upstream.urls = vec!["http://api.test".to_owned()];
    let config = Config {
        apis: vec![api],
        servers: vec![Server::of_api("main", "api", "/mcp")],
        ..Config::default()
    };
    let (snapshot, mut reports, problems) = build(&Ingredients {
        config: &config,
        documents: &HashMap::from([("api".to_owned(), document)]),
        listeners: &[],
        session_key: Arc::new(SessionKey::new(b"nobody is served")),
        generation: 1,
    });
    let report = reports.pop().unwrap_or_else(|| panic!("{problems:?}"));
    (snapshot, report)
}

/// What is wrong with a tool that a client would be told of.
fn faults(tool: &Tool) -> Vec<String> {
    let mut wrong = Vec::new();
    let definition: Value = serde_json::from_slice(&definition(tool, true)).expect("JSON");
    let input = &definition["inputSchema"];
    if !is_tool_name(&tool.name) {
        wrong.push("its name".to_owned());
    }
    if input["type"] != "object" {
        wrong.push("its input is no object".to_owned());
    }
    for name in input["properties"].as_object().into_iter().flat_map(|p| p.keys()) {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fine) {
            wrong.push(format!("the argument `{name}`"));
        }
    }
    let full: Value =
        serde_json::from_slice(&tool.arguments.schema.schema().to_vec()).expect("JSON");
    let mut schemas = vec![("input", input), ("whole input", &full)];
    schemas.extend(definition.get("outputSchema").map(|s| ("output", s)));
    if full == *input {
        schemas.remove(1);
    }
    for (which, schema) in schemas {
        if let Err(e) = compiles(schema) {
            wrong.push(format!("its {which} schema: {e}"));
        }
        if schema.to_string().contains("\"x-mcp-header\"") {
            wrong.push(format!("its {which} schema names a header to copy to"));
        }
    }
    wrong.into_iter().map(|w| format!("{}: {w}", tool.name)).collect()
}

#[derive(Default)]
struct Tally {
    operations: usize,
    tools: usize,
    broken: Vec<String>,
    empty: Vec<String>,
}

fn try_document(name: &str, path: &Path, tally: &Mutex<Tally>) {
    let root = read(unpacked(path)).map_err(|e| e.message);
    let document = match root.and_then(|root| Document::new(root, None)) {
        Ok(document) => document,
        Err(e) => return tally.lock().expect("the tally").broken.push(format!("{name}: {e}")),
    };
    let (snapshot, report) = compiled(document);
    let mut broken: Vec<String> = Vec::new();
    for skipped in report.skipped.iter().filter(|s| s.reason.trim().is_empty()) {
        broken.push(format!("{} {} is left out without a reason", skipped.method, skipped.path));
    }
    let tools = snapshot.iter().flat_map(|s| &s.servers[0].tools);
    let mut names = HashSet::new();
    for tool in tools {
        broken.extend(faults(tool));
        if !names.insert(&tool.name) {
            broken.push(format!("two tools are named {}", tool.name));
        }
    }
    if report.tools + report.skipped.len() != report.operations {
        broken.push(format!("{} operations, but {} tools", report.operations, report.tools));
    }
    let mut tally = tally.lock().expect("the tally");
    tally.operations += report.operations;
    tally.tools += report.tools;
    tally.broken.extend(broken.into_iter().map(|b| format!("{name}: {b}")));
    if snapshot.is_none() {
        tally.empty.push(name.to_owned());
    }
}

#[test]
fn real_documents_become_tools() {
    let Some(folder) = corpus() else { return };
    let documents = documents(&folder);
    assert!(documents.len() >= DOCUMENTS_MIN, "only {}", documents.len());
    let (tally, next) = (Mutex::new(Tally::default()), AtomicUsize::new(0));
    let work = || {
        while let Some((name, path)) = documents.get(next.fetch_add(1, Ordering::Relaxed)) {
            try_document(name, path, &tally);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let mut tally = tally.into_inner().expect("the tally");
    tally.empty.sort();
    println!("{} documents, {} of {} operations", documents.len(), tally.tools, tally.operations);
    assert!(tally.broken.is_empty(), "{}", tally.broken.join("\n"));
    assert_eq!(tally.empty, WITHOUT_OPERATIONS, "documents without tools");
    assert!(
        tally.tools * 1000 >= tally.operations * TOOLS_PER_MILLE_MIN,
        "{} of {}",
        tally.tools,
        tally.operations
    );
}

/// The files of a tar archive (POSIX ustar) by their paths.
fn files_of(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    const BLOCK: usize = 512;
    let bytes = unpacked(archive);
    let text = |field: &[u8]| {
        let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
        String::from_utf8_lossy(&field[..end]).trim().to_owned()
    };
    let mut out = BTreeMap::new();
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + BLOCK).filter(|h| h[0] != 0) {
        let size = usize::from_str_radix(&text(&head[124..136]), 8).expect("an octal size");
        let content = &bytes[at + BLOCK..at + BLOCK + size];
        match head[156] {
            b'0' | 0 => {
                let name = text(&head[..100]);
                let prefix =
                    if &head[257..262] == b"ustar" { text(&head[345..500]) } else { String::new() };
                let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
                out.insert(path, content.to_vec());
            }
            b'5' => {}
            other => panic!("an entry of kind {}", char::from(other)),
        }
        at += BLOCK + size.div_ceil(BLOCK) * BLOCK;
    }
    assert!(!out.is_empty(), "an empty archive");
    out
}

#[test]
fn the_official_overlay_sets_give_the_official_outputs() {
    let Some(folder) = corpus() else { return };
    let files = files_of(&folder.join("multifile/overlay-compliant-sets.tar.gz"));
    let value = |path: String| {
        let bytes = files.get(&path).unwrap_or_else(|| panic!("no {path}"));
        read(bytes.clone()).unwrap_or_else(|e| panic!("{path}: {e:?}"))
    };
    let sets: Vec<&str> = files.keys().filter_map(|f| f.strip_suffix("/overlay.yaml")).collect();
    assert_eq!(sets.len(), 8, "{sets:?}");
    for set in sets {
        let mut document = value(format!("{set}/openapi.yaml"));
        let warnings = overlay::apply(&mut document, &value(format!("{set}/overlay.yaml")));
        assert_eq!(warnings, Ok(Vec::new()), "{set}");
        let wanted = value(format!("{set}/output.yaml"));
        assert_eq!(document, wanted, "{set}\n{document:#}\n{wanted:#}");
    }
}

/// Bundles one root of a tree of files and compiles it.
fn bundled(files: &BTreeMap<String, Vec<u8>>, root: &str) -> (bundle::Report, ApiReport) {
    let load = |path: &str| -> Result<Value, String> {
        let bytes = files.get(path).ok_or("no such file")?;
        read(bytes.clone()).map_err(|e| e.message)
    };
    let mut value = load(root).unwrap_or_else(|e| panic!("{root}: {e}"));
    let report = bundle::bundle(&mut value, root, &mut |address| load(address));
    let document = Document::new(value, None).unwrap_or_else(|e| panic!("{root}: {e}"));
    (report, compiled(document).1)
}

fn try_tree(archive: &str, is_root: impl Fn(&str) -> bool, operations_min: usize) {
    let Some(folder) = corpus() else { return };
    let files = files_of(&folder.join("multifile").join(archive));
    let (mut operations, mut others) = (0, 0);
    for root in files.keys().filter(|f| is_root(f)) {
        let (bundle, report) = bundled(&files, root);
        assert!(bundle.unread.is_empty(), "{root}: {:#?}", bundle.unread);
        assert!(report.skipped.is_empty(), "{root}: {:#?}", report.skipped);
        operations += report.operations;
        others += bundle.files.len();
    }
    assert!(operations >= operations_min, "only {operations} operations");
    assert!(others > 0, "no other file was taken in");
}

#[test]
fn a_tree_of_many_small_files_is_bundled() {
    try_tree("cafe-split-32.tar.gz", |f| f == "cafe-split/cafe.yaml", 12);
}

#[test]
fn a_tree_of_many_roots_is_bundled() {
    let is_root = |f: &str| f.starts_with("api/client-server/") && f.matches('/').count() == 2;
    try_tree("matrix-client-server.tar.gz", is_root, 100);
}
