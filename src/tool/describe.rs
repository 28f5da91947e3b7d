//! Title, description and annotations: what a model reads of a tool.

use super::request::{is_idempotent, is_safe};
use crate::config::{Annotations, Override};
use crate::openapi::Operation;
pub use crate::schema::text::clean;

/// The longest description; OpenAI refuses longer ones.
const DESCRIPTION_CHARS_MAX: usize = 1024;
const TITLE_CHARS_MAX: usize = 120;

/// What a client may expect of a call (MCP, ToolAnnotations).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

impl Hints {
    pub fn of(method: &http::Method, over: &Annotations) -> Self {
        let read_only = over.read_only.unwrap_or(is_safe(method));
        Hints {
            read_only,
            destructive: over.destructive.unwrap_or(!read_only),
            idempotent: over.idempotent.unwrap_or(is_idempotent(method)),
            open_world: over.open_world.unwrap_or(true),
        }
    }

    /// The JSON object; `destructiveHint` means nothing beside `readOnlyHint`.
    pub fn json(self) -> serde_json::Value {
        let mut out = serde_json::json!({
            "readOnlyHint": self.read_only,
            "idempotentHint": self.idempotent,
            "openWorldHint": self.open_world,
        });
        if !self.read_only {
            out["destructiveHint"] = self.destructive.into();
        }
        out
    }
}

pub fn title(operation: &Operation<'_>, over: &Override) -> Option<String> {
    if let Some(title) = &over.title {
        return Some(clean(title));
    }
    let summary = operation.summary.unwrap_or_default().trim();
    let first = clean(summary.lines().next().unwrap_or_default());
    let title = if first.is_empty() { words(operation.id.unwrap_or_default()) } else { first };
    let title: String = title.chars().take(TITLE_CHARS_MAX).collect();
    (!title.is_empty()).then_some(title)
}

pub fn description(operation: &Operation<'_>, over: &Override) -> String {
    let text = match &over.description {
        Some(description) => clean(description),
        None => from_document(operation),
    };
    shortened(text, DESCRIPTION_CHARS_MAX)
}

fn from_document(operation: &Operation<'_>) -> String {
    let summary = clean(operation.summary.unwrap_or_default());
    let description = clean(operation.description.unwrap_or_default());
    let mut text = if summary.is_empty() || description.starts_with(&summary) {
        description
    } else if description.is_empty() || summary.starts_with(&description) {
        summary
    } else {
        format!("{summary}\n\n{description}")
    };
    if text.is_empty() {
        text = format!("{} {}", operation.method, operation.path);
    }
    if operation.deprecated { format!("Deprecated. {text}") } else { text }
}

fn shortened(text: String, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text;
    }
    let cut: String = text.chars().take(chars_max - 1).collect();
    format!("{}…", cut.trim_end())
}

/// `listOpenOrders` -> `list Open Orders`.
fn words(id: &str) -> String {
    let mut out = String::new();
    let mut previous_lower = false;
    for c in id.chars() {
        let separator = matches!(c, '_' | '-' | '.' | '/' | ' ');
        if (separator || (c.is_uppercase() && previous_lower)) && !out.ends_with(' ') {
            out.push(' ');
        }
        if !separator {
            out.push(c);
        }
        previous_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    clean(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::USUAL_METHODS;
    use crate::openapi::{Document, operation::operations};
    use serde_json::json;

    #[test]
    fn titles_and_descriptions() {
        let long = "x".repeat(2000);
        for (operation, title_wanted, description_wanted) in [
            (
                json!({"summary": "List pets", "description": "All of them."}),
                Some("List pets"),
                "List pets\n\nAll of them.",
            ),
            (json!({"summary": "List", "description": "List pets."}), Some("List"), "List pets."),
            (json!({"operationId": "listOpenOrders_v2"}), Some("list Open Orders v2"), "GET /a"),
            (json!({}), None, "GET /a"),
            (json!({"summary": "Old", "deprecated": true}), Some("Old"), "Deprecated. Old"),
            (
                json!({"summary": "a\u{202e}b\u{200b}c\u{1b}[31m\u{e0041}"}),
                Some("abc[31m"),
                "abc[31m",
            ),
            (json!({"description": long}), None, &format!("{}…", "x".repeat(1023))),
        ] {
            let d = Document::new(
                json!({"openapi": "3.1.0", "paths": {"/a": {"get": operation}}}),
                None,
            )
            .unwrap();
            let (good, _) = operations(&d, &USUAL_METHODS.map(str::to_owned));
            let over = Override::default();
            assert_eq!(title(&good[0], &over).as_deref(), title_wanted, "{operation}");
            assert_eq!(description(&good[0], &over), description_wanted, "{operation}");
        }
    }

    #[test]
    fn hints_follow_the_method() {
        let of = |m: &str| {
            let h = Hints::of(&m.parse().unwrap(), &Annotations::default());
            (h.read_only, h.destructive, h.idempotent)
        };
        assert_eq!(of("GET"), (true, false, true));
        assert_eq!(of("PUT"), (false, true, true));
        assert_eq!(of("DELETE"), (false, true, true));
        assert_eq!(of("POST"), (false, true, false));
        assert_eq!(of("PATCH"), (false, true, false));
    }
}
