//! What nobody sees: a value that prints as `***` wherever it ends up.

use std::borrow::Cow;
use std::fmt;

/// A credential. It has no `Display`, its `Debug` hides it, and reading it is a
/// call that stands out in review.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: String) -> Self {
        Secret(value)
    }

    /// The value itself, for the one place that must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Text without the `user:password@` of URLs in it, for messages.
pub fn without_userinfo(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        // An authority ends here; a password may have an `@` of its own.
        let end = after
            .find(|c: char| {
                matches!(c, '/' | '?' | '#' | '"' | '`' | '\'' | '\\') || c.is_whitespace()
            })
            .unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(at) => {
                out.push_str("***@");
                rest = &after[at + 1..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_their_users() {
        for (text, want) in [
            ("https://u:p@h/x: no", "https://***@h/x: no"),
            ("a http://u:p@x@h and https://h/@x", "a http://***@h and https://h/@x"),
            ("`https://u@h`", "`https://***@h`"),
            ("mail a@b.c", "mail a@b.c"),
            ("http://h?x=a@b", "http://h?x=a@b"),
            ("://@", "://***@"),
        ] {
            assert_eq!(without_userinfo(text), want, "{text}");
        }
    }

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "***");
    }
}
