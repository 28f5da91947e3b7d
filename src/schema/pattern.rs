//! Patterns that every client can read: regular expressions of ECMA-262 with the
//! `u` flag (JSON Schema 2020-12, core 6.4). Clients compile a published schema
//! whole, and one pattern they refuse costs them the tool or the list.

use regress::{Flags, Regex};

/// Groups within groups. The parser recurses.
const DEPTH_MAX: usize = 100;

/// The pattern, or one that means the same where only its escapes are not those
/// of ECMA-262. `None` where it cannot be said there.
pub fn portable(pattern: &str) -> Option<String> {
    if pattern.bytes().filter(|b| *b == b'(').count() > DEPTH_MAX {
        return None;
    }
    if is_portable(pattern) {
        return Some(pattern.to_owned());
    }
    Some(respelled(pattern)).filter(|p| is_portable(p))
}

fn is_portable(pattern: &str) -> bool {
    Regex::with_flags(pattern, Flags { unicode: true, ..Flags::default() }).is_ok()
}

/// Takes the backslash from what needs none, writes the anchors of other
/// engines as `^` and `$`, and a `-` between a class and a character as itself.
fn respelled(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut after_class_escape = false;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let was_class_escape = std::mem::take(&mut after_class_escape);
        match (c, in_class) {
            ('\\', _) => match chars.next() {
                Some('A') if !in_class => out.push('^'),
                Some('Z' | 'z') if !in_class => out.push('$'),
                Some(escaped) => {
                    if needs_backslash(escaped, in_class) {
                        out.push('\\');
                    }
                    out.push(escaped);
                    after_class_escape = in_class && "dDsSwW".contains(escaped);
                }
                None => out.push('\\'),
            },
            ('-', true) if was_class_escape && chars.peek() != Some(&']') => out.push_str("\\-"),
            ('[', false) => {
                in_class = true;
                out.push('[');
            }
            (']', true) => {
                in_class = false;
                out.push(']');
            }
            (c, _) => out.push(c),
        }
    }
    out
}

/// With the `u` flag only these may be escaped, and letters and digits that
/// mean something then.
fn needs_backslash(c: char, in_class: bool) -> bool {
    c.is_alphanumeric() || "^$\\.*+?()[]{}|/".contains(c) || (c == '-' && in_class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_engines_escape_is_said_without() {
        for (pattern, want) in [
            (r"^[a-z]+\.\d{2}$", Some(r"^[a-z]+\.\d{2}$")),
            (r"^[a-zA-Z0-9_\-\:]+$", Some(r"^[a-zA-Z0-9_\-:]+$")),
            (r"^\d\-\d\_\@\#$", Some(r"^\d-\d_@#$")),
            (r"[\w-\.]+", Some(r"[\w\-\.]+")),
            (r"[\w-]", Some(r"[\w-]")),
            (r"\Aabc\Z", Some("^abc$")),
            (r"^\p{L}+$", Some(r"^\p{L}+$")),
            ("(?i)abc", None),
            ("a{2,1}", None),
            ("[z-a]", None),
            ("(", None),
            ("\\", None),
        ] {
            assert_eq!(portable(pattern).as_deref(), want, "{pattern}");
        }
    }

    #[test]
    fn groups_are_bounded() {
        let nested = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
        assert!(portable(&nested(DEPTH_MAX)).is_some());
        assert!(portable(&nested(DEPTH_MAX + 1)).is_none());
    }
}
