//! Checks that the jsonschema crate makes: regular expressions of ECMA-262 and
//! `multipleOf`, each bounded.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value, json};

/// What patterns may be tried on, by the memory that they take compiled, in bytes:
/// a match takes up to the product of a pattern's states and a text's length. Larger
/// patterns are left out.
const TEXT_BYTES_MAX: [(usize, usize); 3] =
    [(4 << 10, 1 << 20), (16 << 10, 4 << 10), (64 << 10, 1 << 10)];

/// Steps that a pattern with look-around or back references may take for one text.
const BACKTRACK_MAX: usize = 2_000;

/// The longest text that such a pattern is tried on, in bytes: a look-behind may
/// read all that comes before, at every place.
const BACKTRACKED_BYTES_MAX: usize = 1 << 10;

/// One check, compiled.
#[derive(Debug)]
pub struct Pattern {
    validator: Validator,
    /// What was compiled, for messages.
    pub source: Box<str>,
    /// The longest text that it is tried on, in bytes.
    pub text_bytes_max: usize,
    /// What a match costs besides the length of the text, in steps.
    cost: usize,
}

/// The text is longer than the pattern may be tried on.
pub struct TooLong;

impl Pattern {
    pub fn new(pattern: &str) -> Result<Pattern, String> {
        let schema = json!({ "pattern": pattern });
        let source: Box<str> = pattern.into();
        for (size, text_bytes_max) in TEXT_BYTES_MAX {
            let linear = PatternOptions::regex().size_limit(size);
            if let Ok(validator) = options().with_pattern_options(linear).build(&schema) {
                return Ok(Pattern { validator, source, text_bytes_max, cost: 4 });
            }
        }
        let size = TEXT_BYTES_MAX.last().map_or(0, |(size, _)| *size);
        let backtracking =
            PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_MAX).size_limit(size);
        let built = options().with_pattern_options(backtracking).build(&schema);
        let validator = built.map_err(|e| e.to_string())?;
        Ok(Pattern { validator, source, text_bytes_max: BACKTRACKED_BYTES_MAX, cost: 400 })
    }

    pub fn multiple_of(divisor: &Value) -> Result<Pattern, String> {
        let built = options().build(&json!({ "multipleOf": divisor }));
        let validator = built.map_err(|e| e.to_string())?;
        let source = divisor.to_string().into();
        Ok(Pattern { validator, source, text_bytes_max: 0, cost: 30 })
    }

    pub fn matches(&self, text: &str) -> Result<bool, TooLong> {
        match text.len() <= self.text_bytes_max {
            true => Ok(self.validator.is_valid(&Value::String(text.to_owned()))),
            false => Err(TooLong),
        }
    }

    pub fn divides(&self, number: &Value) -> bool {
        self.validator.is_valid(number)
    }

    /// Steps that one match may be charged with.
    pub fn cost(&self, text: &str) -> usize {
        self.cost + text.len() / if self.cost > 100 { 1 } else { 16 }
    }
}

fn options() -> jsonschema::ValidationOptions<'static> {
    jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(false)
}
