//! Properties that do not exist in one direction: `readOnly` ones in requests,
//! `writeOnly` ones in answers.

use super::dialect::Direction;
use super::reference::Library;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// How deep `allOf` is looked into.
const PARTS_DEPTH_MAX: usize = 8;

/// And how many parts: a few lines can compose the same ones over and over.
const PARTS_MAX: usize = 200;

/// What does not exist of a schema: its own properties, those of the parts of
/// its `allOf`, since a sibling may require them, and those of a schema `around`
/// this one. A part that declares a property without the keyword keeps it.
pub fn hidden<'s>(
    library: &'s Library,
    direction: Direction,
    schema: &'s Map<String, Value>,
    around: &HashSet<&'s str>,
) -> HashSet<&'s str> {
    let marker = match direction {
        Direction::Input => "readOnly",
        Direction::Output => "writeOnly",
    };
    let (marked, plain) = (around.clone(), HashSet::new());
    let mut found = Found { library, marker, marked, plain, left: PARTS_MAX };
    found.look(schema, 0);
    found.marked.retain(|name| !found.plain.contains(name));
    found.marked
}

struct Found<'s> {
    library: &'s Library,
    marker: &'static str,
    marked: HashSet<&'s str>,
    plain: HashSet<&'s str>,
    left: usize,
}

impl<'s> Found<'s> {
    fn look(&mut self, schema: &'s Map<String, Value>, depth: usize) {
        let marked = |s: &Value| s.get(self.marker) == Some(&Value::Bool(true));
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            match marked(property) || self.library.follow(property).is_ok_and(marked) {
                true => self.marked.insert(name),
                false => self.plain.insert(name),
            };
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if let (Ok(Value::Object(part)), true) =
                (self.library.follow(part), depth < PARTS_DEPTH_MAX && self.left > 0)
            {
                self.left -= 1;
                self.look(part, depth + 1);
            }
        }
    }
}
