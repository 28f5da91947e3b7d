//! Reads the query string, and collects every mistake in it before it gives up.
//!
//! It must not know which operation asks, or what a parameter is for.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::problem::{Mistake, Problem};

/// A decoded query and the mistakes met while reading it. Of a name that is
/// given twice, the first value counts; names nobody asks for are ignored.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    mistakes: Vec<Mistake>,
}

impl Query {
    pub fn parse(raw: &str) -> Self {
        let pairs = raw
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode_form(name), decode_form(value)))
            .collect();
        Self { pairs, mistakes: Vec::new() }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|(given, _)| given == name);
        pair.map(|(_, value)| value.as_str())
    }

    pub fn number<T>(&mut self, name: &'static str, range: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let value = self.text(name)?;
        match value.parse() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let detail = format!("must be a number from {} to {}", range.start(), range.end());
                self.mistakes.push(Mistake::in_parameter(name, detail));
                None
            }
        }
    }

    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.text(name)?;
        let found = choices.iter().find(|(choice, _)| *choice == value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            let detail = format!("must be one of {}", names.join(", "));
            self.mistakes.push(Mistake::in_parameter(name, detail));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// Call when everything has been read: the mistakes come back as one 400.
    pub fn finish(self) -> Result<(), Problem> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Problem::bad_query(self.mistakes)) }
    }
}

/// Decodes a path segment. Bytes that are not UTF-8 become U+FFFD, which
/// matches nothing in the shop.
pub(super) fn decode(raw: &str) -> String {
    percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

/// Decodes a name or a value of a query, where `+` stands for a space.
fn decode_form(raw: &str) -> String {
    decode(&raw.replace('+', " "))
}
