//! Reading a map of the configuration field by field, so that every problem is
//! told, an unknown key with the nearest known one.

use super::tree::{At, Kind, Node};
use super::units;
use crate::problem::{Place, Problem, nearest};
use crate::secret::Secret;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gives what the inside of `${...}` stands for: an environment variable, or
/// the content of a file for `file:PATH`.
pub type Lookup<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

pub struct Reader<'a> {
    file: &'a str,
    lookup: &'a Lookup<'a>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub fn new(file: &'a str, lookup: &'a Lookup<'a>) -> Self {
        Reader { file, lookup, problems: Vec::new() }
    }

    pub fn finish(self) -> Vec<Problem> {
        self.problems
    }

    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub fn error(&mut self, at: At, message: impl Into<String>, hint: Option<&str>) {
        let place = self.place(at);
        let mut problem = Problem::error(place, message);
        problem.hint = hint.map(str::to_owned);
        self.problems.push(problem);
    }

    pub fn place(&self, at: At) -> Place {
        Place { file: self.file.to_owned(), line: at.line, column: at.column }
    }

    /// A path as the file means it: relative to the file's directory.
    pub fn beside_file(&self, path: &str) -> PathBuf {
        Path::new(self.file).parent().unwrap_or(Path::new("")).join(path)
    }

    /// Text with every `${...}` filled in.
    fn fill(&mut self, at: At, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let after = &rest[start + 2..];
            let Some(end) = after.find('}') else {
                self.error(at, "`${` without its `}`", None);
                return None;
            };
            match (self.lookup)(&after[..end]) {
                Ok(value) => out.push_str(&value),
                Err(why) => {
                    self.error(at, why, None);
                    return None;
                }
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Some(out)
    }
}

