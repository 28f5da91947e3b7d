//! Values <-> XML, by the `xml` keywords of a schema (OpenAPI 3.1, "XML
//! Object").

use super::bounded::Bounded;
use super::markup::{Element, close_tag, legal, named, open_tag, parse};
use crate::fault::Result;
use crate::jsonrpc::raw::Raw;
use crate::schema::Library;
use quick_xml::escape::escape;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// The shape of XML that a schema describes: a table, since schemas recurse.
#[derive(Debug)]
pub struct Shapes {
    table: Vec<Shape>,
    root: usize,
    root_name: String,
}

#[derive(Clone, Debug, Default)]
struct Shape {
    /// `xml.name`, with its prefix.
    name: Option<String>,
    /// `xml.prefix` and its colon, for what has no name of its own.
    prefix: String,
    /// ` xmlns:p="..."`, ready to stand in a tag.
    namespace: String,
    attribute: bool,
    /// The text of the element around it (3.2, `nodeType: text`).
    text: bool,
    /// An array has an element around its items.
    wrapped: bool,
    kind: Kind,
}

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    Text,
    Integer,
    Number,
    Boolean,
    Array(usize),
    Object(Members),
}

/// The members of an object, in their order.
#[derive(Clone, Debug, Default)]
struct Members {
    all: Vec<(String, usize)>,
    /// Places in the table of shapes.
    by_name: HashMap<String, usize>,
}

