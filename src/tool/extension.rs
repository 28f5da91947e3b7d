//! What a document says of tools in extensions: `x-mcp`, `x-speakeasy-mcp`,
//! `x-openai-isConsequential` and `x-internal`. Heeded only where the operator
//! allows it: a document is not policy. The configuration wins over it.

use super::overrides::over_it;
use crate::config::{Annotations, Override, ResultAs};
use crate::openapi::Operation;
use serde_json::Value;
use std::collections::HashMap;

/// The extensions of one operation.
#[derive(Debug, Default, PartialEq)]
pub struct Extension {
    /// Said to be no tool.
    pub disabled: bool,
    name: Option<String>,
    title: Option<String>,
    description: Option<String>,
    read_only: Option<bool>,
    destructive: Option<bool>,
    idempotent: Option<bool>,
    open_world: Option<bool>,
    passthrough: bool,
}

impl Extension {
    /// Those of all operations, which are named `names` without them. A name
    /// that would stand twice is not heeded: which of them keeps it would depend
    /// on their order.
    pub fn of_all(operations: &[Operation<'_>], names: &[String]) -> Vec<Extension> {
        let mut all: Vec<Extension> = operations.iter().map(Extension::of).collect();
        let mut bearers: HashMap<String, usize> = HashMap::new();
        for (extension, name) in all.iter().zip(names).filter(|(e, _)| !e.disabled) {
            let wanted = extension.name.as_ref().filter(|n| *n != name);
            for name in [Some(name), wanted].into_iter().flatten() {
                *bearers.entry(name.clone()).or_default() += 1;
            }
        }
        for extension in &mut all {
            extension.name = extension.name.take().filter(|n| bearers.get(n) == Some(&1));
        }
        all
    }

    /// Of the path item first, then of the operation, which wins.
    pub fn of(operation: &Operation<'_>) -> Extension {
        let mut out = Extension::default();
        for value in [operation.path_item, operation.value].into_iter().flatten() {
            out.disabled |= value.get("x-internal") == Some(&Value::Bool(true));
            match value.get("x-mcp") {
                Some(Value::Bool(enabled)) => out.disabled = !enabled,
                Some(object @ Value::Object(_)) => out.take(object),
                _ => {}
            }
            if let Some(object) = value.get("x-speakeasy-mcp") {
                out.disabled |= object.get("disabled") == Some(&Value::Bool(true));
                out.take(object);
            }
            if value.get("x-openai-isConsequential") == Some(&Value::Bool(false)) {
                out.destructive = out.destructive.or(Some(false));
            }
        }
        out
    }

    fn take(&mut self, object: &Value) {
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        let hint =
            |key: &str| object.pointer(&format!("/annotations/{key}")).and_then(Value::as_bool);
        if let Some(enabled) = object.get("enabled").and_then(Value::as_bool) {
            self.disabled = !enabled;
        }
        for (slot, key) in [
            (&mut self.name, "name"),
            (&mut self.title, "title"),
            (&mut self.description, "description"),
        ] {
            *slot = text(key).or(slot.take());
        }
        for (slot, key) in [
            (&mut self.read_only, "readOnlyHint"),
            (&mut self.destructive, "destructiveHint"),
            (&mut self.idempotent, "idempotentHint"),
            (&mut self.open_world, "openWorldHint"),
        ] {
            *slot = hint(key).or(*slot);
        }
        self.passthrough |= text("result").as_deref() == Some("passthrough");
    }

    /// The override of an operation: the configuration's, completed by this.
    pub fn under(self, over: &Override) -> Override {
        let said = Override {
            name: self.name.filter(|n| crate::config::is_tool_name(n)),
            title: self.title,
            description: self.description,
            annotations: Annotations {
                read_only: self.read_only,
                destructive: self.destructive,
                idempotent: self.idempotent,
                open_world: self.open_world,
            },
            result: self.passthrough.then_some(ResultAs::Passthrough),
            ..Override::default()
        };
        over_it(over, said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::USUAL_METHODS;
    use crate::openapi::{Document, operation::operations};
    use serde_json::json;

    fn of(path: Value, operation: Value) -> Extension {
        let mut item = path;
        item["get"] = operation;
        let root = json!({"openapi": "3.1.0", "paths": {"/a": item}});
        let d = Document::new(root, None).unwrap();
        let (good, _) = operations(&d, &USUAL_METHODS.map(str::to_owned));
        Extension::of(&good[0])
    }

    #[test]
    fn who_is_disabled() {
        for (path, operation, want) in [
            (json!({}), json!({}), false),
            (json!({}), json!({"x-mcp": false}), true),
            (json!({"x-mcp": false}), json!({}), true),
            (json!({"x-mcp": false}), json!({"x-mcp": true}), false),
            (json!({}), json!({"x-mcp": {"enabled": false}}), true),
            (json!({}), json!({"x-speakeasy-mcp": {"disabled": true}}), true),
            (json!({}), json!({"x-internal": true}), true),
            (json!({}), json!({"x-mcp": "yes"}), false),
        ] {
            assert_eq!(of(path.clone(), operation.clone()).disabled, want, "{path} {operation}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_not_heeded() {
        let named = |name: &str| json!({"get": {"x-mcp": {"name": name}}});
        let paths = json!({"/a": named("x"), "/b": named("x"), "/c": named("get_d"), "/d": named("y"), "/e": named("get_e")});
        let d = Document::new(json!({"openapi": "3.1.0", "paths": paths}), None).unwrap();
        let (all, _) = operations(&d, &USUAL_METHODS.map(str::to_owned));
        let names = ["get_a", "get_b", "get_c", "get_d", "get_e"].map(str::to_owned);
        let got: Vec<Option<String>> =
            Extension::of_all(&all, &names).into_iter().map(|e| e.name).collect();
        assert_eq!(got, [None, None, None, Some("y".into()), Some("get_e".into())]);
    }

    #[test]
    fn the_configuration_wins() {
        let extension = of(
            json!({}),
            json!({"x-mcp": {"name": "from_doc", "title": "T", "annotations": {"destructiveHint": false}, "result": "passthrough"}}),
        );
        let over = Override { name: Some("from_conf".into()), ..Override::default() };
        let merged = extension.under(&over);
        assert_eq!(
            (merged.name.as_deref(), merged.title.as_deref()),
            (Some("from_conf"), Some("T"))
        );
        assert_eq!(
            (merged.annotations.destructive, merged.result),
            (Some(false), Some(ResultAs::Passthrough))
        );
        let illegal = of(json!({}), json!({"x-mcp": {"name": "a b"}}));
        assert_eq!(illegal.under(&Override::default()).name, None);
    }
}
