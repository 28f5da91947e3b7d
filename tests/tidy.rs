//! The house's own rules. Each list of exceptions only shrinks.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files below a folder with an ending, as `(path from the root, text)`.
fn files(folder: &str, ending: &str) -> BTreeMap<String, String> {
    fn walk(folder: &Path, ending: &str, out: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("node_modules") && !path.ends_with(".cache") {
                    walk(&path, ending, out);
                }
            } else if path.to_string_lossy().ends_with(ending) {
                let name = path.strip_prefix(root()).unwrap_or(&path);
                out.insert(name.to_string_lossy().into_owned(), read(&path));
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(&root().join(folder), ending, &mut out);
    out
}

/// The part of a source file that is not tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("tests.rs")
}

/// The source files that make the product, without their tests.
fn sources() -> impl Iterator<Item = (String, String)> {
    files("src", ".rs")
        .into_iter()
        .filter(|(path, _)| !is_test_file(path))
        .map(|(path, text)| (path, product(&text).to_owned()))
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn fail_on(broken: Vec<String>, rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// The layers, top to bottom: the `mod` lines of lib.rs.
fn layers() -> Vec<String> {
    read(&root().join("src/lib.rs"))
        .lines()
        .filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned))
        .collect()
}

#[test]
fn a_module_imports_only_from_those_below_it() {
    let layers = layers();
    assert!(layers.len() > 10, "lib.rs lists the layers");
    let position = |name: &str| layers.iter().position(|l| l == name);
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let module = path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        let Some(own) = position(module) else { continue };
        for (n, line) in code_lines(&text) {
            for used in line.split("crate::").skip(1) {
                let used = used
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap_or_default();
                if position(used).is_some_and(|other| other < own) {
                    broken.push(format!("{path}:{n}: {module} uses {used}"));
                }
            }
        }
    }
    fail_on(broken, "imports point downward");
}

#[test]
fn what_is_confined_stays_where_it_is() {
    // What, and the only places that may hold it.
    let confined: [(&str, &[&str]); 5] = [
        ("pingora", &["src/gateway/", "src/admin.rs"]),
        ("ureq::", &["src/reload/", "src/cli/call.rs"]),
        ("std::fs", &["src/reload/"]),
        ("println!", &["src/cli/"]),
        ("std::env::", &["src/reload/", "src/cli/"]),
    ];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        for (n, line) in code_lines(&text) {
            for (what, places) in &confined {
                if line.contains(what)
                    && !places.iter().any(|p| path.starts_with(p))
                    && !line.contains('"')
                {
                    broken.push(format!("{path}:{n}: {}", line.trim()));
                }
            }
        }
    }
    fail_on(broken, "pingora, files, network and printing have their places");
}

#[test]
fn the_middle_is_pure() {
    let impure = [
        ".await",
        "async fn",
        "tokio::",
        "Instant::now",
        "SystemTime::now",
        "std::net::Tcp",
        "std::thread",
    ];
    let middle = [
        "exchange", "snapshot", "tool", "policy", "mcp", "jsonrpc", "openapi", "schema", "config",
        "demo", "read",
    ];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        let module = path.trim_start_matches("src/").split(['/', '.']).next().unwrap_or_default();
        if !middle.contains(&module) {
            continue;
        }
        for (n, line) in code_lines(&text) {
            if impure.iter().any(|w| line.contains(w)) {
                broken.push(format!("{path}:{n}: {}", line.trim()));
            }
        }
    }
    fail_on(broken, "the middle has no socket, clock, file or await");
}

