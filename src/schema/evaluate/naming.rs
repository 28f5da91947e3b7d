//! Values, types and options as messages name them.

use super::run::value_of;
use super::{Enumeration, types};
use crate::schema::instance::{Item, Number, View};
use serde_json::Value;

/// The longest part of a value that a message repeats, in characters.
pub const SHOWN_CHARS_MAX: usize = 100;

pub fn names(bits: u8) -> String {
    let mut left = bits;
    let mut all = Vec::new();
    // Numbers before integers, which they include.
    for (name, own) in types::NAMES.iter().rev() {
        if left & own == *own {
            left &= !own;
            all.push(format!("\"{name}\""));
        }
    }
    all.reverse();
    if all.is_empty() { "any kind".to_owned() } else { all.join(" or ") }
}

pub fn listed(options: &Enumeration) -> String {
    let shown: Vec<String> = options.shown.iter().map(cut).collect();
    format!("{}{}", shown.join(", "), if options.more { ", …" } else { "" })
}

pub fn chars(n: u64) -> String {
    format!("{n} character{}", if n == 1 { "" } else { "s" })
}

pub fn is(number: Number) -> String {
    value_of(number).to_string()
}

/// A value as a message names it: a scalar itself, within reason.
pub fn shown(item: Item<'_>) -> String {
    match item.view() {
        View::Null => "null".to_owned(),
        View::Bool(b) => b.to_string(),
        View::Number(n) => is(n),
        View::Text(text) => Value::from(cut_text(text)).to_string(),
        View::Array(_) => "a list".to_owned(),
        View::Object(_) => "an object".to_owned(),
    }
}

pub fn cut(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(cut_text(text)).to_string(),
        other => cut_text(&other.to_string()),
    }
}

pub fn cut_text(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
