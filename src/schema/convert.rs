//! A schema of OpenAPI 3.0 or 3.1 -> JSON Schema 2020-12 that stands by itself.
//!
//! References become `$defs` of the tool that uses them, recursion included.
//! What real documents get wrong (unknown types, empty enums, doubled entries)
//! is mended rather than refused: one bad keyword must not cost a tool.

use super::dialect::{Dialect, Direction};
use super::hidden;
use super::keywords::{
    allow_null, enumeration, exclusive, renamed, required, says_nullable, tagged, types,
    without_what_turns,
};
use super::pattern::portable;
use super::reference::{Library, suggested_name};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The deepest nesting of one schema. Real ones stay under 40.
const DEPTH_MAX: usize = 100;

/// Converts the schemas of one document in one direction. Components are
/// converted once, however many tools use them.
pub struct Converter<'l> {
    library: &'l Library,
    dialect: Dialect,
    direction: Direction,
    names: HashMap<String, String>,
    taken: HashSet<String>,
    defs: HashMap<String, Value>,
    /// References in the order in which their conversion began.
    begun: Vec<String>,
    /// Patterns that could not be said, so far.
    lost: usize,
    /// Definitions that are without one, in them or behind them.
    lossy: HashSet<String>,
}

type Result<T> = std::result::Result<T, String>;
type Object = Map<String, Value>;

/// Keywords of OpenAPI or of other dialects that 2020-12 clients do not know or
/// must not see. A document's `x-mcp-header` goes with all other extensions: a
/// document must not decide what is copied into headers.
const DROPPED: [&str; 12] = [
    "xml",
    "externalDocs",
    "discriminator",
    "example",
    "nullable",
    "collectionFormat",
    "allowEmptyValue",
    "$schema",
    "$id",
    "id",
    "$vocabulary",
    "$comment",
];

/// What may stand beside a `$ref` in 3.0 and still mean something.
const KEPT_BESIDE_REF: [&str; 8] = [
    "description",
    "title",
    "deprecated",
    "default",
    "nullable",
    "x-nullable",
    "readOnly",
    "writeOnly",
];

impl<'l> Converter<'l> {
    pub fn new(library: &'l Library, dialect: Dialect, direction: Direction) -> Self {
        Converter {
            library,
            dialect,
            direction,
            names: HashMap::new(),
            taken: HashSet::new(),
            defs: HashMap::new(),
            begun: Vec::new(),
            lost: 0,
            lossy: HashSet::new(),
        }
    }

    /// Converts one schema. References in it become `#/$defs/...`;
    /// [`Converter::close`] attaches what they name.
    pub fn convert(&mut self, schema: &Value) -> Result<Value> {
        self.schema(schema, 0)
    }

    /// Attaches to `root` the definitions it reaches, and no others.
    pub fn close(&self, mut root: Object) -> Object {
        let mut needed = BTreeMap::new();
        self.reach_object(&root, &mut needed);
        if !needed.is_empty() {
            let defs = needed.into_iter().map(|(k, v)| (k.to_owned(), v.clone())).collect();
            root.insert("$defs".to_owned(), Value::Object(defs));
        }
        root
    }

    /// The definition a converted reference names.
    pub fn definition(&self, reference: &str) -> Option<&Value> {
        self.defs.get(reference.strip_prefix("#/$defs/")?)
    }

