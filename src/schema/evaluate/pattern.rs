//! Checks that the jsonschema crate makes: regular expressions of ECMA-262 and
//! `multipleOf`, each bounded.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value, json};

/// Memory of one compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 2 << 20;

/// Steps that a pattern with look-around may take at one place of a text.
const BACKTRACK_MAX: usize = 10_000;

/// The longest text that such a pattern is tried on, in bytes: a look-behind
/// may read all that comes before, at every place.
pub const BACKTRACKED_BYTES_MAX: usize = 1 << 10;

/// The longest text that other patterns are tried on, in bytes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// One check, compiled.
#[derive(Debug)]
pub struct Pattern {
    validator: Validator,
    /// What was compiled, for messages.
    pub source: Box<str>,
    /// Whether its time grows with the text and no faster.
    linear: bool,
}

/// The text is longer than the pattern may be tried on.
pub struct TooLong;

impl Pattern {
    pub fn new(pattern: &str) -> Result<Pattern, String> {
        let schema = json!({ "pattern": pattern });
        let linear = PatternOptions::regex().size_limit(COMPILED_BYTES_MAX);
        if let Ok(validator) = options().with_pattern_options(linear).build(&schema) {
            return Ok(Pattern { validator, source: pattern.into(), linear: true });
        }
        let backtracking = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACK_MAX)
            .size_limit(COMPILED_BYTES_MAX);
        let built = options().with_pattern_options(backtracking).build(&schema);
        let validator = built.map_err(|e| e.to_string())?;
        Ok(Pattern { validator, source: pattern.into(), linear: false })
    }

    pub fn multiple_of(divisor: &Value) -> Result<Pattern, String> {
        let built = options().build(&json!({ "multipleOf": divisor }));
        let validator = built.map_err(|e| e.to_string())?;
        Ok(Pattern { validator, source: divisor.to_string().into(), linear: true })
    }

    pub fn matches(&self, text: &str) -> Result<bool, TooLong> {
        let max = if self.linear { TEXT_BYTES_MAX } else { BACKTRACKED_BYTES_MAX };
        match text.len() <= max {
            true => Ok(self.validator.is_valid(&Value::String(text.to_owned()))),
            false => Err(TooLong),
        }
    }

    pub fn divides(&self, number: &Value) -> bool {
        self.validator.is_valid(number)
    }

    /// Steps that one match may be charged with.
    pub fn cost(&self, text: &str) -> usize {
        match self.linear {
            true => 4 + text.len() / 16,
            false => 100 + text.len() * 4,
        }
    }
}

fn options() -> jsonschema::ValidationOptions<'static> {
    jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(false)
}
