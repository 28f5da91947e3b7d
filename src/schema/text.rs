//! Text that comes from documents.

use serde_json::Value;

/// Text of a document as a model may see it: no control, direction-changing or
/// invisible characters, in which instructions could hide.
pub fn clean(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c,
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.trim().chars().filter(|c| !hidden(*c)).collect()
}

/// A value with all its text clean.
pub fn clean_value(value: &Value) -> Value {
    match value {
        Value::String(text) => clean(text).into(),
        Value::Array(items) => items.iter().map(clean_value).collect(),
        Value::Object(members) => members.iter().map(|(k, v)| (clean(k), clean_value(v))).collect(),
        scalar => scalar.clone(),
    }
}
