//! A schema compiled for checking whole instances, in bounded time.
//!
//! The verdict on a pair of schema and value is computed once and remembered, so
//! that recursive alternatives cost the product of schemas and values and not a
//! power of the depth; and every step is counted against a budget. What the
//! keywords mean is JSON Schema 2020-12; formats are not asserted.

mod compile;
mod equal;
mod explain;
mod naming;
mod pattern;
mod run;
mod unevaluated;

use super::instance::{Instance, Number};
use pattern::Pattern;
use serde_json::Value;

/// Steps of one check: schemas applied to values, and members, elements and
/// characters looked at. They take about 30 ns each.
const STEPS_BASE: usize = 200_000;
/// More for each node of the instance.
const STEPS_PER_NODE: usize = 2;

/// Schemas applied within each other, in place and to nested values. Instances
/// nest up to 128 levels, of a few schemas each; the stack holds this many.
const NESTING_MAX: usize = 320;

/// The rule of a verdict that the budget forced.
pub const BUDGET: &str = "budget";

/// What a check says of a value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// JSON pointer to the part that does not fit; empty for the whole.
    pub pointer: String,
    /// The keyword that refused it, or [`BUDGET`].
    pub rule: String,
    pub message: String,
}

/// A compiled schema.
#[derive(Debug)]
pub struct Program {
    schemas: Vec<Schema>,
    root: usize,
    patterns: Vec<Pattern>,
}

/// One schema: all of its rules must hold. Cheap ones come first.
#[derive(Debug, Default)]
struct Schema {
    rules: Vec<Rule>,
    /// Whether it applies others: then its verdict may be remembered.
    applies: bool,
}

/// Index of a schema.
type Id = usize;

#[derive(Debug)]
enum Rule {
    Never,
    /// A set of types, as [`types`] has them.
    Type(u8),
    Const(Value),
    Enum(Enumeration),
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    /// A pattern of its own kind: the divisor is checked by the jsonschema crate.
    MultipleOf(Number, usize),
    MinLength(u64),
    MaxLength(u64),
    Pattern(usize),
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    MinProperties(u64),
    MaxProperties(u64),
    DependentRequired(Vec<(Box<str>, Vec<Box<str>>)>),
    Members(Members),
    PropertyNames(Id),
    Elements {
        prefix: Vec<Id>,
        others: Option<Id>,
    },
    Contains {
        schema: Id,
        min: u64,
        max: u64,
    },
    DependentSchemas(Vec<(Box<str>, Id)>),
    Reference(Id),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        or_else: Option<Id>,
    },
    UnevaluatedItems(Id),
    UnevaluatedProperties(Id),
}

/// `enum`: its texts sorted, and all else.
#[derive(Debug)]
struct Enumeration {
    texts: Vec<Box<str>>,
    others: Vec<Value>,
    /// In the order of the document, for messages.
    shown: Vec<Value>,
    more: bool,
}

/// `properties`, `required`, `patternProperties` and `additionalProperties`.
#[derive(Debug, Default)]
struct Members {
    /// Sorted by name.
    named: Vec<Member>,
    /// How many of them are required.
    required: usize,
    by_pattern: Vec<(usize, Id)>,
    others: Option<Id>,
}

#[derive(Debug)]
struct Member {
    name: Box<str>,
    /// None where it is only required.
    schema: Option<Id>,
    required: bool,
}

impl Members {
    fn find(&self, name: &str) -> Option<usize> {
        self.named.binary_search_by(|m| (*m.name).cmp(name)).ok()
    }
}

impl Program {
    /// Compiles a schema of dialect 2020-12 whose references lead into itself.
    /// Refuses what it cannot read: a reference to nothing, a pattern that no
    /// engine takes.
    pub fn new(schema: &Value) -> Result<Program, String> {
        compile::compile(schema)
    }

    /// Whether an instance fits; otherwise the first thing that does not.
    pub fn check(&self, instance: &Instance<'_>) -> Result<(), Verdict> {
        let mut run = run::Run::new(self, instance);
        match run.holds(self.root, instance.root()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(explain::explain(&mut run, instance)),
            Err(run::TooMuch) => Err(too_much()),
        }
    }
}

fn too_much() -> Verdict {
    Verdict {
        pointer: String::new(),
        rule: BUDGET.to_owned(),
        message: "the value takes too much work to check; give a smaller or flatter one".to_owned(),
    }
}

/// Types as bits of a set.
mod types {
    pub const NULL: u8 = 1;
    pub const BOOLEAN: u8 = 2;
    pub const INTEGER: u8 = 4;
    /// Numbers that are no integers.
    pub const FRACTION: u8 = 8;
    pub const STRING: u8 = 16;
    pub const ARRAY: u8 = 32;
    pub const OBJECT: u8 = 64;
    pub const NUMBER: u8 = INTEGER | FRACTION;

    pub const NAMES: [(&str, u8); 7] = [
        ("null", NULL),
        ("boolean", BOOLEAN),
        ("integer", INTEGER),
        ("number", NUMBER),
        ("string", STRING),
        ("array", ARRAY),
        ("object", OBJECT),
    ];
}

#[cfg(test)]
mod tests;