    fn reach<'a>(&'a self, value: &Value, needed: &mut BTreeMap<&'a str, &'a Value>) {
        match value {
            Value::Object(object) => self.reach_object(object, needed),
            Value::Array(items) => items.iter().for_each(|v| self.reach(v, needed)),
            _ => {}
        }
    }

    fn reach_object<'a>(&'a self, object: &Object, needed: &mut BTreeMap<&'a str, &'a Value>) {
        if let Some(name) =
            object.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"))
            && let Some((name, definition)) = self.defs.get_key_value(name)
            && needed.insert(name, definition).is_none()
        {
            self.reach(definition, needed);
        }
        object.values().for_each(|v| self.reach(v, needed));
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Result<Value> {
        let object = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(object) => object,
            _ => return Err("a schema that is not an object".to_owned()),
        };
        match object.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.reference(reference, object, depth),
            None => self.inline(object, &HashSet::new(), depth),
        }
    }

    /// A schema that is no reference. `hidden` are properties that a schema
    /// around it, of which it is a part, leaves out.
    fn inline(&mut self, object: &Object, hidden: &HashSet<&str>, depth: usize) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let mut out = self.keywords(object, hidden, depth)?;
        if says_nullable(object) {
            out = allow_null(out);
        }
        Ok(Value::Object(out))
    }

    fn reference(&mut self, reference: &str, object: &Object, depth: usize) -> Result<Value> {
        let name = self.define(reference, depth)?;
        self.lost += usize::from(self.lossy.contains(&name));
        let mut out = Object::new();
        let target = json!({"$ref": format!("#/$defs/{name}")});
        let siblings: Object = object
            .iter()
            .filter(|(k, _)| {
                *k != "$ref"
                    && (self.dialect == Dialect::OpenApi31 || KEPT_BESIDE_REF.contains(&k.as_str()))
            })
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        if says_nullable(object) {
            out.insert("anyOf".to_owned(), json!([target, {"type": "null"}]));
        } else if let Value::Object(target) = target {
            out = target;
        }
        if !siblings.is_empty() {
            out.extend(self.keywords(&siblings, &HashSet::new(), depth)?);
        }
        Ok(Value::Object(out))
    }

    /// Converts what `reference` names, once, and gives the name under `$defs`.
    fn define(&mut self, reference: &str, depth: usize) -> Result<String> {
        if let Some(name) = self.names.get(reference) {
            return Ok(name.clone());
        }
        // A chain of references nests as schemas do.
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let library = self.library;
        let target = library.lookup(reference)?;
        let base = suggested_name(reference);
        let mut name = base.clone();
        let mut n = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{base}_{n}");
            n += 1;
        }
        // Named before it is converted, so that recursion ends here.
        self.names.insert(reference.to_owned(), name.clone());
        let before = self.begun.len();
        self.begun.push(reference.to_owned());
        let lost = self.lost;
        match self.schema(target, depth + 1) {
            Ok(converted) => {
                if self.lost > lost {
                    self.lossy.insert(name.clone());
                }
                self.defs.insert(name.clone(), converted);
                Ok(name)
            }
            Err(e) => {
                // With what was converted on the way: it may refer back to this.
                for reference in self.begun.split_off(before) {
                    if let Some(name) = self.names.remove(&reference) {
                        self.taken.remove(&name);
                        self.defs.remove(&name);
                    }
                }
                Err(e)
            }
        }
    }

    fn keywords(
        &mut self,
        schema: &Object,
        hidden: &HashSet<&str>,
        depth: usize,
    ) -> Result<Object> {
        let hidden = hidden::hidden(self.library, self.direction, schema, hidden);
        let lost = self.lost;
        let mut out = Object::new();
        for (key, value) in schema {
            if DROPPED.contains(&key.as_str()) || key.starts_with("x-") {
                continue;
            }
            if let Some(value) = self.keyword(schema, key, value, &hidden, depth)? {
                out.insert(renamed(key, schema).to_owned(), value);
            }
        }
        if schema.contains_key("patternProperties") && !out.contains_key("patternProperties") {
            out.shift_remove("additionalProperties");
        }
        if self.lost > lost {
            without_what_turns(&mut out);
        }
        if let (Some(example), false) = (schema.get("example"), out.contains_key("examples"))
            && !example.is_null()
        {
            out.insert("examples".to_owned(), json!([example]));
        }
        let kind = schema.get("type").and_then(Value::as_str);
        let format = schema.get("format").and_then(Value::as_str);
        if matches!((kind, format), (Some("string"), Some("byte" | "binary")) | (Some("file"), _)) {
            out.insert("contentEncoding".to_owned(), json!("base64"));
        }
        Ok(out)
    }

    /// One keyword converted; `None` when it means nothing in 2020-12.
    fn keyword(
        &mut self,
        schema: &Object,
        key: &str,
        value: &Value,
        hidden: &HashSet<&str>,
        depth: usize,
    ) -> Result<Option<Value>> {
        Ok(match key {
            "type" => types(value),
            "exclusiveMinimum" | "exclusiveMaximum" => exclusive(schema, key, value),
            "minimum" if schema.get("exclusiveMinimum") == Some(&Value::Bool(true)) => None,
            "maximum" if schema.get("exclusiveMaximum") == Some(&Value::Bool(true)) => None,
            "minimum" | "maximum" => value.is_number().then(|| value.clone()),
            "multipleOf" => value.as_f64().filter(|n| *n > 0.0).map(|_| value.clone()),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" | "minContains" | "maxContains" => {
                value.as_u64().map(|_| value.clone())
            }
            "description" | "title" => value.as_str().map(|s| Value::String(super::text::clean(s))),
            "pattern" => {
                let said = value.as_str().map(portable);
                self.lost += usize::from(said == Some(None));
                said.flatten().map(Value::String)
            }
            "format" | "contentMediaType" | "contentEncoding" => {
                value.is_string().then(|| value.clone())
            }
            "required" => required(value, hidden),
            "enum" => enumeration(value),
            "examples" => value.as_array().filter(|a| !a.is_empty()).map(|_| value.clone()),
            "items" if value.is_array() => {
                self.list(schema, "prefixItems", value, hidden, depth)?
            }
            "items"
            | "additionalProperties"
            | "not"
            | "propertyNames"
            | "contains"
            | "if"
            | "then"
            | "else"
            | "unevaluatedProperties"
            | "unevaluatedItems"
            | "contentSchema"
            | "additionalItems" => match value {
                Value::Null => None,
                value => Some(self.schema(value, depth + 1)?),
            },
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                self.list(schema, key, value, hidden, depth)?
            }
            "properties" => self.members(value, hidden, depth)?,
            "patternProperties" => self.patterns(value, depth)?,
            "$defs" | "definitions" | "dependentSchemas" => {
                self.members(value, &HashSet::new(), depth)?
            }
            "$dynamicRef" | "$recursiveRef" | "$dynamicAnchor" | "$recursiveAnchor" => {
                return Err(format!("the schema uses `{key}`"));
            }
            _ => Some(value.clone()),
        })
    }

    fn list(
        &mut self,
        schema: &Object,
        key: &str,
        value: &Value,
        hidden: &HashSet<&str>,
        depth: usize,
    ) -> Result<Option<Value>> {
        let Some(items) = value.as_array().filter(|a| !a.is_empty()) else { return Ok(None) };
        let discriminator = match key {
            "oneOf" | "anyOf" => schema.get("discriminator").and_then(Value::as_object),
            _ => None,
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let converted = match item {
                // Parts of the same object; one by reference stands by itself.
                Value::Object(part) if key == "allOf" && !part.contains_key("$ref") => {
                    self.inline(part, hidden, depth + 1)?
                }
                _ => self.schema(item, depth + 1)?,
            };
            out.push(match discriminator {
                Some(d) => tagged(converted, item, d),
                None => converted,
            });
        }
        Ok(Some(Value::Array(out)))
    }

    fn members(
        &mut self,
        value: &Value,
        hidden: &HashSet<&str>,
        depth: usize,
    ) -> Result<Option<Value>> {
        let Some(members) = value.as_object() else { return Ok(None) };
        let mut out = Object::new();
        for (name, schema) in members {
            if !hidden.contains(name.as_str()) {
                out.insert(name.clone(), self.schema(schema, depth + 1)?);
            }
        }
        Ok(Some(Value::Object(out)))
    }

    /// Properties by pattern. One that cannot be said takes all of them with it,
    /// since the rest would be about other properties then.
    fn patterns(&mut self, value: &Value, depth: usize) -> Result<Option<Value>> {
        let mut out = Object::new();
        for (pattern, schema) in value.as_object().into_iter().flatten() {
            let Some(pattern) = portable(pattern) else {
                self.lost += 1;
                return Ok(None);
            };
            out.insert(pattern, self.schema(schema, depth + 1)?);
        }
        Ok(Some(Value::Object(out)))
    }
}

fn too_deep() -> String {
    format!("a schema nested deeper than {DEPTH_MAX} levels")
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
