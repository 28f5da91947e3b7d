//! Compiled validators, made when first needed and bounded in number.
//!
//! A large document has thousands of schemas of which an agent uses a few; a
//! compiled one can take a megabyte. The call path reads an atomic pointer.

use super::keywords::without_what_turns;
use super::outline::Outline;
use arc_swap::ArcSwapOption;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

/// Validators kept compiled over all tools. 512 of median size take 10 MiB.
pub const COMPILED_MAX: usize = 512;

/// Bounds on one pattern of one schema: work and memory of the regex engine.
const PATTERN_BACKTRACK_MAX: usize = 100_000;
const PATTERN_BYTES_MAX: usize = 2 << 20;

/// What a validator says of a value.
#[derive(Debug)]
pub struct Verdict {
    /// JSON pointer to the part that does not fit; empty for the whole.
    pub pointer: String,
    /// The keyword that refused it.
    pub rule: String,
    pub message: String,
}

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
    schema: bytes::Bytes,
    ready: ArcSwapOption<Compiled>,
    last_used: AtomicU64,
}

struct Compiled {
    outline: Outline,
    /// Compiled when the outline does not decide: most schemas never need it.
    /// `None` when the schema does not compile: then nothing is checked, and the
    /// upstream decides.
    validator: OnceLock<Option<Validator>>,
}

impl Validators {
    /// Takes a schema in; it is compiled at its first use.
    pub fn add(self: &Arc<Self>, schema: bytes::Bytes) -> Lazy {
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
    /// Whether a text is JSON and fits, where that can be told without a tree of
    /// it. `false` says nothing: parse it and [`check`](Lazy::check).
    pub fn accepts(&self, text: &str) -> bool {
        self.with(|compiled| compiled.outline.accepts(text))
    }

    /// The same of a stranger's text, in which nothing may have a second meaning.
    pub fn accepts_strictly(&self, text: &str) -> bool {
        self.with(|compiled| compiled.outline.accepts_strictly(text))
    }

    /// Checks a value; the first thing that does not fit is told.
    pub fn check(&self, value: &Value) -> Result<(), Verdict> {
        self.with(|compiled| compiled.check(&self.cell.schema, value))
    }

    fn with<T>(&self, use_it: impl FnOnce(&Compiled) -> T) -> T {
        let now = self.owner.clock.fetch_add(1, Ordering::Relaxed);
        self.cell.last_used.store(now, Ordering::Relaxed);
        match &*self.cell.ready.load() {
            Some(compiled) => use_it(compiled),
            None => {
                let compiled = Arc::new(Compiled::new(&self.cell.schema));
                self.cell.ready.store(Some(compiled.clone()));
                self.owner.admit(&self.cell);
                use_it(&compiled)
            }
        }
    }

    /// The schema's text.
    pub fn schema(&self) -> &bytes::Bytes {
        &self.cell.schema
    }
}

impl Compiled {
    fn new(schema: &[u8]) -> Self {
        let schema = serde_json::from_slice(schema).unwrap_or_default();
        Compiled { outline: Outline::new(&schema), validator: OnceLock::new() }
    }

    fn check(&self, schema: &[u8], value: &Value) -> Result<(), Verdict> {
        let validator = self.validator.get_or_init(|| compile(schema));
        let Some(validator) = validator else { return Ok(()) };
        // The first error only: collecting all of them can take exponential
        // time on schemas with alternatives.
        validator.validate(value).map_err(|e| Verdict {
            pointer: e.instance_path().to_string(),
            rule: e.kind().keyword().to_owned(),
            message: words(&e),
        })
    }
}

/// The error in words; an enumeration names all it allows, within reason.
fn words(e: &jsonschema::ValidationError<'_>) -> String {
    const OPTIONS_MAX: usize = 30;
    if let jsonschema::error::ValidationErrorKind::Enum { options } = e.kind()
        && let Some(all) = options.as_array()
    {
        let shown: Vec<String> = all.iter().take(OPTIONS_MAX).map(Value::to_string).collect();
        let more = if all.len() > OPTIONS_MAX { ", …" } else { "" };
        let value: String = e.instance().to_string().chars().take(100).collect();
        return format!("{value} is not one of {}{more}", shown.join(", "));
    }
    e.to_string()
}

impl std::fmt::Debug for Lazy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lazy")
    }
}

