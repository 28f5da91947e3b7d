//! Patterns that every client can read: regular expressions of ECMA-262 with the
//! `u` flag (JSON Schema 2020-12, core 6.4). Clients compile a published schema
//! whole, and one pattern they refuse costs them the tool or the list.

use regress::{Flags, Regex};

/// A longer pattern is left out: engines nest as its alternatives do, and read it in
/// a time that grows with the square of its length.
const PATTERN_BYTES_MAX: usize = 4 << 10;

/// The pattern, or one that means the same where only its escapes are not those
/// of ECMA-262. `None` where it cannot be said there.
pub fn portable(pattern: &str) -> Option<String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return None;
    }
    if is_portable(pattern) {
        return Some(pattern.to_owned());
    }
    Some(respelled(pattern)).filter(|p| is_portable(p))
}

fn is_portable(pattern: &str) -> bool {
    !is_newer(pattern)
        && Regex::with_flags(pattern, Flags { unicode: true, ..Flags::default() }).is_ok()
}

/// Whether a pattern has what ECMA-262 has since 2025 only, and clients not yet:
/// flags of a group, `(?i:a)`, and one name for several groups.
fn is_newer(pattern: &str) -> bool {
    let mut names = Vec::new();
    for after in pattern.split("(?").skip(1) {
        if let Some(name) = after.strip_prefix('<').filter(|a| !a.starts_with(['=', '!'])) {
            let name = name.split('>').next().unwrap_or_default();
            if names.contains(&name) {
                return true;
            }
            names.push(name);
        } else if !after.starts_with([':', '=', '!', '<']) {
            return true;
        }
    }
    false
}

/// Takes the backslash from what needs none, gives one to a brace or bracket that
/// stands for itself, writes the anchors of other engines as `^` and `$`, and a
/// `-` between a class and a character as itself.
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
                // Their braces are part of them.
                Some(escaped @ ('p' | 'P' | 'u')) if chars.peek() == Some(&'{') => {
                    out.extend(['\\', escaped]);
                    for c in chars.by_ref() {
                        out.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
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
            ('{', false) => match quantifier(chars.clone()) {
                Some(length) => {
                    out.push('{');
                    out.extend(chars.by_ref().take(length));
                }
                None => out.push_str("\\{"),
            },
            ('}' | ']', false) => out.extend(['\\', c]),
            (c, _) => out.push(c),
        }
    }
    out
}

/// How long the rest of a quantifier is: `2}`, `2,}`, `2,3}`.
fn quantifier(rest: impl Iterator<Item = char>) -> Option<usize> {
    let inside: String = rest.take_while(|c| *c != '}').collect();
    let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    (!least.is_empty() && digits(least) && digits(most)).then(|| inside.len() + 1)
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
            (r"^\p{L}\-{2,3}\:$", Some(r"^\p{L}-{2,3}:$")),
            (r"^[^}]+}$", Some(r"^[^}]+\}$")),
            (r"^{a}]$", Some(r"^\{a\}\]$")),
            ("^a{2}b{1,}c{,3}$", Some(r"^a{2}b{1,}c\{,3\}$")),
            ("(?:a)(?=b)(?!c)(?<=d)(?<!e)(?<f>g)", Some("(?:a)(?=b)(?!c)(?<=d)(?<!e)(?<f>g)")),
            ("(?<a>x)|(?<a>y)", None),
            ("(?i:abc)", None),
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
    fn the_length_at_its_limit_and_one_past_it() {
        for (bytes, said) in [(PATTERN_BYTES_MAX, true), (PATTERN_BYTES_MAX + 1, false)] {
            assert_eq!(portable(&"a".repeat(bytes)).is_some(), said, "{bytes}");
        }
        let alternatives: Vec<String> = (0..100_000).map(|n| format!("a{n}")).collect();
        assert_eq!(portable(&alternatives.join("|")), None);
    }

    #[test]
    fn nesting_without_end_is_no_pattern() {
        for n in [1000, 100_000] {
            assert_eq!(portable(&format!("{}a{}", "(".repeat(n), ")".repeat(n))), None);
        }
    }
}
