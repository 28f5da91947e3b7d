//! Text that comes from documents.

use serde_json::Value;

/// Text of a document as a model may see it: no control, direction-changing or
/// invisible characters, in which instructions could hide. A carriage return is a
/// line break, as terminals show it, or a part of one.
pub fn clean(text: &str) -> String {
    let hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c,
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut out = String::with_capacity(text.len());
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            c if hidden(c) => {}
            c => out.push(c),
        }
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_taken_out() {
        for (text, want) in [
            ("a\r\nb\rc\r", "a\nb\nc"),
            ("\u{1b}[31mred\u{0}", "[31mred"),
            ("a\u{202e}b\u{e0041}\u{200b}", "ab"),
            ("\ttab\n", "tab"),
        ] {
            assert_eq!(clean(text), want, "{text:?}");
        }
    }
}