impl Members {
    fn new(all: Vec<(String, usize)>) -> Self {
        let mut by_name = HashMap::with_capacity(all.len());
        for (name, at) in &all {
            by_name.entry(name.clone()).or_insert(*at);
        }
        Members { all, by_name }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

impl Shape {
    /// Its tag, where it is called `name` by what is around it.
    fn tag<'n>(&'n self, name: &'n str) -> Cow<'n, str> {
        match &self.name {
            Some(own) => own.into(),
            None if self.prefix.is_empty() => name.into(),
            None => format!("{}{}", self.prefix, name.rsplit(':').next().unwrap_or(name)).into(),
        }
    }
}

impl Shapes {
    pub fn compile(library: &Library, schema: &Value) -> Shapes {
        let (table, known) = (Vec::new(), HashMap::new());
        let mut compiler = Compiler { library, table, known, nesting: 0, left: SCHEMAS_MAX };
        let root = compiler.shape(schema);
        let named = schema
            .get("$ref")
            .and_then(Value::as_str)
            .map(crate::schema::reference::suggested_name);
        let named = named.unwrap_or_else(|| "root".to_owned());
        let root_name = compiler.table[root].tag(&named).into_owned();
        Shapes { table: compiler.table, root, root_name }
    }

    /// Writes a value, which was read from so many bytes, as a document of at most
    /// `bytes_max`.
    pub fn write(&self, value: &Raw<'_>, read_from: usize, bytes_max: usize) -> Result<String> {
        let mut out = Bounded::new(bytes_max, "a body").of(read_from);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        self.element(self.root, &self.root_name, value, &mut out)?;
        Ok(out.into_string())
    }

    fn element(&self, at: usize, name: &str, value: &Raw<'_>, out: &mut Bounded) -> Result<()> {
        let shape = &self.table[at];
        match (value, &shape.kind) {
            (Raw::Null, _) => Ok(()),
            (Raw::Array(items), kind) => {
                let item = if let Kind::Array(item) = kind { *item } else { at };
                let item_name = &self.table[item].tag(name);
                let is_root = at == self.root;
                if shape.wrapped || is_root {
                    open_tag(name, &shape.namespace, out)?;
                }
                for raw in items {
                    let value = out.read(raw)?;
                    self.element(item, item_name, &value, out)?;
                }
                if shape.wrapped || is_root {
                    close_tag(name, out)?;
                }
                Ok(())
            }
            (Raw::Object(members), kind) => {
                let shape_of = |name: &str| match kind {
                    Kind::Object(members) => members.find(name),
                    _ => None,
                };
                out.push_str(&format!("<{name}{}", shape.namespace))?;
                for (key, raw) in members {
                    if let Some(at) = shape_of(key).filter(|at| self.table[*at].attribute) {
                        let name = self.table[at].tag(key);
                        let value = out.read(raw)?;
                        if let Some(text) = value.scalar() {
                            out.push_str(&format!(
                                " {}=\"{}\"",
                                named(&name)?,
                                escape(legal(text)?)
                            ))?;
                        }
                    }
                }
                out.push_str(">")?;
                for (key, raw) in members {
                    match shape_of(key) {
                        Some(at) if self.table[at].attribute => {}
                        Some(at) if self.table[at].text => {
                            let value = out.read(raw)?;
                            out.push_str(&escape(legal(value.scalar().unwrap_or_default())?))?;
                        }
                        Some(at) => {
                            let name = self.member_name(at, key);
                            let value = out.read(raw)?;
                            self.element(at, named(&name)?, &value, out)?;
                        }
                        None => {
                            let value = out.read(raw)?;
                            self.unknown(key, &value, out)?;
                        }
                    }
                }
                close_tag(name, out)
            }
            (scalar, _) => {
                let text = escape(legal(scalar.scalar().unwrap_or_default())?);
                open_tag(name, &shape.namespace, out)?;
                out.push_str(&text)?;
                close_tag(name, out)
            }
        }
    }

    /// The element of a member: for an array that is not wrapped, its items'.
    fn member_name<'n>(&'n self, at: usize, key: &'n str) -> Cow<'n, str> {
        let shape = &self.table[at];
        match shape.kind {
            // The array's own name counts only where it is wrapped.
            Kind::Array(item) if !shape.wrapped => self.table[item].tag(key),
            _ => shape.tag(key),
        }
    }

    /// A member the schema does not know is written by its name.
    fn unknown(&self, key: &str, value: &Raw<'_>, out: &mut Bounded) -> Result<()> {
        let key = named(key)?;
        match value {
            Raw::Null => Ok(()),
            Raw::Array(items) => items.iter().try_for_each(|item| {
                let value = out.read(item)?;
                self.unknown(key, &value, out)
            }),
            Raw::Object(members) => {
                open_tag(key, "", out)?;
                for (name, raw) in members {
                    let value = out.read(raw)?;
                    self.unknown(name, &value, out)?;
                }
                close_tag(key, out)
            }
            scalar => {
                let text = escape(legal(scalar.scalar().unwrap_or_default())?);
                open_tag(key, "", out)?;
                out.push_str(&text)?;
                close_tag(key, out)
            }
        }
    }

    /// Reads a document as the value the schema describes.
    pub fn read(&self, text: &str) -> std::result::Result<Value, String> {
        Ok(self.value(self.root, &parse(text)?))
    }

    fn value(&self, at: usize, element: &Element) -> Value {
        match &self.table[at].kind {
            Kind::Object(members) => {
                let mut out = Map::new();
                for (key, at) in &members.all {
                    if let Some(value) = self.member(*at, key, element) {
                        out.insert(key.clone(), value);
                    }
                }
                Value::Object(out)
            }
            Kind::Array(item) => {
                Value::Array(element.children.iter().map(|c| self.value(*item, c)).collect())
            }
            kind => scalar(kind, &element.text),
        }
    }

    fn member(&self, at: usize, key: &str, parent: &Element) -> Option<Value> {
        let shape = &self.table[at];
        let name = self.member_name(at, key);
        if shape.text {
            let absent = parent.text.trim().is_empty() && !matches!(shape.kind, Kind::Text);
            return (!absent).then(|| scalar(&shape.kind, &parent.text));
        }
        if shape.attribute {
            let (_, text) = parent.attributes.iter().find(|(n, _)| **n == *name)?;
            return Some(scalar(&shape.kind, text));
        }
        let mut found = parent.children.iter().filter(|c| c.name == *name).peekable();
        match shape.kind {
            Kind::Array(item) if !shape.wrapped => {
                found.peek()?;
                Some(found.map(|c| self.value(item, c)).collect())
            }
            _ => Some(self.value(at, found.next()?)),
        }
    }
}

struct Compiler<'l> {
    library: &'l Library,
    table: Vec<Shape>,
    known: HashMap<String, usize>,
    nesting: usize,
    left: usize,
}

/// Schemas within each other of which shapes are made, and of all of one document:
/// the rest is text.
const NESTING_MAX: usize = 100;
const SCHEMAS_MAX: usize = 10_000;

impl Compiler<'_> {
    fn shape(&mut self, schema: &Value) -> usize {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some(at) = reference.and_then(|r| self.known.get(r)) {
            return *at;
        }
        let at = self.table.len();
        self.table.push(Shape::default());
        if let Some(reference) = reference {
            self.known.insert(reference.to_owned(), at);
        }
        let library = self.library;
        let resolved = library.follow(schema).unwrap_or(&Value::Null);
        self.nesting += 1;
        let kind = match self.nesting <= NESTING_MAX && self.left > 0 {
            true => self.kind(resolved),
            false => Kind::Text,
        };
        self.nesting -= 1;
        self.left = self.left.saturating_sub(1);
        let mut shape = Shape { kind, ..Shape::default() };
        // What stands beside the reference is about this use of it.
        for xml in [resolved.get("xml"), schema.get("xml")].into_iter().flatten() {
            let text = |key: &str| xml.get(key).and_then(Value::as_str);
            let flag = |key: &str| xml.get(key) == Some(&Value::Bool(true));
            let prefix = text("prefix").map(|p| format!("{p}:")).unwrap_or_default();
            if !prefix.is_empty() {
                shape.prefix.clone_from(&prefix);
            }
            if let Some(name) = text("name") {
                shape.name = Some(format!("{prefix}{name}"));
            }
            if let Some(namespace) = text("namespace") {
                let colon = text("prefix").map(|p| format!(":{p}")).unwrap_or_default();
                shape.namespace = format!(" xmlns{colon}=\"{}\"", escape(namespace));
            }
            // 3.2 says `nodeType` for what were two flags.
            let node = text("nodeType");
            shape.attribute |= flag("attribute") || node == Some("attribute");
            shape.text |= matches!(node, Some("text" | "cdata"));
            shape.wrapped |= flag("wrapped") || node == Some("element");
        }
        self.table[at] = shape;
        at
    }

