//! YAML -> a tree whose every node knows its line and column.

use crate::read;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// Line and column, from one.
#[derive(Clone, Copy, Debug, Default)]
pub struct At {
    pub line: u64,
    pub column: u64,
}

#[derive(Debug)]
pub struct Node {
    pub place: At,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
pub struct Key {
    pub text: String,
    pub place: At,
}

impl Node {
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.kind {
            Kind::Map(members) => Some(members),
            _ => None,
        }
    }

    pub fn as_integer(&self) -> Option<i64> {
        match self.kind {
            Kind::Integer(n) => Some(n),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(s) => Some(s),
            _ => None,
        }
    }

    /// The node as a JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Integer(n) => (*n).into(),
            Kind::Float(n) => serde_json::Number::from_f64(*n).map_or(Value::Null, Value::Number),
            Kind::Text(s) => Value::String(s.clone()),
            Kind::List(items) => items.iter().map(Node::to_json).collect(),
            Kind::Map(members) => {
                Value::Object(members.iter().map(|(k, v)| (k.text.clone(), v.to_json())).collect())
            }
        }
    }

    /// What the node is, for messages.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

/// Parses a file. An empty one is an empty map.
pub fn parse(text: &str) -> Result<Node, read::Unreadable> {
    let parsed = serde_saphyr::from_str_with_options::<Spanned<Kind>>(text, read::options());
    let node = parsed.map(Node::from).map_err(|e| {
        let (line, column) = e.location().map_or((0, 0), |l| (l.line(), l.column()));
        let message = format!("not valid YAML: {}", e.without_snippet());
        read::Unreadable { message, line, column }
    })?;
    Ok(match node.kind {
        Kind::Null => Node { kind: Kind::Map(Vec::new()), place: At { line: 1, column: 1 } },
        _ => node,
    })
}

fn at(location: serde_saphyr::Location) -> At {
    At { line: location.line(), column: location.column() }
}

impl From<Spanned<Kind>> for Node {
    fn from(s: Spanned<Kind>) -> Self {
        Node { place: at(s.referenced), kind: s.value }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Kind, D::Error> {
        d.deserialize_any(self)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Kind, E> {
        Ok(Kind::Integer(n))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Kind, E> {
        Ok(i64::try_from(n).map_or(Kind::Float(n as f64), Kind::Integer))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Kind, E> {
        Ok(Kind::Float(n))
    }
    fn visit_str<E>(self, s: &str) -> Result<Kind, E> {
        Ok(Kind::Text(s.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Kind>>()? {
            items.push(Node::from(item));
        }
        Ok(Kind::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Kind>>()? {
            let value = map.next_value::<Spanned<Kind>>()?;
            let place = at(key.referenced);
            let text = match key.value {
                Kind::Text(s) => s,
                Kind::Integer(n) => n.to_string(),
                Kind::Bool(b) => b.to_string(),
                _ => return Err(serde::de::Error::custom("a key must be text")),
            };
            members.push((Key { text, place }, Node::from(value)));
        }
        Ok(Kind::Map(members))
    }
}
