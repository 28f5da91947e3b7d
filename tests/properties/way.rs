//! The styles of parameters, and for each a decoder of its own.

use crate::given::Given;
use crate::one::{compile, headers};
use drawbridge::tool::Tool;
use drawbridge::tool::request::UpstreamRequest;
use http::header::COOKIE;
use serde_json::json;
use std::sync::Arc;

/// A name that needs encoding itself.
const NAME: &str = "sort by[ü]";

/// RFC 3986 §2.1, and nothing that may not stand in a request as it is.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        assert!(b.is_ascii_graphic(), "{b:#x} stands bare in {text}");
        if b != b'%' {
            bytes.push(b);
            continue;
        }
        let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { panic!("a bare % in {text}") };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn pairs(flat: Vec<&str>) -> Vec<(&str, &str)> {
    assert!(flat.len().is_multiple_of(2), "{flat:?}");
    flat.chunks(2).map(|c| (c[0], c[1])).collect()
}

pub fn split_pair(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or_else(|| panic!("no `=` in {text}"))
}

/// A style of a location.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub location: &'static str,
    pub style: &'static str,
    pub explode: bool,
}

const WAYS: [(&str, &str, bool); 18] = [
    ("path", "simple", false),
    ("path", "simple", true),
    ("path", "label", false),
    ("path", "label", true),
    ("path", "matrix", false),
    ("path", "matrix", true),
    ("query", "form", false),
    ("query", "form", true),
    ("query", "spaceDelimited", false),
    ("query", "spaceDelimited", true),
    ("query", "pipeDelimited", false),
    ("query", "pipeDelimited", true),
    ("query", "deepObject", true),
    ("header", "simple", false),
    ("header", "simple", true),
    ("cookie", "form", false),
    ("cookie", "form", true),
    ("cookie", "cookie", true),
];

pub fn ways() -> impl Iterator<Item = Way> {
    WAYS.iter().map(|&(location, style, explode)| Way { location, style, explode })
}

impl Way {
    pub fn name(self) -> &'static str {
        match (self.location, self.style) {
            ("path", _) => "hole",
            ("header", _) => "X-Header",
            // Not encoded, so it must be a cookie's name as it is.
            (_, "cookie") => "cookie",
            _ => NAME,
        }
    }

    pub fn tool(self) -> Arc<Tool> {
        let parameter = json!({"name": self.name(), "in": self.location, "style": self.style,
            "explode": self.explode, "schema": {}});
        let path = if self.location == "path" { "/a/{hole}/b" } else { "/a" };
        compile(path, &json!({"parameters": [parameter]}))
    }

    /// What tells parts apart and is not encoded, so that no part may hold it
    /// (OpenAPI 3.2, "Style Values").
    fn delimiters(self) -> &'static [char] {
        match (self.location, self.style, self.explode) {
            ("path", "label", true) => &['.'],
            ("query", "spaceDelimited", false) => &[' '],
            ("query", "pipeDelimited", false) => &['|'],
            ("query", "deepObject", _) => &['[', ']'],
            ("header", _, _) | ("cookie", "cookie", _) => &[',', '='],
            _ => &[],
        }
    }

    /// A text that this way can carry: without what is refused.
    pub fn carried(self, text: String) -> String {
        let kept = |c: &char| match (self.location, self.style) {
            ("path", _) => !c.is_control(),
            ("header", _) => (' '..='~').contains(c) || *c == '\t',
            (_, "cookie") => ('!'..='~').contains(c) && !"\",;\\".contains(*c),
            _ => true,
        };
        let text: String =
            text.chars().filter(kept).filter(|c| !self.delimiters().contains(c)).collect();
        let bad = text.split(['/', '\\']).any(|part| matches!(part, "" | "." | ".."));
        match self.location == "path" && bad {
            true => format!("x{}", text.replace(['/', '\\'], "")),
            false => text,
        }
    }

    /// Whether the style is defined for a value.
    pub fn takes(self, value: &Given) -> bool {
        let is_map = matches!(value, Given::Map(_));
        match (self.style, self.explode) {
            ("deepObject", _) => is_map,
            // Pairs of its own choosing: only the exploded form has a name to look for.
            ("spaceDelimited" | "pipeDelimited", true) => !is_map,
            _ => true,
        }
    }

    /// The texts that a request holds, in their order.
    pub fn read(self, request: &UpstreamRequest, like: &Given) -> Vec<String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        match self.location {
            "path" => {
                let parts: Vec<&str> = path.split('/').collect();
                assert_eq!((parts.len(), parts[1], parts[3]), (4, "a", "b"), "{path}");
                self.read_path(parts[2], like)
            }
            "query" => self.read_pairs(query.split('&').map(split_pair).collect(), like, decoded),
            "header" => {
                let text = headers(request, "x-header").join("|");
                self.read_joined(&text, ",", like, str::to_owned)
            }
            _ => {
                let cookies = headers(request, COOKIE.as_str()).join("|");
                let found = cookies.split("; ").map(split_pair).collect();
                let read = if self.style == "cookie" { str::to_owned } else { decoded };
                self.read_pairs(found, like, read)
            }
        }
    }

    fn read_path(self, text: &str, like: &Given) -> Vec<String> {
        let bare = |mark: char| text.strip_prefix(mark).unwrap_or_else(|| panic!("{text}"));
        match self.style {
            "label" => {
                let between = if self.explode { "." } else { "," };
                self.read_joined(bare('.'), between, like, decoded)
            }
            "matrix" => {
                self.read_pairs(bare(';').split(';').map(split_pair).collect(), like, decoded)
            }
            _ => self.read_joined(text, ",", like, decoded),
        }
    }

    fn read_joined(
        self,
        text: &str,
        between: &str,
        like: &Given,
        read: fn(&str) -> String,
    ) -> Vec<String> {
        match like {
            Given::List(_) => text.split(between).map(read).collect(),
            Given::Map(_) => {
                let parts: Vec<&str> = text.split(between).collect();
                let found = if self.explode {
                    parts.into_iter().map(split_pair).collect()
                } else {
                    pairs(parts)
                };
                found.into_iter().flat_map(|(k, v)| [read(k), read(v)]).collect()
            }
            _ => vec![read(text)],
        }
    }

    fn read_pairs(
        self,
        found: Vec<(&str, &str)>,
        like: &Given,
        read: fn(&str) -> String,
    ) -> Vec<String> {
        let between = match self.style {
            "spaceDelimited" => "%20",
            "pipeDelimited" => "%7C",
            _ => ",",
        };
        match like {
            Given::Map(_) if self.style == "deepObject" => {
                let key = |name: &str| {
                    let name = read(name);
                    let inner = name.strip_prefix(NAME).and_then(|n| n.strip_prefix('['));
                    inner.and_then(|n| n.strip_suffix(']')).expect("a member").to_owned()
                };
                found.into_iter().flat_map(|(k, v)| [key(k), read(v)]).collect()
            }
            Given::Map(_) if self.explode => {
                found.into_iter().flat_map(|(k, v)| [read(k), read(v)]).collect()
            }
            _ => {
                let named = |name: &str| assert_eq!(decoded(name), self.name());
                found.iter().for_each(|(name, _)| named(name));
                if self.explode {
                    return found.into_iter().map(|(_, v)| read(v)).collect();
                }
                assert_eq!(found.len(), 1, "{found:?}");
                let whole = Way { explode: false, ..self };
                whole.read_joined(found[0].1, between, like, read)
            }
        }
    }
}