/// The members of one map that nobody has asked for yet.
pub struct Fields<'n> {
    /// `apis.orders`, for messages.
    path: String,
    place: At,
    members: Vec<(&'n super::tree::Key, &'n Node, bool)>,
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub fn of(node: &'n Node, path: impl Into<String>, r: &mut Reader<'_>) -> Option<Self> {
        let path = path.into();
        let Some(members) = node.as_map() else {
            let name = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
            r.error(node.place, format!("{name} must be a map, not {}", node.describe()), None);
            return None;
        };
        let members = members.iter().map(|(k, v)| (k, v, false)).collect();
        Some(Fields { path, place: node.place, members, asked: Vec::new() })
    }

    /// The value of a key, which is then known.
    pub fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        let (_, node, taken) = self.members.iter_mut().find(|(k, _, _)| k.text == key)?;
        *taken = true;
        match node.kind {
            Kind::Null => None,
            _ => Some(node),
        }
    }

    /// Tells that a key is missing, unless it is there and was told wrong.
    pub fn require(&self, key: &'static str, r: &mut Reader<'_>) {
        if !self.members.iter().any(|(k, _, _)| k.text == key) {
            r.error(self.place, format!("`{}` is missing", self.name(key)), None);
        }
    }

    /// Tells every key that nobody asked for.
    pub fn finish(self, r: &mut Reader<'_>) {
        for (key, _, _) in self.members.iter().filter(|(_, _, taken)| !taken) {
            let hint = match nearest(&key.text, self.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            let message = format!("unknown key `{}`", self.name(&key.text));
            r.error(key.place, message, Some(&hint));
        }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong(&self, node: &Node, key: &str, want: &str, r: &mut Reader<'_>) {
        let message = format!("`{}` must be {want}, not {}", self.name(key), node.describe());
        r.error(node.place, message, None);
    }

    pub fn text(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<String> {
        let node = self.take(key)?;
        match &node.kind {
            Kind::Text(s) => r.fill(node.place, s),
            Kind::Integer(n) => Some(n.to_string()),
            Kind::Float(n) => Some(n.to_string()),
            _ => {
                self.wrong(node, key, "text", r);
                None
            }
        }
    }

    pub fn texts(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<Vec<String>> {
        let node = self.take(key)?;
        let Some(items) = node.as_list() else {
            self.wrong(node, key, "a list of texts", r);
            return None;
        };
        let mut out = Vec::new();
        for item in items {
            match item.as_text() {
                Some(text) => out.extend(r.fill(item.place, text)),
                None => self.wrong(item, key, "a list of texts", r),
            }
        }
        Some(out)
    }

    /// A map of texts, in its order.
    pub fn text_map(&mut self, key: &'static str, r: &mut Reader<'_>) -> Vec<(String, String)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let Some(members) = node.as_map() else {
            self.wrong(node, key, "a map of texts", r);
            return Vec::new();
        };
        let mut out = Vec::new();
        for (k, v) in members {
            match v.as_text().map(str::to_owned).or(v.as_integer().map(|n| n.to_string())) {
                Some(text) => out.extend(r.fill(v.place, &text).map(|t| (k.text.clone(), t))),
                None => self.wrong(v, &k.text, "text", r),
            }
        }
        out
    }

    pub fn boolean(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<bool> {
        let node = self.take(key)?;
        match node.kind {
            Kind::Bool(b) => Some(b),
            _ => {
                self.wrong(node, key, "true or false", r);
                None
            }
        }
    }

    pub fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
        r: &mut Reader<'_>,
    ) -> Option<usize> {
        let node = self.take(key)?;
        match node.as_integer().and_then(|n| usize::try_from(n).ok()).filter(|n| range.contains(n))
        {
            Some(n) => Some(n),
            None => {
                let message = format!(
                    "`{}` must be a whole number from {} to {}",
                    self.name(key),
                    range.start(),
                    range.end()
                );
                r.error(node.place, message, None);
                None
            }
        }
    }

    pub fn duration(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<Duration> {
        let positive = |text: &str| units::duration(text).filter(|d| !d.is_zero());
        self.unit(key, "a time above zero such as 500ms, 10s or 5m", positive, r)
    }

    pub fn duration_or_zero(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<Duration> {
        self.unit(key, "a time such as 0s, 10s or 5m", units::duration, r)
    }

    pub fn bytes(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<usize> {
        self.unit(key, "a size such as 64KiB or 8MiB", units::bytes, r)
    }

    fn unit<T>(
        &mut self,
        key: &'static str,
        want: &str,
        parse: impl Fn(&str) -> Option<T>,
        r: &mut Reader<'_>,
    ) -> Option<T> {
        let node = self.take(key)?;
        let parsed = node.as_text().and_then(&parse);
        if parsed.is_none() {
            r.error(node.place, format!("`{}` must be {want}", self.name(key)), None);
        }
        parsed
    }

    pub fn address(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<SocketAddr> {
        let node = self.take(key)?;
        let text = r.fill(node.place, node.as_text().unwrap_or_default())?;
        match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let message = format!("`{}` must be an address and a port", self.name(key));
                r.error(node.place, message, Some("such as 127.0.0.1:8080 or [::]:8080"));
                None
            }
        }
    }

    /// A path, relative to the file's directory.
    pub fn path(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<PathBuf> {
        self.text(key, r).map(|p| r.beside_file(&p))
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        r: &mut Reader<'_>,
    ) -> Option<T> {
        let node = self.take(key)?;
        let written = node.as_text().unwrap_or_default();
        let found = choices.iter().find(|(word, _)| *word == written);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(w, _)| *w).collect();
            let message = format!("`{}` must be one of: {}", self.name(key), words.join(", "));
            let hint = nearest(written, words).map(|w| format!("did you mean `{w}`?"));
            r.error(node.place, message, hint.as_deref());
        }
        found.map(|(_, value)| *value)
    }

    /// A credential, which only ever stands in the environment or in a file of
    /// its own.
    pub fn secret(&mut self, key: &'static str, r: &mut Reader<'_>) -> Option<Secret> {
        let node = self.take(key)?;
        let text = node.as_text().unwrap_or_default();
        if !text.contains("${") {
            let message = format!("`{}` is a secret and must not stand here", self.name(key));
            r.error(node.place, message, Some("write ${NAME} or ${file:PATH}"));
            return None;
        }
        r.fill(node.place, text).map(Secret::new)
    }
}