/// Compiles a schema. A pattern that the engine refuses is dropped, not the
/// schema: ECMA-262 allows some that no Rust engine reads.
fn compile(schema: &[u8]) -> Option<Validator> {
    let mut schema: Value = serde_json::from_slice(schema).ok()?;
    match build(&schema) {
        Ok(validator) => Some(validator),
        Err(first) => {
            drop_patterns(&mut schema);
            build(&schema)
                .inspect_err(|e| tracing::warn!("a schema does not compile: {first}; then {e}"))
                .ok()
        }
    }
}

/// Whether a value fits a schema. Compiles it each time: for use at load.
pub fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    match build(schema) {
        Ok(validator) => validator.validate(value).map_err(|e| e.to_string()),
        Err(_) => Ok(()),
    }
}

/// Whether a schema compiles at all, patterns aside.
pub fn compiles(schema: &Value) -> Result<(), String> {
    match build(schema) {
        Ok(_) => Ok(()),
        Err(_) => {
            let mut schema = schema.clone();
            drop_patterns(&mut schema);
            build(&schema).map(drop).map_err(|e| e.to_string())
        }
    }
}

fn build(schema: &Value) -> Result<Validator, jsonschema::ValidationError<'static>> {
    let patterns = PatternOptions::fancy_regex()
        .backtrack_limit(PATTERN_BACKTRACK_MAX)
        .size_limit(PATTERN_BYTES_MAX);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(patterns)
        .should_validate_formats(false)
        .build(schema)
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

    #[test]
    fn a_verdict_names_the_place_and_the_rule() {
        let owner = Arc::new(Validators::default());
        let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"minimum": 3}}}});
        let v = lazy(&owner, &schema).check(&json!({"a": [5, 1]})).unwrap_err();
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
            assert!(lazy.check(&value).is_ok(), "{value}");
        }
        assert!(lazy.check(&json!({"b": 1})).is_err());
        assert!(lazy.check(&json!({"pattern": 1})).is_err());
    }

    #[test]
    fn a_pattern_no_engine_reads_costs_the_pattern_only() {
        let owner = Arc::new(Validators::default());
        let schema = json!({"type": "string", "pattern": "[^]", "minLength": 2});
        let lazy = lazy(&owner, &schema);
        assert!(lazy.check(&json!("ab")).is_ok());
        assert!(lazy.check(&json!("a")).is_err());
    }

    #[test]
    fn a_hostile_pattern_ends_quickly_as_an_error() {
        let owner = Arc::new(Validators::default());
        let lazy = lazy(&owner, &json!({"pattern": "^(?=(a+)+$)b"}));
        assert!(lazy.check(&json!("a".repeat(60))).is_err());
    }

    #[test]
    fn only_so_many_stay_compiled() {
        let owner = Arc::new(Validators::default());
        let all: Vec<Lazy> =
            (0..=COMPILED_MAX).map(|i| lazy(&owner, &json!({"minLength": i % 3}))).collect();
        for lazy in &all {
            let _ = lazy.check(&json!("abc"));
        }
        let kept = all.iter().filter(|l| l.cell.ready.load().is_some()).count();
        assert_eq!(kept, COMPILED_MAX);
        assert!(all[0].cell.ready.load().is_none(), "the oldest goes first");
        assert!(all[0].check(&json!("abc")).is_ok(), "and comes back when needed");
    }

    #[test]
    fn nothing_is_fetched() {
        assert!(compiles(&json!({"$ref": "http://127.0.0.1:9/schema.json"})).is_err());
        assert!(compiles(&json!({"$ref": "file:///etc/passwd"})).is_err());
    }
}