    fn kind(&mut self, schema: &Value) -> Kind {
        let kind = match schema.get("type") {
            Some(Value::Array(types)) => {
                types.iter().find_map(|t| t.as_str().filter(|t| *t != "null"))
            }
            other => other.and_then(Value::as_str),
        };
        match kind {
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some("array") => match schema.get("items") {
                Some(items) => Kind::Array(self.shape(items)),
                None => Kind::Array(self.shape(&Value::Null)),
            },
            Some("string") => Kind::Text,
            _ => {
                let mut members = Vec::new();
                self.members(schema, &mut members, 0);
                if members.is_empty() && kind != Some("object") {
                    Kind::Text
                } else {
                    Kind::Object(Members::new(members))
                }
            }
        }
    }

    fn members(&mut self, schema: &Value, out: &mut Vec<(String, usize)>, depth: usize) {
        const COMPOSITION_DEPTH_MAX: usize = 8;
        let library = self.library;
        for (name, property) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let at = self.shape(property);
            out.push((name.clone(), at));
        }
        for branch in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let more = depth < COMPOSITION_DEPTH_MAX && self.left > 0;
            if let (Ok(branch), true) = (library.follow(branch), more) {
                self.left -= 1;
                self.members(branch, out, depth + 1);
            }
        }
    }
}

fn scalar(kind: &Kind, text: &str) -> Value {
    let text = text.trim_matches(['\n', '\r', '\t', ' ']);
    // No number is longer, and a tree of anything else is not wanted.
    const NUMBER_BYTES_MAX: usize = 64;
    let json = |wanted: fn(&Value) -> bool| {
        let short = Some(text).filter(|t| t.len() <= NUMBER_BYTES_MAX);
        let value = short.and_then(|t| serde_json::from_str::<Value>(t).ok());
        value.filter(wanted).unwrap_or_else(|| text.into())
    };
    match kind {
        Kind::Integer | Kind::Number => json(Value::is_number),
        Kind::Boolean => json(Value::is_boolean),
        _ => text.into(),
    }
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
