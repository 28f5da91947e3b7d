//! A schema -> a program.

use super::pattern::Pattern;
use super::{Enumeration, Id, Member, Members, Program, Rule, Schema, types};
use crate::schema::instance::Number;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// Options of an `enum` that a message can name.
const SHOWN_MAX: usize = 30;

type Object = Map<String, Value>;
type Result<T> = std::result::Result<T, String>;

pub fn compile(root: &Value) -> Result<Program> {
    let mut compiler = Compiler {
        root,
        schemas: Vec::new(),
        patterns: Vec::new(),
        by_pattern: HashMap::new(),
        by_pointer: HashMap::new(),
        waiting: Vec::new(),
    };
    let id = compiler.referred("#")?;
    while let Some((schema, id)) = compiler.waiting.pop() {
        compiler.schemas[id] = compiler.schema(schema)?;
    }
    Ok(Program { schemas: compiler.schemas, root: id, patterns: compiler.patterns })
}

struct Compiler<'s> {
    root: &'s Value,
    schemas: Vec<Schema>,
    patterns: Vec<Pattern>,
    by_pattern: HashMap<&'s str, usize>,
    by_pointer: HashMap<String, Id>,
    /// Schemas that have a place and no rules yet.
    waiting: Vec<(&'s Value, Id)>,
}

impl<'s> Compiler<'s> {
    /// A place for a schema, which is compiled later: nesting costs no stack.
    fn place(&mut self, schema: &'s Value) -> Result<Id> {
        // A bare reference is what it names.
        if let Some(object) = schema.as_object().filter(|o| o.len() == 1)
            && let Some(reference) = object.get("$ref").and_then(Value::as_str)
        {
            return self.referred(reference);
        }
        let id = self.schemas.len();
        self.schemas.push(Schema::default());
        self.waiting.push((schema, id));
        Ok(id)
    }

    fn places(&mut self, schemas: &'s Value) -> Result<Vec<Id>> {
        schemas.as_array().into_iter().flatten().map(|s| self.place(s)).collect()
    }

    fn referred(&mut self, reference: &str) -> Result<Id> {
        if let Some(id) = self.by_pointer.get(reference) {
            return Ok(*id);
        }
        let nothing = || format!("`$ref: {reference}` points at nothing");
        let pointer = reference.strip_prefix('#').ok_or_else(nothing)?;
        let schema = self.root.pointer(pointer).ok_or_else(nothing)?;
        // A place of its own, even for a bare reference: they may form a circle.
        let id = self.schemas.len();
        self.schemas.push(Schema::default());
        self.by_pointer.insert(reference.to_owned(), id);
        self.waiting.push((schema, id));
        Ok(id)
    }

    fn schema(&mut self, schema: &'s Value) -> Result<Schema> {
        let object = match schema {
            Value::Bool(true) => return Ok(Schema::default()),
            Value::Object(object) => object,
            _ => return Ok(Schema { rules: vec![Rule::Never], applies: false }),
        };
        let mut rules = Vec::new();
        self.assertions(object, &mut rules)?;
        let own = rules.len();
        self.applicators(object, &mut rules)?;
        Ok(Schema { applies: rules.len() > own, rules })
    }

    /// Rules about the value itself.
    fn assertions(&mut self, object: &'s Object, rules: &mut Vec<Rule>) -> Result<()> {
        for (key, value) in object {
            let count = value.as_u64();
            let rule = match key.as_str() {
                "type" => types_of(value).map(Rule::Type),
                "const" => Some(Rule::Const(value.clone())),
                "enum" => value.as_array().map(|all| Rule::Enum(enumeration(all))),
                "minimum" => number(value).map(Rule::Minimum),
                "maximum" => number(value).map(Rule::Maximum),
                "exclusiveMinimum" => number(value).map(Rule::ExclusiveMinimum),
                "exclusiveMaximum" => number(value).map(Rule::ExclusiveMaximum),
                "multipleOf" => match number(value) {
                    Some(divisor) => {
                        let index = self.patterns.len();
                        self.patterns.push(Pattern::multiple_of(value)?);
                        Some(Rule::MultipleOf(divisor, index))
                    }
                    None => None,
                },
                "minLength" => count.map(Rule::MinLength),
                "maxLength" => count.map(Rule::MaxLength),
                "minItems" => count.map(Rule::MinItems),
                "maxItems" => count.map(Rule::MaxItems),
                "uniqueItems" => (value == &Value::Bool(true)).then_some(Rule::UniqueItems),
                "minProperties" => count.map(Rule::MinProperties),
                "maxProperties" => count.map(Rule::MaxProperties),
                "dependentRequired" => Some(Rule::DependentRequired(dependent(value))),
                "pattern" => match value.as_str() {
                    Some(pattern) => Some(Rule::Pattern(self.pattern(pattern)?)),
                    None => None,
                },
                _ => None,
            };
            rules.extend(rule);
        }
        // The type decides most and costs least.
        rules.sort_by_key(|rule| match rule {
            Rule::Type(_) => 0,
            Rule::Pattern(_) | Rule::MultipleOf(..) | Rule::UniqueItems => 2,
            _ => 1,
        });
        Ok(())
    }

