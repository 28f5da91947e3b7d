//! Which operations become tools: `expose`, `include`, `exclude`.

use crate::config::{Expose, Selector, ToolRules};
use crate::openapi::Operation;
use globset::{GlobBuilder, GlobMatcher};

/// The rules of one api, their patterns compiled.
pub struct Selection {
    expose: Expose,
    include: Vec<Compiled>,
    exclude: Vec<Compiled>,
}

/// A selector, its patterns compiled.
#[derive(Default)]
pub struct Compiled {
    operation: Option<GlobMatcher>,
    method: Option<String>,
    path: Option<GlobMatcher>,
    tag: Option<GlobMatcher>,
}

impl Selection {
    pub fn compile(rules: &ToolRules) -> Self {
        Selection {
            expose: rules.expose,
            include: compiled(&rules.include),
            exclude: compiled(&rules.exclude),
        }
    }

    /// Whether an operation becomes a tool.
    pub fn takes(&self, operation: &Operation<'_>) -> bool {
        let listed = self.include.iter().any(|s| s.fits(operation));
        let exposed = match self.expose {
            Expose::All => self.include.is_empty() || listed,
            Expose::ReadOnly => {
                super::request::is_safe(&operation.method) && (self.include.is_empty() || listed)
            }
            Expose::Listed => listed,
        };
        exposed && !self.exclude.iter().any(|s| s.fits(operation))
    }
}

pub fn compiled(selectors: &[Selector]) -> Vec<Compiled> {
    selectors.iter().map(Compiled::of).collect()
}

impl Compiled {
    fn of(selector: &Selector) -> Self {
        // The configuration was checked, so every pattern compiles; one that
        // does not would select nothing.
        let glob = |pattern: &Option<String>| {
            let pattern = pattern.as_deref()?;
            let built = GlobBuilder::new(pattern).literal_separator(true).build();
            built.ok().map(|g| g.compile_matcher())
        };
        Compiled {
            operation: glob(&selector.operation),
            method: selector.method.as_ref().map(|m| m.to_ascii_uppercase()),
            path: glob(&selector.path),
            tag: glob(&selector.tag),
        }
    }

    pub fn fits(&self, operation: &Operation<'_>) -> bool {
        let glob =
            |g: &Option<GlobMatcher>, text: &str| g.as_ref().is_none_or(|g| g.is_match(text));
        glob(&self.operation, operation.id.unwrap_or_default())
            && self.method.as_deref().is_none_or(|m| m == operation.method.as_str())
            && glob(&self.path, operation.path)
            && self.tag.as_ref().is_none_or(|g| operation.tags.iter().any(|t| g.is_match(t)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::USUAL_METHODS;
    use crate::openapi::{Document, operation::operations};
    use serde_json::json;

    #[test]
    fn rules() {
        let d = Document::new(
            json!({"openapi": "3.1.0", "paths": {
                "/pets": {"get": {"operationId": "listPets", "tags": ["pets"]}, "post": {"operationId": "addPet"}},
                "/internal/a/b": {"get": {"operationId": "secret"}},
            }}),
            None,
        )
        .unwrap();
        let (good, _) = operations(&d, &USUAL_METHODS.map(str::to_owned));
        let selector = |operation: &str, method: &str, path: &str, tag: &str| {
            let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
            Selector {
                operation: some(operation),
                method: some(method),
                path: some(path),
                tag: some(tag),
            }
        };
        for (expose, include, exclude, want) in [
            (Expose::All, vec![], vec![], "listPets addPet secret"),
            (Expose::ReadOnly, vec![], vec![], "listPets secret"),
            (Expose::All, vec![], vec![selector("", "", "/internal/**", "")], "listPets addPet"),
            (
                Expose::All,
                vec![],
                vec![selector("", "", "/internal/*", "")],
                "listPets addPet secret",
            ),
            (Expose::Listed, vec![selector("*Pet*", "", "", "")], vec![], "listPets addPet"),
            (Expose::Listed, vec![selector("", "", "", "pets")], vec![], "listPets"),
            (Expose::All, vec![], vec![selector("*", "post", "", "")], "listPets secret"),
            (
                Expose::All,
                vec![selector("", "", "/pets", "")],
                vec![selector("addPet", "", "", "")],
                "listPets",
            ),
        ] {
            let rules = ToolRules { expose, include, exclude, ..ToolRules::default() };
            let selection = Selection::compile(&rules);
            let got: Vec<_> =
                good.iter().filter(|o| selection.takes(o)).filter_map(|o| o.id).collect();
            assert_eq!(got.join(" "), want, "{rules:?}");
        }
    }
}
