//! The arguments of a call, checked before anything is sent.

use super::adjust::{Standing, complete};
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::{Entries, entries, string};
use crate::problem::nearest;
use crate::schema::Verdict;
use crate::schema::closure::Closed;
use crate::schema::instance::{Instance, Limits};
use crate::schema::validators::Lazy;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a tool takes.
#[derive(Debug)]
pub struct Arguments {
    pub schema: Lazy,
    /// What agents see instead where the schema is too large for them.
    pub short: Option<Closed>,
    /// All names, in their order.
    pub names: Vec<Box<str>>,
    pub required: Vec<Box<str>>,
    /// Arguments whose type is beyond doubt, for values given as text.
    pub scalars: Vec<(Box<str>, Scalar)>,
    /// Values that the configuration gives.
    pub standing: Vec<Standing>,
}

/// A type that text can be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    Integer,
    Number,
    Boolean,
}

/// The arguments of a schema that are numbers or booleans and nothing else.
pub fn scalars(schema: &Value, coerce: bool) -> Vec<(Box<str>, Scalar)> {
    let properties = schema.get("properties").and_then(Value::as_object).filter(|_| coerce);
    let scalar = |s: &Value| match s.get("type").and_then(Value::as_str)? {
        "integer" => Some(Scalar::Integer),
        "number" => Some(Scalar::Number),
        "boolean" => Some(Scalar::Boolean),
        _ => None,
    };
    let all = properties.into_iter().flatten();
    all.filter_map(|(name, s)| Some((name.as_str().into(), scalar(s)?))).collect()
}

impl Scalar {
    /// The text as JSON, if it is one exactly.
    fn read(self, text: &str) -> Option<&str> {
        let good = match self {
            Scalar::Boolean => matches!(text, "true" | "false"),
            Scalar::Integer => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                !digits.is_empty()
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && (digits == "0" || !digits.starts_with('0'))
            }
            Scalar::Number => {
                text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
                    && serde_json::from_str::<serde_json::Number>(text).is_ok()
            }
        };
        good.then_some(text)
    }
}

/// The longest message about one argument, in characters: a model pays for it.
const MESSAGE_CHARS_MAX: usize = 600;

impl Arguments {
    /// Checks the arguments of one call and gives their text; absent ones are an
    /// empty object.
    pub fn check<'a>(&self, tool: &str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>> {
        let text = match raw.map(RawValue::get) {
            None | Some("null") => "{}",
            Some(text) => text,
        };
        if !text.starts_with('{') {
            return Err(Fault::new(Class::InvalidParams, "`arguments` must be an object"));
        }
        if self.schema.accepts_strictly(text) {
            return Ok(Cow::Borrowed(text));
        }
        let instance = Instance::parse(text, &Limits::STRICT).map_err(|e| {
            Fault::new(Class::ParseError, format!("`arguments` cannot be read: {e}"))
        })?;
        let Err(fault) = self.fits(tool, &instance) else { return Ok(Cow::Borrowed(text)) };
        drop(instance);
        // Only what does not fit as it is gets a second reading.
        let Some(coerced) = self.coerced(text) else { return Err(fault) };
        let instance = Instance::parse(&coerced, &Limits::STRICT).map_err(|_| fault.clone())?;
        self.fits(tool, &instance)?;
        drop(instance);
        Ok(Cow::Owned(coerced))
    }

    /// The members of a checked text.
    pub fn entries<'a>(&self, text: &'a str) -> Result<Entries<'a>> {
        entries(text)
            .map_err(|e| Fault::new(Class::ParseError, format!("`arguments` cannot be read: {e}")))
    }

    /// Adds the values that the configuration gives.
    pub fn complete<'a>(&'a self, entries: &mut Entries<'a>) {
        complete(&self.standing, entries);
    }

    /// The arguments with numbers and booleans that were given as text; `None`
    /// where there are none.
    fn coerced(&self, text: &str) -> Option<String> {
        let entries = entries(text).ok()?;
        // Then one of them is unknown, and no reading helps.
        if entries.len() > self.names.len() {
            return None;
        }
        let mut changed = false;
        let mut out = String::with_capacity(text.len());
        for (name, raw) in &entries {
            out.push(if out.is_empty() { '{' } else { ',' });
            out.push_str(&Value::from(name.as_ref()).to_string());
            out.push(':');
            let is_text = raw.get().starts_with('"');
            let scalar = self.scalars.iter().find(|(n, _)| is_text && **n == **name);
            let read = match scalar {
                Some((_, scalar)) => scalar.read(string(raw.get()).ok()?.trim()).map(str::to_owned),
                None => None,
            };
            changed |= read.is_some();
            out.push_str(read.as_deref().unwrap_or(raw.get()));
        }
        out.push('}');
        changed.then_some(out)
    }

    fn fits(&self, tool: &str, instance: &Instance<'_>) -> Result<()> {
        let given = || instance.root().members().map(|(name, _)| name);
        if let Some(unknown) = given().find(|name| !self.names.iter().any(|n| **n == **name)) {
            return Err(self.unknown(tool, unknown));
        }
        if let Some(missing) = self.required.iter().find(|r| !given().any(|g| *g == ***r)) {
            let message = format!(
                "Invalid arguments for {tool}: `{missing}` is missing. Required: {}.",
                list(&self.required)
            );
            return Err(invalid(message));
        }
        self.schema.check(instance).map_err(|verdict| told(tool, &verdict))
    }

    fn unknown(&self, tool: &str, name: &str) -> Fault {
        let name: String = name.chars().take(64).collect();
        let known = self.names.iter().map(AsRef::as_ref);
        let hint = match nearest(&name, known) {
            Some(near) => format!("Did you mean `{near}`?"),
            None if self.names.is_empty() => "It takes none.".to_owned(),
            None => format!("It takes: {}.", list(&self.names)),
        };
        invalid(format!("Invalid arguments for {tool}: there is no argument `{name}`. {hint}"))
    }
}