    /// Rules that apply other schemas, those that tell alternatives apart first.
    fn applicators(&mut self, object: &'s Object, rules: &mut Vec<Rule>) -> Result<()> {
        let get = |key: &str| object.get(key);
        if let Some(members) = self.members(object)? {
            rules.push(Rule::Members(members));
        }
        if let Some(schema) = get("propertyNames") {
            rules.push(Rule::PropertyNames(self.place(schema)?));
        }
        if let Some(schemas) = get("dependentSchemas").and_then(Value::as_object) {
            let all = schemas.iter().map(|(name, s)| Ok((name.as_str().into(), self.place(s)?)));
            rules.push(Rule::DependentSchemas(all.collect::<Result<_>>()?));
        }
        let prefix = get("prefixItems").map(|s| self.places(s)).transpose()?.unwrap_or_default();
        let others = get("items").map(|s| self.place(s)).transpose()?;
        if others.is_some() || !prefix.is_empty() {
            rules.push(Rule::Elements { prefix, others });
        }
        if let Some(schema) = get("contains") {
            let schema = self.place(schema)?;
            let min = get("minContains").and_then(Value::as_u64).unwrap_or(1);
            let max = get("maxContains").and_then(Value::as_u64).unwrap_or(u64::MAX);
            rules.push(Rule::Contains { schema, min, max });
        }
        if let Some(reference) = get("$ref").and_then(Value::as_str) {
            rules.push(Rule::Reference(self.referred(reference)?));
        }
        if let Some(schemas) = get("allOf") {
            rules.push(Rule::AllOf(self.places(schemas)?));
        }
        if let Some(schemas) = get("anyOf") {
            rules.push(Rule::AnyOf(self.places(schemas)?));
        }
        if let Some(schemas) = get("oneOf") {
            rules.push(Rule::OneOf(self.places(schemas)?));
        }
        if let Some(schema) = get("not") {
            rules.push(Rule::Not(self.place(schema)?));
        }
        if let Some(schema) = get("if") {
            let condition = self.place(schema)?;
            let then = get("then").map(|s| self.place(s)).transpose()?;
            let or_else = get("else").map(|s| self.place(s)).transpose()?;
            rules.push(Rule::If { condition, then, or_else });
        }
        // They look at what all the others have looked at.
        if let Some(schema) = get("unevaluatedItems") {
            rules.push(Rule::UnevaluatedItems(self.place(schema)?));
        }
        if let Some(schema) = get("unevaluatedProperties") {
            rules.push(Rule::UnevaluatedProperties(self.place(schema)?));
        }
        Ok(())
    }

    fn members(&mut self, object: &'s Object) -> Result<Option<Members>> {
        let mut named: BTreeMap<&str, Member> = BTreeMap::new();
        for (name, schema) in
            object.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            let schema = Some(self.place(schema)?);
            named.insert(name, Member { name: name.as_str().into(), schema, required: false });
        }
        let required = object.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            let absent = || Member { name: name.into(), schema: None, required: true };
            named.entry(name).or_insert_with(absent).required = true;
        }
        let mut by_pattern = Vec::new();
        let patterns = object.get("patternProperties").and_then(Value::as_object);
        for (pattern, schema) in patterns.into_iter().flatten() {
            by_pattern.push((self.pattern(pattern)?, self.place(schema)?));
        }
        let others = object.get("additionalProperties").map(|s| self.place(s)).transpose()?;
        if named.is_empty() && by_pattern.is_empty() && others.is_none() {
            return Ok(None);
        }
        let named: Vec<Member> = named.into_values().collect();
        let required = named.iter().filter(|m| m.required).count();
        Ok(Some(Members { named, required, by_pattern, others }))
    }

    fn pattern(&mut self, pattern: &'s str) -> Result<usize> {
        if let Some(index) = self.by_pattern.get(pattern) {
            return Ok(*index);
        }
        self.patterns.push(Pattern::new(pattern)?);
        self.by_pattern.insert(pattern, self.patterns.len() - 1);
        Ok(self.patterns.len() - 1)
    }
}

fn types_of(value: &Value) -> Option<u8> {
    let one = |name: &Value| {
        let name = name.as_str()?;
        types::NAMES.iter().find(|(n, _)| *n == name).map(|(_, bits)| *bits)
    };
    match value {
        Value::Array(names) => Some(names.iter().filter_map(one).fold(0, |all, bits| all | bits)),
        name => one(name),
    }
}

pub fn number(value: &Value) -> Option<Number> {
    let integer = value.as_u64().map(i128::from).or_else(|| value.as_i64().map(i128::from));
    integer.map(Number::Integer).or_else(|| value.as_f64().map(Number::Float))
}

fn enumeration(all: &[Value]) -> Enumeration {
    let mut texts: Vec<Box<str>> = all.iter().filter_map(Value::as_str).map(Into::into).collect();
    texts.sort_unstable();
    let others = all.iter().filter(|v| !v.is_string()).cloned().collect();
    let shown = all.iter().take(SHOWN_MAX).cloned().collect();
    Enumeration { texts, others, shown, more: all.len() > SHOWN_MAX }
}

fn dependent(value: &Value) -> Vec<(Box<str>, Vec<Box<str>>)> {
    let names = |list: &Value| -> Vec<Box<str>> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
    };
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, list)| (name.as_str().into(), names(list))).collect()
}
