//! Compiled validators, made when first needed and bounded in number.
//!
//! A large document has thousands of schemas of which an agent uses a few; a
//! compiled one can take a megabyte. The call path reads an atomic pointer.

use super::closure::Closed;
use super::evaluate::{Program, Verdict};
use super::instance::{Instance, Limits};
use super::keywords::without_what_turns;
use super::outline::Outline;
use arc_swap::ArcSwapOption;
use jsonschema::Draft;
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

/// Validators kept compiled over all tools. 512 of median size take 10 MiB.
pub const COMPILED_MAX: usize = 512;

/// All validators of the process.
#[derive(Default)]
pub struct Validators {
    clock: AtomicU64,
    compiled: Mutex<Vec<Weak<Cell>>>,
}

/// One schema and, while it is in use, its validator.
pub struct Lazy {
    cell: Arc<Cell>,
    owner: Arc<Validators>,
}

struct Cell {
    /// The schema's text: a tree would take several times its size.
    schema: Closed,
    ready: ArcSwapOption<Compiled>,
    last_used: AtomicU64,
}

struct Compiled {
    outline: Outline,
    /// Compiled when the outline does not decide: most schemas never need it.
    /// `None` when the schema does not compile: then nothing is checked, and the
    /// upstream decides.
    program: OnceLock<Option<Program>>,
}

impl Validators {
    /// Takes a schema in; it is compiled at its first use.
    pub fn add(self: &Arc<Self>, schema: Closed) -> Lazy {
        let cell = Cell { schema, ready: ArcSwapOption::empty(), last_used: AtomicU64::new(0) };
        Lazy { cell: Arc::new(cell), owner: self.clone() }
    }

    fn admit(&self, cell: &Arc<Cell>) {
        let Ok(mut compiled) = self.compiled.lock() else { return };
        compiled.retain(|w| w.strong_count() > 0);
        if compiled.len() >= COMPILED_MAX {
            let oldest = compiled
                .iter()
                .enumerate()
                .filter_map(|(i, w)| Some((w.upgrade()?.last_used.load(Ordering::Relaxed), i)))
                .min();
            if let Some((_, i)) = oldest
                && let Some(cell) = compiled.swap_remove(i).upgrade()
            {
                cell.ready.store(None);
            }
        }
        compiled.push(Arc::downgrade(cell));
    }
}

impl Lazy {
    /// Whether a text is JSON and fits, where that can be told while it is read.
    /// `false` says nothing: parse it and [`check`](Lazy::check).
    pub fn accepts(&self, text: &str) -> bool {
        self.with(|compiled| compiled.outline.accepts(text))
    }

    /// The same of a stranger's text, in which nothing may have a second meaning.
    pub fn accepts_strictly(&self, text: &str) -> bool {
        self.with(|compiled| compiled.outline.accepts_strictly(text))
    }

    /// Checks an instance; the first thing that does not fit is told.
    pub fn check(&self, instance: &Instance<'_>) -> Result<(), Verdict> {
        self.with(|compiled| compiled.check(&self.cell.schema, instance))
    }

    fn with<T>(&self, use_it: impl FnOnce(&Compiled) -> T) -> T {
        let now = self.owner.clock.fetch_add(1, Ordering::Relaxed);
        self.cell.last_used.store(now, Ordering::Relaxed);
        match &*self.cell.ready.load() {
            Some(compiled) => use_it(compiled),
            None => {
                let compiled = Arc::new(Compiled::new(&self.cell.schema.to_vec()));
                self.cell.ready.store(Some(compiled.clone()));
                self.owner.admit(&self.cell);
                use_it(&compiled)
            }
        }
    }

    /// The schema's text.
    pub fn schema(&self) -> &Closed {
        &self.cell.schema
    }
}

impl Compiled {
    fn new(schema: &[u8]) -> Self {
        let schema = serde_json::from_slice(schema).unwrap_or_default();
        Compiled { outline: Outline::new(&schema), program: OnceLock::new() }
    }

    fn check(&self, schema: &Closed, instance: &Instance<'_>) -> Result<(), Verdict> {
        let program = self.program.get_or_init(|| compile(&schema.to_vec()));
        program.as_ref().map_or(Ok(()), |program| program.check(instance))
    }
}

impl std::fmt::Debug for Lazy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lazy")
    }
}

/// Compiles a schema. A pattern that the engine refuses is dropped, not the
/// schema: ECMA-262 allows some that no Rust engine reads.
fn compile(schema: &[u8]) -> Option<Program> {
    let mut schema: Value = serde_json::from_slice(schema).ok()?;
    match Program::new(&schema) {
        Ok(program) => Some(program),
        Err(first) => {
            drop_patterns(&mut schema);
            Program::new(&schema)
                .inspect_err(|e| tracing::warn!("a schema does not compile: {first}; then {e}"))
                .ok()
        }
    }
}

