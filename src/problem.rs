//! What an operator sees when a configuration or a document is wrong: every
//! problem at once, each with where it is and what to do.

use crate::secret::without_userinfo;
use serde::Serialize;
use std::fmt;

/// A place in a file. Lines and columns count from one; zero means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    pub file: String,
    pub line: u64,
    pub column: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is served until it is mended.
    Error,
    /// Served without the part it names.
    Warning,
}

#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    pub severity: Severity,
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub fn error(place: Place, message: impl Into<String>) -> Self {
        Problem::new(Severity::Error, place, message.into())
    }

    pub fn warning(place: Place, message: impl Into<String>) -> Self {
        Problem::new(Severity::Warning, place, message.into())
    }

    /// Documents may have URLs with passwords in them, and be named by such.
    fn new(severity: Severity, mut place: Place, message: String) -> Self {
        place.file = without_userinfo(&place.file).into_owned();
        let message = without_userinfo(&message).into_owned();
        Problem { severity, place, message, hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Place {
    pub fn file(file: impl Into<String>) -> Self {
        Place { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}: {kind}: {}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// Bytes of a word for which a near one is looked for.
pub const WRITTEN_BYTES_MAX: usize = 128;

/// Pairs of bytes that one search for the nearest word compares: 5,000 words of 20
/// bytes. The rest is not searched.
const COMPARED_MAX: usize = 2_000_000;

/// The nearest of `known` to what somebody wrote, when it is near enough to be
/// what they meant. Bounded in the length of both and in the number of words.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR_ENOUGH: f64 = 0.72;
    if written.len() > WRITTEN_BYTES_MAX {
        return None;
    }
    let mut left = COMPARED_MAX;
    known
        .into_iter()
        .filter(|k| k.len() <= WRITTEN_BYTES_MAX)
        .map_while(|k| {
            left = left.checked_sub(k.len() * written.len())?;
            Some(k)
        })
        .map(|k| (strsim::jaro_winkler(&written.to_lowercase(), &k.to_lowercase()), k))
        .filter(|(score, _)| *score >= NEAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_slips_of_the_pen_and_nothing_far() {
        for (written, want) in [
            ("upsteam", Some("upstream")),
            ("open_api", Some("openapi")),
            ("OpenAPI", Some("openapi")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(written, ["openapi", "upstream", "tools"]), want, "{written}");
        }
    }

    #[test]
    fn a_search_is_bounded_in_the_word_and_in_the_words() {
        let long = "a".repeat(WRITTEN_BYTES_MAX);
        assert!(nearest(&long, [&*long]).is_some());
        let longer = "a".repeat(WRITTEN_BYTES_MAX + 1);
        assert!(nearest(&longer, [&*long]).is_none());
        assert!(nearest(&long, [&*longer]).is_none());
        let searched = COMPARED_MAX / (10 * 10);
        for (before, found) in [(searched - 1, true), (searched, false)] {
            let known = std::iter::repeat_n("zzzzzzzzzz", before).chain(["abcdefghij"]);
            assert_eq!(nearest("abcdefghij", known).is_some(), found, "{before}");
        }
    }
}