#[test]
fn nothing_panics_on_purpose() {
    // A constant metric that cannot be registered.
    let excepted = ["src/observe/metrics.rs"];
    let words = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!(", "unreachable!("];
    let mut broken = Vec::new();
    for (path, text) in sources() {
        if excepted.contains(&path.as_str()) {
            continue;
        }
        for (n, line) in code_lines(&text) {
            if words.iter().any(|w| line.contains(w)) {
                broken.push(format!("{path}:{n}: {}", line.trim()));
            }
        }
    }
    fail_on(broken, "no unwrap, expect or panic outside tests");
}

#[test]
fn every_file_says_its_job_and_stays_small() {
    const LINES_MAX: usize = 400;
    let mut broken = Vec::new();
    for (path, text) in files("src", ".rs").into_iter().chain(files("tests", ".rs")) {
        if !text.starts_with("//!") {
            broken.push(format!("{path} does not begin with //!"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            broken.push(format!("{path} has {lines} lines"));
        }
        for word in ["TODO", "FIXME", "XXX", "#[ignore"] {
            if !path.ends_with("tidy.rs") && text.contains(word) {
                broken.push(format!("{path} holds {word}"));
            }
        }
    }
    fail_on(broken, "files");
}

#[test]
fn no_module_is_named_after_nothing() {
    let vague = ["utils", "util", "common", "helpers", "types", "manager", "misc"];
    let broken = files("src", ".rs")
        .into_keys()
        .filter(|path| {
            vague
                .iter()
                .any(|v| path.contains(&format!("/{v}.rs")) || path.contains(&format!("/{v}/")))
        })
        .collect();
    fail_on(broken, "names say what a thing is");
}

/// Words in quotes on lines of a source file that hold a marker.
fn quoted_after(text: &str, markers: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    for marker in markers {
        for part in text.split(marker).skip(1) {
            let part = part.trim_start();
            if let Some(rest) = part.strip_prefix('"') {
                out.extend(rest.split('"').next().map(str::to_owned));
            }
        }
    }
    out
}

fn docs() -> String {
    files("docs", ".md").into_values().collect::<Vec<_>>().join("\n")
}

#[test]
fn every_fault_metric_and_configuration_key_is_in_the_docs() {
    let docs = docs();
    let mut broken = Vec::new();
    for class in drawbridge::fault::Class::ALL {
        if !docs.contains(&format!("`{}`", class.name())) {
            broken.push(format!("fault {}", class.name()));
        }
    }
    let metrics = read(&root().join("src/observe/metrics.rs"));
    for name in metrics.split('"').filter(|w| w.starts_with("drawbridge_")) {
        if !docs.contains(name) {
            broken.push(format!("metric {name}"));
        }
    }
    let schema: serde_json::Value = serde_json::from_str(drawbridge::config::SCHEMA).unwrap();
    let schema = schema.to_string();
    let ways = [
        ".take(",
        ".text(",
        ".texts(",
        ".text_map(&mut f, ",
        ".text_map(",
        ".boolean(",
        ".duration(",
        ".duration_or_zero(",
        ".bytes(",
        ".address(",
        ".path(",
        ".choice(",
        ".secret(",
        ".integer(",
        "selectors(&mut f, ",
    ];
    for (path, text) in files("src/config", ".rs") {
        if is_test_file(&path) {
            continue;
        }
        for key in quoted_after(product(&text), &ways) {
            if !docs.contains(&format!("`{key}`")) {
                broken.push(format!("configuration key {key} ({path}) in docs/"));
            }
            if !schema.contains(&format!("\"{key}\"")) {
                broken.push(format!("configuration key {key} ({path}) in src/config/schema.json"));
            }
        }
    }
    fail_on(broken, "what is not in the docs does not exist");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut broken = Vec::new();
    let pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .map(|p| (p.to_owned(), read(&root().join(p))));
    for (path, text) in pages.into_iter().chain(files("docs", ".md")) {
        for link in text.split("](").skip(1).filter_map(|l| l.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let target = root().join(&path).parent().unwrap().join(link);
            if !target.exists() {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    fail_on(broken, "links");
}

#[test]
fn every_row_of_support_names_its_test() {
    let text = read(&root().join("docs/openapi.md"));
    let table = text.split("## What is supported").nth(1).expect("the table");
    let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 30, "the table is there: {}", rows.len());
    let mut broken = Vec::new();
    for row in rows {
        let cell = row.rsplit('|').nth(1).unwrap_or_default();
        let mut tests = cell.split('`').skip(1).step_by(2).peekable();
        if tests.peek().is_none() || !tests.all(|t| root().join(t).exists()) {
            broken.push(row.to_owned());
        }
    }
    fail_on(broken, "what is said to be supported names a test");
}

#[test]
fn architecture_is_short_and_names_every_layer() {
    let text = read(&root().join("ARCHITECTURE.md"));
    assert!(text.lines().count() < 200, "ARCHITECTURE.md is under 200 lines");
    let broken = layers().into_iter().filter(|l| !text.contains(&format!("`{l}`"))).collect();
    fail_on(broken, "ARCHITECTURE.md names every layer");
}
