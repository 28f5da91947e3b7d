//! A schema -> the nodes of its outline.

use super::{
    ALL, ANY, ARRAY, BOOLEAN, INTEGER, MEMBERS_MAX, NESTING_MAX, NEVER, NODES_MAX, NULL, NUMBER,
    Node, OBJECT, Outline, STRING, Shape, UNKNOWN,
};
use serde_json::{Map, Value};
use std::collections::HashMap;

impl Outline {
    /// Compiles a schema of dialect 2020-12 whose references lead into itself.
    pub fn new(schema: &Value) -> Outline {
        let unknown = Shape { undecided: ALL, ..Shape::of(ALL) };
        let nodes = vec![Shape::of(ALL), Shape::of(0), unknown];
        let nodes = nodes.into_iter().map(Node::Shape).collect();
        let definitions = HashMap::new();
        let mut compiler = Compiler { root: schema, nodes, definitions, nesting: 0 };
        let root = compiler.node(schema);
        Outline { nodes: compiler.nodes, root }
    }
}

struct Compiler<'s> {
    root: &'s Value,
    nodes: Vec<Node>,
    /// Nodes of definitions, by name.
    definitions: HashMap<&'s str, usize>,
    nesting: usize,
}

impl<'s> Compiler<'s> {
    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn node(&mut self, schema: &'s Value) -> usize {
        self.nesting += 1;
        let node = self.nested(schema);
        self.nesting -= 1;
        node
    }

    fn nested(&mut self, schema: &'s Value) -> usize {
        match schema {
            _ if self.nodes.len() >= NODES_MAX || self.nesting > NESTING_MAX => UNKNOWN,
            Value::Bool(true) => ANY,
            Value::Bool(false) => NEVER,
            Value::Object(object) if object.keys().all(|key| is_annotation(key)) => ANY,
            Value::Object(object) => match self.same(object) {
                Some(node) => node,
                None => {
                    let shape = self.shape(object);
                    self.add(Node::Shape(shape))
                }
            },
            _ => UNKNOWN,
        }
    }

    /// A schema that says what another one does, and at most a type besides.
    fn same(&mut self, object: &'s Map<String, Value>) -> Option<usize> {
        let only = object.get("type").map_or(Some(ALL), types)?;
        let mut said = object.iter().filter(|(key, _)| !is_annotation(key) && *key != "type");
        let (key, value) = said.next()?;
        if said.next().is_some() {
            return None;
        }
        let (node, or_null) = match (key.as_str(), value) {
            ("$ref", Value::String(target)) => (self.definition(target)?, false),
            ("allOf", Value::Array(parts)) if parts.len() == 1 => (self.node(&parts[0]), false),
            ("anyOf", Value::Array(parts)) if parts.len() == 2 => {
                let null =
                    parts.iter().position(|part| part["type"] == "null" && says_one(part))?;
                (self.node(&parts[1 - null]), true)
            }
            _ => return None,
        };
        Some(self.add(Node::Same { node, types: only, or_null }))
    }

    fn definition(&mut self, target: &'s str) -> Option<usize> {
        let name = target.strip_prefix("#/$defs/")?;
        if name.contains(['/', '~', '%']) {
            return None;
        }
        if let Some(node) = self.definitions.get(name) {
            return Some(*node);
        }
        let schema = self.root.get("$defs")?.get(name)?;
        // Held free first: a definition may refer to itself.
        let held = self.add(Node::Same { node: UNKNOWN, types: ALL, or_null: false });
        self.definitions.insert(name, held);
        let node = self.node(schema);
        self.nodes[held] = Node::Same { node, types: ALL, or_null: false };
        Some(held)
    }

    fn shape(&mut self, object: &'s Map<String, Value>) -> Shape {
        let mut shape = Shape::of(ALL);
        for (key, value) in object {
            if self.keyword(&mut shape, key, value).is_none() {
                shape.undecided |= types_of(key);
            }
        }
        self.members(&mut shape, object);
        shape
    }

