//! `unevaluatedProperties` and `unevaluatedItems` (JSON Schema 2020-12 Core §11):
//! what no schema that holds, beside them or within, has looked at.

use super::run::{Result, Run};
use super::{Id, Rule};
use crate::schema::instance::Item;
use std::collections::HashSet;

/// Which members or elements of a value were looked at, by their order.
struct Seen {
    places: Vec<bool>,
    /// Schemas that were asked: each once.
    asked: HashSet<Id>,
}

impl<'p> Run<'p> {
    pub fn unevaluated_members(
        &mut self,
        beside: &'p [Rule],
        id: Id,
        item: Item<'_>,
    ) -> Result<bool> {
        let values = item.members().map(|(_, value)| value);
        self.rest(beside, id, item, values)
    }

    pub fn unevaluated_items(
        &mut self,
        beside: &'p [Rule],
        id: Id,
        item: Item<'_>,
    ) -> Result<bool> {
        self.rest(beside, id, item, item.elements())
    }

    /// Whether the values inside an item that no rule beside looks at fit a schema.
    fn rest<'i>(
        &mut self,
        beside: &'p [Rule],
        id: Id,
        item: Item<'i>,
        values: impl Iterator<Item = Item<'i>> + Clone,
    ) -> Result<bool> {
        let places = vec![false; values.clone().count()];
        let mut seen = Seen { places, asked: HashSet::new() };
        self.look(beside, item, &mut seen)?;
        for (value, seen) in values.zip(&seen.places) {
            if !seen && !self.holds(id, value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn look_into(&mut self, id: Id, item: Item<'_>, seen: &mut Seen) -> Result<()> {
        match seen.asked.insert(id) && self.holds(id, item)? {
            true => self.look(&self.program.schemas[id].rules, item, seen),
            false => Ok(()),
        }
    }

    /// Marks what rules look at, given that they hold.
    fn look(&mut self, rules: &'p [Rule], item: Item<'_>, seen: &mut Seen) -> Result<()> {
        self.spend(seen.places.len())?;
        for rule in rules {
            match rule {
                Rule::Members(members) => {
                    for (nth, (name, _)) in item.members().enumerate() {
                        let found = members.find(name);
                        let mut known = members.others.is_some()
                            || found.is_some_and(|at| members.named[at].schema.is_some());
                        for (pattern, _) in &members.by_pattern {
                            known = known || self.matches(*pattern, name)?;
                        }
                        if let (true, Some(place)) = (known, seen.places.get_mut(nth)) {
                            *place = true;
                        }
                    }
                }
                Rule::Elements { prefix, others } => {
                    let upto = if others.is_some() { usize::MAX } else { prefix.len() };
                    if !item.is_object() {
                        seen.places.iter_mut().take(upto).for_each(|place| *place = true);
                    }
                }
                Rule::Contains { schema, .. } if !item.is_object() => {
                    for (nth, element) in item.elements().enumerate() {
                        if self.holds(*schema, element)?
                            && let Some(place) = seen.places.get_mut(nth)
                        {
                            *place = true;
                        }
                    }
                }
                Rule::DependentSchemas(all) => {
                    for (name, id) in all {
                        if item.member(name).is_some() {
                            self.look_into(*id, item, seen)?;
                        }
                    }
                }
                Rule::Reference(id) => self.look_into(*id, item, seen)?,
                Rule::AllOf(ids) | Rule::AnyOf(ids) | Rule::OneOf(ids) => {
                    for id in ids {
                        self.look_into(*id, item, seen)?;
                    }
                }
                Rule::If { condition, then, or_else } => {
                    self.look_into(*condition, item, seen)?;
                    let chosen = if self.holds(*condition, item)? { then } else { or_else };
                    if let Some(id) = chosen {
                        self.look_into(*id, item, seen)?;
                    }
                }
                // Those within have looked at all the rest.
                Rule::UnevaluatedItems(_) if !item.is_object() => seen.places.fill(true),
                Rule::UnevaluatedProperties(_) if item.is_object() => seen.places.fill(true),
                _ => {}
            }
        }
        Ok(())
    }
}