/// Whether a value fits a schema. Compiles it each time: for use at load.
pub fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    let Some(program) = compile(schema.to_string().as_bytes()) else { return Ok(()) };
    let text = value.to_string();
    let instance = Instance::parse(&text, &Limits::ANSWER).map_err(|e| e.to_string())?;
    program.check(&instance).map_err(|verdict| match verdict.pointer.as_str() {
        "" => verdict.message,
        pointer => format!("at {pointer}: {}", verdict.message),
    })
}

/// Whether a schema is one by its own rules, patterns aside.
pub fn compiles(schema: &Value) -> Result<(), String> {
    let mut schema = schema.clone();
    drop_patterns(&mut schema);
    let options = jsonschema::options().with_draft(Draft::Draft202012);
    options.build(&schema).map(drop).map_err(|e| e.to_string())?;
    Program::new(&schema).map(drop)
}

/// Drops every pattern, and whatever could refuse more without them.
fn drop_patterns(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.shift_remove("pattern");
            if object.shift_remove("patternProperties").is_some() {
                object.shift_remove("additionalProperties");
            }
            without_what_turns(object);
            for (key, value) in object.iter_mut() {
                match (key.as_str(), value) {
                    // Names of the document's, not keywords.
                    ("properties" | "$defs" | "dependentSchemas", Value::Object(members)) => {
                        members.values_mut().for_each(drop_patterns);
                    }
                    ("enum" | "const" | "default" | "examples", _) => {}
                    (_, value) => drop_patterns(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_patterns),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lazy(owner: &Arc<Validators>, schema: &Value) -> Lazy {
        owner.add(schema.to_string().into())
    }

    fn check(lazy: &Lazy, value: &Value) -> Result<(), Verdict> {
        let text = value.to_string();
        lazy.check(&Instance::parse(&text, &Limits::STRICT).unwrap())
    }

    #[test]
    fn a_verdict_names_the_place_and_the_rule() {
        let owner = Arc::new(Validators::default());
        let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"minimum": 3}}}});
        let v = check(&lazy(&owner, &schema), &json!({"a": [5, 1]})).unwrap_err();
        assert_eq!((v.pointer.as_str(), v.rule.as_str()), ("/a/1", "minimum"));
    }

    #[test]
    fn without_its_patterns_a_schema_takes_no_less() {
        let owner = Arc::new(Validators::default());
        let schema = json!({
            "properties": {"a": {"pattern": "[^]"}, "pattern": {"type": "string"}, "not": {}},
            "additionalProperties": false,
            "not": {"$ref": "#/$defs/B"},
            "oneOf": [{"$ref": "#/$defs/B"}, {"type": "object"}],
            "$defs": {"B": {"properties": {"a": {"pattern": "[^]"}}}},
        });
        let lazy = lazy(&owner, &schema);
        for value in [json!({"a": "x"}), json!({"pattern": "x"}), json!({"not": 1})] {
            assert!(check(&lazy, &value).is_ok(), "{value}");
        }
        assert!(check(&lazy, &json!({"b": 1})).is_err());
        assert!(check(&lazy, &json!({"pattern": 1})).is_err());
    }

    #[test]
    fn a_pattern_no_engine_reads_costs_the_pattern_only() {
        let owner = Arc::new(Validators::default());
        let schema = json!({"type": "string", "pattern": "[^]", "minLength": 2});
        let lazy = lazy(&owner, &schema);
        assert!(check(&lazy, &json!("ab")).is_ok());
        assert!(check(&lazy, &json!("a")).is_err());
    }

    #[test]
    fn a_hostile_pattern_ends_quickly_as_an_error() {
        let owner = Arc::new(Validators::default());
        let lazy = lazy(&owner, &json!({"pattern": "^(?=(a+)+$)b"}));
        assert!(check(&lazy, &json!("a".repeat(60))).is_err());
    }

    #[test]
    fn only_so_many_stay_compiled() {
        let owner = Arc::new(Validators::default());
        let all: Vec<Lazy> =
            (0..=COMPILED_MAX).map(|i| lazy(&owner, &json!({"minLength": i % 3}))).collect();
        for lazy in &all {
            let _ = check(lazy, &json!("abc"));
        }
        let kept = all.iter().filter(|l| l.cell.ready.load().is_some()).count();
        assert_eq!(kept, COMPILED_MAX);
        assert!(all[0].cell.ready.load().is_none(), "the oldest goes first");
        assert!(check(&all[0], &json!("abc")).is_ok(), "and comes back when needed");
    }

    #[test]
    fn nothing_is_fetched() {
        assert!(compiles(&json!({"$ref": "http://127.0.0.1:9/schema.json"})).is_err());
        assert!(compiles(&json!({"$ref": "file:///etc/passwd"})).is_err());
    }
}