    /// Takes one keyword in; `None` for what is not known.
    fn keyword(&mut self, shape: &mut Shape, key: &str, value: &'s Value) -> Option<()> {
        match key {
            "type" => shape.types &= types(value)?,
            "enum" | "const" => {
                // Both at once are rare.
                if shape.texts.is_some() {
                    return None;
                }
                let all =
                    if key == "enum" { value.as_array()? } else { std::slice::from_ref(value) };
                let texts = all.iter().map(|v| v.as_str().map(Into::into));
                let mut texts: Box<[Box<str>]> = texts.collect::<Option<_>>()?;
                texts.sort_unstable();
                shape.texts = Some(texts);
                shape.types &= STRING;
            }
            "minimum" => shape.integers.0 = value.as_i64()?.into(),
            "maximum" => shape.integers.1 = value.as_i64()?.into(),
            "minLength" => shape.chars.0 = value.as_u64()?,
            "maxLength" => shape.chars.1 = value.as_u64()?,
            "minItems" => shape.count.0 = value.as_u64()?,
            "maxItems" => shape.count.1 = value.as_u64()?,
            "items" => shape.items = self.node(value),
            "additionalProperties" => shape.others = self.node(value),
            // With all of them at hand.
            "properties" | "required" => {}
            _ if is_annotation(key) => {}
            _ => return None,
        }
        Some(())
    }

    fn members(&mut self, shape: &mut Shape, object: &'s Map<String, Value>) {
        let properties = object.get("properties").and_then(Value::as_object);
        let all: Vec<(Box<str>, usize)> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str().into(), self.node(schema)))
            .collect();
        for name in object.get("required").and_then(Value::as_array).into_iter().flatten() {
            match all.iter().position(|(n, _)| Some(&**n) == name.as_str()) {
                Some(at) if at < MEMBERS_MAX => shape.required |= 1 << at,
                _ => shape.undecided |= OBJECT,
            }
        }
        let mut by_name: Vec<usize> = (0..all.len()).collect();
        by_name.sort_by(|a, b| all[*a].0.cmp(&all[*b].0));
        shape.by_name = by_name.into();
        shape.members = all.into();
    }
}

/// Keywords that refuse nothing (JSON Schema 2020-12 Core §8, Validation §7, §9;
/// formats are not asserted).
fn is_annotation(key: &str) -> bool {
    const ANNOTATIONS: [&str; 13] = [
        "$schema",
        "$comment",
        "$defs",
        "title",
        "description",
        "default",
        "example",
        "examples",
        "format",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentMediaType",
    ];
    ANNOTATIONS.contains(&key) || key.starts_with("x-")
}

fn says_one(schema: &Value) -> bool {
    let object = schema.as_object();
    object.is_some_and(|o| o.keys().filter(|key| !is_annotation(key)).count() == 1)
}

fn types(value: &Value) -> Option<u8> {
    let one = |name: &Value| match name.as_str()? {
        "null" => Some(NULL),
        "boolean" => Some(BOOLEAN),
        "integer" => Some(INTEGER),
        "number" => Some(NUMBER),
        "string" => Some(STRING),
        "array" => Some(ARRAY),
        "object" => Some(OBJECT),
        _ => None,
    };
    match value {
        Value::Array(names) => names.iter().try_fold(0, |all, name| Some(all | one(name)?)),
        name => one(name),
    }
}

/// The types that a keyword concerns; all, where that is not certain.
fn types_of(key: &str) -> u8 {
    match key {
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => NUMBER,
        "pattern" | "minLength" | "maxLength" | "contentEncoding" => STRING,
        "uniqueItems" | "minItems" | "maxItems" | "prefixItems" | "contains" => ARRAY,
        "minProperties" | "maxProperties" | "patternProperties" | "propertyNames"
        | "dependentRequired" | "dependentSchemas" => OBJECT,
        _ => ALL,
    }
}
