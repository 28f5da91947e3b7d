//! Overlay 1.0 and 1.1: changes that are applied to a document as it is read, so that a
//! provider's file stays as it came.

use serde_json::Value;
use serde_json_path::JsonPath;

/// Applies the actions of an overlay in their order. Gives a warning for each
/// that changed nothing; an overlay that is none is an error.
pub fn apply(document: &mut Value, overlay: &Value) -> Result<Vec<String>, String> {
    match overlay.get("overlay").and_then(Value::as_str) {
        Some(version) if version.starts_with("1.") => {}
        Some(version) => {
            return Err(format!("Overlay {version} is not supported; 1.0 and 1.1 are"));
        }
        None => return Err("the file has no `overlay` version; is it an Overlay?".to_owned()),
    }
    let Some(actions) = overlay.get("actions").and_then(Value::as_array) else {
        return Err("the overlay has no `actions`".to_owned());
    };
    let mut warnings = Vec::new();
    for action in actions {
        let Some(target) = action.get("target").and_then(Value::as_str) else {
            warnings.push("an action without a `target`".to_owned());
            continue;
        };
        match act(document, target, action) {
            Ok(0) => warnings.push(format!("`{target}` finds nothing")),
            Ok(_) => {}
            Err(e) => warnings.push(format!("`{target}`: {e}")),
        }
    }
    Ok(warnings)
}

/// Applies one action; gives the number of places it found.
fn act(document: &mut Value, target: &str, action: &Value) -> Result<usize, String> {
    let path = JsonPath::parse(target).map_err(|e| e.to_string())?;
    let found: Vec<String> =
        path.query_located(document).locations().map(|l| l.to_json_pointer()).collect();
    if action.get("remove") == Some(&Value::Bool(true)) {
        // From the back: removing an element moves those after it.
        for pointer in found.iter().rev() {
            remove(document, pointer);
        }
    } else if let Some(source) = action.get("copy").and_then(Value::as_str) {
        let copied = one(document, source)?;
        update(document, &found, &copied);
    } else if let Some(value) = action.get("update") {
        update(document, &found, value);
    }
    Ok(found.len())
}

/// What a `copy` is taken from (1.1): exactly one place.
fn one(document: &Value, source: &str) -> Result<Value, String> {
    let path = JsonPath::parse(source).map_err(|e| format!("`copy`: {e}"))?;
    let found = path.query(document).exactly_one();
    found.cloned().map_err(|_| format!("`copy` must find one place, and `{source}` does not"))
}

fn update(document: &mut Value, pointers: &[String], value: &Value) {
    for pointer in pointers {
        if let Some(place) = document.pointer_mut(pointer) {
            merge(place, value);
        }
    }
}

fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    match document.pointer_mut(parent) {
        Some(Value::Object(object)) => {
            object.shift_remove(&last.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            if let Some(i) = last.parse::<usize>().ok().filter(|i| *i < items.len()) {
                items.remove(i);
            }
        }
        _ => {}
    }
}

/// Objects merge member by member, lists grow, all else is replaced (Overlay
/// 1.0, "Action Object").
fn merge(place: &mut Value, update: &Value) {
    match (place, update) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                match old.get_mut(key) {
                    Some(existing) => merge(existing, value),
                    None => {
                        old.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => old.extend(new.iter().cloned()),
        (Value::Array(old), new) => old.push(new.clone()),
        (old, new) => *old = new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn actions() {
        let document = json!({"info": {"title": "a"}, "tags": ["x"], "paths": {"/a": {"get": {"x": 1}, "post": {"x": 2}}, "/b": {"get": {"x": 3}}}});
        for (actions, pointer, want, warnings) in [
            (
                json!([{"target": "$.info", "update": {"title": "b", "version": "1"}}]),
                "/info",
                json!({"title": "b", "version": "1"}),
                0,
            ),
            (
                json!([{"target": "$.paths.*.get", "update": {"x": 9}}]),
                "/paths/~1b/get/x",
                json!(9),
                0,
            ),
            (
                json!([{"target": "$.paths['/a'].post", "remove": true}]),
                "/paths/~1a",
                json!({"get": {"x": 1}}),
                0,
            ),
            (json!([{"target": "$.tags", "update": "y"}]), "/tags", json!(["x", "y"]), 0),
            (
                json!([{"target": "$.tags", "update": ["y", "z"]}]),
                "/tags",
                json!(["x", "y", "z"]),
                0,
            ),
            (json!([{"target": "$.tags[0]", "remove": true}]), "/tags", json!([]), 0),
            (
                json!([{"target": "$.paths['/b']", "copy": "$.paths['/a']"}]),
                "/paths/~1b",
                json!({"get": {"x": 1}, "post": {"x": 2}}),
                0,
            ),
            (
                json!([{"target": "$.info", "copy": "$.paths.*"}, {"target": "$.info", "copy": "$.no"}]),
                "/info",
                json!({"title": "a"}),
                2,
            ),
            (
                json!([{"target": "$.none", "update": {}}, {"target": "$[", "update": {}}, {}]),
                "/tags",
                json!(["x"]),
                3,
            ),
        ] {
            let mut document = document.clone();
            let overlay = json!({"overlay": "1.0.0", "actions": actions});
            let told = apply(&mut document, &overlay).unwrap();
            assert_eq!(document.pointer(pointer), Some(&want), "{overlay}");
            assert_eq!(told.len(), warnings, "{told:?}");
        }
        assert!(apply(&mut json!({}), &json!({"actions": []})).is_err());
        assert!(apply(&mut json!({}), &json!({"overlay": "1.0.0"})).is_err());
    }
}
