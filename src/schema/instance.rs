//! A JSON text as a schema sees it: a flat list of nodes over the text.
//!
//! A tree of `serde_json::Value` costs up to 130 times its text; this costs at
//! most seven times, whatever the text is. Nodes are 16 bytes, strings without
//! escapes stay in the text, and the list is allocated once, at its final size.

mod parse;

use std::fmt;

/// What one text may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of nesting.
    pub depth_max: usize,
    /// Values of any kind, members and elements included.
    pub values_max: usize,
    /// Bytes of one key.
    pub key_bytes_max: usize,
    /// Whether one object may have a key twice.
    pub duplicates: bool,
}

impl Limits {
    /// For text from strangers: what was checked is what is sent, so nothing may
    /// have a second meaning.
    pub const STRICT: Limits =
        Limits { depth_max: 64, values_max: 100_000, key_bytes_max: 1024, duplicates: false };
    /// For answers of an API, which are delivered as text in any case. serde_json
    /// itself stops at 128 levels.
    pub const ANSWER: Limits = Limits {
        depth_max: 127,
        values_max: 1_000_000,
        key_bytes_max: usize::MAX,
        duplicates: true,
    };
}

/// Why a text is no instance.
#[derive(Debug)]
pub enum Refused {
    /// It holds more values than the limit, which is given.
    TooMany(usize),
    /// It is not JSON, or breaks another limit.
    Invalid(serde_json::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooMany(max) => write!(f, "more than {max} values"),
            Refused::Invalid(e) => e.fmt(f),
        }
    }
}

/// A parsed text.
#[derive(Debug)]
pub struct Instance<'t> {
    text: &'t str,
    nodes: Vec<Node>,
    /// Strings that had escapes, one after the other.
    unescaped: String,
}

/// What `a` and `b` mean depends on the kind.
#[derive(Clone, Copy, Debug)]
struct Node {
    a: u32,
    b: u32,
    /// The node after this one and all it holds.
    next: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    False,
    True,
    /// The bits of a `u64`, an `i64` or an `f64` in `a` and `b`.
    Unsigned,
    Signed,
    Float,
    /// Offset and length in the text, or in `unescaped`.
    Text,
    Unescaped,
    /// The number of elements, or of members, in `a`. A member is its key, then
    /// its value.
    Array,
    Object,
}

/// One value of an instance.
#[derive(Clone, Copy, Debug)]
pub struct Item<'i> {
    instance: &'i Instance<'i>,
    at: u32,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View<'i> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'i str),
    /// Its elements are [`Item::elements`].
    Array(usize),
    /// Its members are [`Item::members`].
    Object(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Integer(i128),
    /// Fractions, and what is too large for 64 bits.
    Float(f64),
}

impl Instance<'_> {
    pub fn root(&self) -> Item<'_> {
        Item { instance: self, at: 0 }
    }

    /// Nodes of the whole: values and keys.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Bytes of the text.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl<'i> Item<'i> {
    fn node(self) -> Node {
        self.instance.nodes[self.at as usize]
    }

    /// Tells this value from the others of its instance.
    pub fn id(self) -> u32 {
        self.at
    }

    /// Another value of the same instance, by its id.
    pub fn at(self, id: u32) -> Item<'i> {
        Item { at: id, ..self }
    }

    /// Nodes of this value and all it holds.
    pub fn weight(self) -> usize {
        (self.node().next - self.at) as usize
    }

    pub fn view(self) -> View<'i> {
        let node = self.node();
        let bits = (u64::from(node.a) << 32) | u64::from(node.b);
        match node.kind {
            Kind::Null => View::Null,
            Kind::False => View::Bool(false),
            Kind::True => View::Bool(true),
            Kind::Unsigned => View::Number(Number::Integer(bits.into())),
            Kind::Signed => View::Number(Number::Integer(bits.cast_signed().into())),
            Kind::Float => View::Number(Number::Float(f64::from_bits(bits))),
            Kind::Text => View::Text(slice(self.instance.text, node)),
            Kind::Unescaped => View::Text(slice(&self.instance.unescaped, node)),
            Kind::Array => View::Array(node.a as usize),
            Kind::Object => View::Object(node.a as usize),
        }
    }

    /// The text of a string; `None` for all else.
    pub fn text(self) -> Option<&'i str> {
        match self.view() {
            View::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn is_container(self) -> bool {
        matches!(self.node().kind, Kind::Array | Kind::Object)
    }

    pub fn is_object(self) -> bool {
        self.node().kind == Kind::Object
    }

    /// The elements of an array; nothing for all else.
    pub fn elements(self) -> impl Iterator<Item = Item<'i>> + Clone {
        let count = if self.node().kind == Kind::Array { self.node().a } else { 0 };
        let mut at = self.at + 1;
        (0..count).map(move |_| {
            let item = Item { at, ..self };
            at = item.node().next;
            item
        })
    }

    /// The members of an object in their order; nothing for all else.
    pub fn members(self) -> impl Iterator<Item = (&'i str, Item<'i>)> + Clone {
        let count = if self.is_object() { self.node().a } else { 0 };
        let mut at = self.at + 1;
        (0..count).map(move |_| {
            let key = Item { at, ..self };
            let value = Item { at: at + 1, ..self };
            at = value.node().next;
            (key.text().unwrap_or_default(), value)
        })
    }

    pub fn member(self, name: &str) -> Option<Item<'i>> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

fn slice(text: &str, node: Node) -> &str {
    text.get(node.a as usize..(node.a + node.b) as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests;