/// A verdict in words with which a model can correct itself.
fn told(tool: &str, verdict: &Verdict) -> Fault {
    let place = if verdict.pointer.is_empty() { "/" } else { &verdict.pointer };
    invalid(format!(
        "Invalid arguments for {tool}: at {place}: {} (rule: {}).",
        verdict.message, verdict.rule
    ))
}

/// A message of at most so many characters, its `…` included.
fn invalid(mut message: String) -> Fault {
    if let Some((cut, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
        let keep = message[..cut].char_indices().next_back().map_or(0, |(at, _)| at);
        message.truncate(keep);
        message.push('…');
    }
    Fault::new(Class::InvalidArguments, message)
}

fn list(names: &[Box<str>]) -> String {
    const SHOWN_MAX: usize = 30;
    let mut text =
        names.iter().take(SHOWN_MAX).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Validators;
    use proptest::prelude::*;
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn verdicts_tell_a_model_what_to_change() {
        let schema = json!({
            "type": "object",
            "properties": {"isbn": {"type": "string"}, "per_page": {"type": "integer", "maximum": 50}, "genre": {"enum": ["novel", "poetry"]}},
            "required": ["isbn"],
            "additionalProperties": false,
        });
        let arguments = Arguments {
            schema: Arc::new(Validators::default()).add(schema.to_string().into()),
            short: None,
            names: ["isbn", "per_page", "genre"].map(Into::into).into(),
            required: vec!["isbn".into()],
            scalars: scalars(&schema, true),
            standing: Vec::new(),
        };
        for (text, want) in [
            (r#"{"isbn":"x","per_page":50}"#, &[][..]),
            (r#"{"isbn":"x","per_page":51}"#, &["/per_page", "51", "50", "maximum"]),
            (r#"{"isbn":"x","per_page":"50"}"#, &[]),
            (r#"{"isbn":"x","per_page":"51"}"#, &["/per_page", "maximum"]),
            (r#"{"isbn":"x","per_page":"5x"}"#, &["/per_page", "type"]),
            (r#"{"isbn":7}"#, &["/isbn", "string", "type"]),
            (r#"{"isbn":"x","genre":"novle"}"#, &["/genre", "novel", "enum"]),
            (r#"{"isbm":"x"}"#, &["`isbm`", "Did you mean `isbn`?"]),
            (r#"{"isbn":"x","zzz":1}"#, &["`zzz`", "It takes: `isbn`"]),
            ("{}", &["`isbn` is missing"]),
            ("[]", &["must be an object"]),
            (r#"{"isbn":"x","isbn":"y"}"#, &["duplicate key"]),
        ] {
            let raw: &RawValue = serde_json::from_str(text).unwrap();
            match (arguments.check("t", Some(raw)), want) {
                (Ok(_), []) => {}
                (Err(f), want) => {
                    assert!(!want.is_empty(), "{text}: {f:?}");
                    for part in want {
                        assert!(f.message.contains(part), "{text}: {}", f.message);
                    }
                }
                (Ok(_), _) => panic!("{text} was accepted"),
            }
        }
        assert!(arguments.check("t", None).is_err());
    }

    /// JSON, and what only looks like it.
    fn text() -> impl Strategy<Value = String> {
        let scalars = [
            "null",
            "true",
            "0",
            "-0",
            "01",
            "1.5",
            "1e400",
            "9007199254740993",
            "\"a\"",
            "\"\\u0061\"",
            "\"\\ud800\"",
            "\"\\ud83c\\udf89\"",
            "\"\t\"",
            "x",
            "",
        ];
        let keys = prop::sample::select(vec!["\"a\"", "\"b\"", "\"\\u0061\"", "a"]);
        prop::sample::select(scalars.to_vec()).prop_map(str::to_owned).prop_recursive(
            4,
            16,
            3,
            move |inner| {
                let members = prop::collection::vec((keys.clone(), inner.clone()), 0..3);
                let member = |(k, v): (&str, String)| format!("{k}:{v}");
                prop_oneof![
                    prop::collection::vec(inner, 0..3)
                        .prop_map(|all| format!("[{}]", all.join(","))),
                    members.prop_map(move |all| {
                        let all: Vec<String> = all.into_iter().map(member).collect();
                        format!("{{{}}}", all.join(","))
                    }),
                ]
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_needs_no_tree_has_no_second_meaning(text in text()) {
            for schema in ["true", r#"{"properties":{"a":{},"b":{"type":"object"}}}"#] {
                let schema = Arc::new(Validators::default()).add(schema.to_owned().into());
                if schema.accepts_strictly(&text) {
                    let read = Instance::parse(&text, &Limits::STRICT);
                    prop_assert!(read.is_ok(), "{}", text);
                }
            }
        }
    }

    #[test]
    fn text_is_read_as_a_number_only_where_it_is_one() {
        for (scalar, text, want) in [
            (Scalar::Integer, "7", true),
            (Scalar::Integer, "-12345678901234567890", true),
            (Scalar::Integer, "007", false),
            (Scalar::Integer, "1.0", false),
            (Scalar::Integer, "", false),
            (Scalar::Number, "1.10", true),
            (Scalar::Number, "1e3", true),
            (Scalar::Number, "NaN", false),
            (Scalar::Boolean, "true", true),
            (Scalar::Boolean, "yes", false),
        ] {
            assert_eq!(scalar.read(text).is_some(), want, "{scalar:?} {text}");
        }
    }
}
