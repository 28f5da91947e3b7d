//! The arguments of a call, checked before anything is sent.

use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::{Entries, entries};
use crate::jsonrpc::strict;
use crate::problem::nearest;
use crate::schema::Verdict;
use crate::schema::validators::Lazy;
use serde_json::Value;
use serde_json::value::RawValue;

/// What a tool takes.
#[derive(Debug)]
pub struct Arguments {
    pub schema: Lazy,
    /// All names, in their order.
    pub names: Vec<Box<str>>,
    pub required: Vec<Box<str>>,
}

/// The longest message about one argument, in characters: a model pays for it.
const MESSAGE_CHARS_MAX: usize = 600;

impl Arguments {
    /// Checks the arguments of one call; absent ones are an empty object.
    pub fn check<'a>(&self, tool: &str, raw: Option<&'a RawValue>) -> Result<Entries<'a>> {
        let text = match raw.map(RawValue::get) {
            None | Some("null") => "{}",
            Some(text) => text,
        };
        if !text.starts_with('{') {
            return Err(Fault::new(Class::InvalidParams, "`arguments` must be an object"));
        }
        let value = strict::parse(text, &strict::Limits::default()).map_err(|e| {
            Fault::new(Class::ParseError, format!("`arguments` cannot be read: {e}"))
        })?;
        self.fits(tool, &value)?;
        entries(text)
            .map_err(|e| Fault::new(Class::ParseError, format!("`arguments` cannot be read: {e}")))
    }

    fn fits(&self, tool: &str, value: &Value) -> Result<()> {
        let given = value.as_object();
        let given = || given.into_iter().flat_map(|o| o.keys());
        for name in given() {
            if !self.names.iter().any(|n| **n == **name) {
                return Err(self.unknown(tool, name));
            }
        }
        if let Some(missing) = self.required.iter().find(|r| !given().any(|g| **g == ***r)) {
            let message = format!(
                "Invalid arguments for {tool}: `{missing}` is missing. Required: {}.",
                list(&self.required)
            );
            return Err(Fault::new(Class::InvalidArguments, message));
        }
        self.schema.check(value).map_err(|verdict| told(tool, &verdict))
    }

    fn unknown(&self, tool: &str, name: &str) -> Fault {
        let name: String = name.chars().take(64).collect();
        let known = self.names.iter().map(AsRef::as_ref);
        let hint = match nearest(&name, known) {
            Some(near) => format!("Did you mean `{near}`?"),
            None if self.names.is_empty() => "It takes none.".to_owned(),
            None => format!("It takes: {}.", list(&self.names)),
        };
        let message =
            format!("Invalid arguments for {tool}: there is no argument `{name}`. {hint}");
        Fault::new(Class::InvalidArguments, message)
    }
}

/// A verdict in words with which a model can correct itself.
fn told(tool: &str, verdict: &Verdict) -> Fault {
    let place = if verdict.pointer.is_empty() { "/" } else { &verdict.pointer };
    let mut message = format!(
        "Invalid arguments for {tool}: at {place}: {} (rule: {}).",
        verdict.message, verdict.rule
    );
    if message.chars().count() > MESSAGE_CHARS_MAX {
        message = message.chars().take(MESSAGE_CHARS_MAX).collect::<String>() + "…";
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
            names: ["isbn", "per_page", "genre"].map(Into::into).into(),
            required: vec!["isbn".into()],
        };
        for (text, want) in [
            (r#"{"isbn":"x","per_page":50}"#, &[][..]),
            (r#"{"isbn":"x","per_page":51}"#, &["/per_page", "51", "50", "maximum"]),
            (r#"{"isbn":7}"#, &["/isbn", "string", "type"]),
            (r#"{"isbn":"x","genre":"novle"}"#, &["/genre", "novel", "enum"]),
            (r#"{"isbm":"x"}"#, &["`isbm`", "Did you mean `isbn`?"]),
            (r#"{"isbn":"x","zzz":1}"#, &["`zzz`", "It takes: `isbn`"]),
            ("{}", &["`isbn` is missing"]),
            ("[]", &["must be an object"]),
            (r#"{"isbn":"x","isbn":"y"}"#, &["twice"]),
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
}
