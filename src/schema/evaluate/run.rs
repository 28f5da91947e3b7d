//! One check of one instance: verdicts, remembered and counted.

use super::equal::{compare, equals, has_twins};
use super::{Id, Members, NESTING_MAX, Program, Rule, STEPS_BASE, STEPS_PER_NODE, types};
use crate::schema::instance::{Instance, Item, Number, View};
use serde_json::Value;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// The budget is spent, or the stack.
pub struct TooMuch;

pub type Result<T> = std::result::Result<T, TooMuch>;

pub struct Run<'p> {
    pub program: &'p Program,
    steps_left: usize,
    nesting: usize,
    /// Pairs of schema and value whose verdict is known, and those that are being
    /// judged, one within the other.
    held: Pairs,
    refused: Pairs,
    open: Vec<u64>,
    /// How many verdicts are remembered: a share of the text's size.
    remembered_max: usize,
}

type Pairs = HashSet<u64, BuildHasherDefault<Mixed>>;

/// Verdicts that are remembered for any instance, and more for so many bytes.
const REMEMBERED_BASE: usize = 4096;
const BYTES_PER_REMEMBERED: usize = 8;

/// Values with fewer nodes are quicker judged again than looked up.
const REMEMBERED_WEIGHT_MIN: usize = 4;

impl<'p> Run<'p> {
    pub fn new(program: &'p Program, instance: &Instance<'_>) -> Self {
        Run {
            program,
            steps_left: STEPS_BASE + instance.len() * STEPS_PER_NODE,
            nesting: 0,
            held: Pairs::default(),
            refused: Pairs::default(),
            open: Vec::new(),
            remembered_max: REMEMBERED_BASE + instance.bytes() / BYTES_PER_REMEMBERED,
        }
    }

    /// Gives the whole budget again.
    pub fn refill(&mut self, instance: &Instance<'_>) {
        self.open.clear();
        self.steps_left = STEPS_BASE + instance.len() * STEPS_PER_NODE;
    }

    /// Does some work one level deeper in the stack.
    pub fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= NESTING_MAX {
            return Err(TooMuch);
        }
        self.nesting += 1;
        let done = work(self);
        self.nesting -= 1;
        done
    }

    pub fn spend(&mut self, steps: usize) -> Result<()> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(TooMuch)?;
        Ok(())
    }

    /// Whether a value fits a schema.
    pub fn holds(&mut self, id: Id, item: Item<'_>) -> Result<bool> {
        self.spend(1)?;
        let schema = &self.program.schemas[id];
        if !schema.applies {
            return self.all(&schema.rules, item);
        }
        let pair = ((id as u64) << 32) | u64::from(item.id());
        if self.held.contains(&pair) {
            return Ok(true);
        }
        if self.refused.contains(&pair) {
            return Ok(false);
        }
        // A schema that applies itself in place refuses nothing by that.
        let in_place = |open: &&u64| **open as u32 == item.id();
        if self.open.iter().rev().take_while(in_place).any(|open| *open == pair) {
            return Ok(true);
        }
        self.open.push(pair);
        let verdict = self.nested(&schema.rules, item)?;
        self.open.pop();
        let remembered = self.held.len() + self.refused.len();
        if item.weight() >= REMEMBERED_WEIGHT_MIN && remembered < self.remembered_max {
            let pairs = if verdict { &mut self.held } else { &mut self.refused };
            pairs.insert(pair);
        }
        Ok(verdict)
    }

    fn nested(&mut self, rules: &'p [Rule], item: Item<'_>) -> Result<bool> {
        self.deeper(|run| run.all(rules, item))
    }

    fn all(&mut self, rules: &'p [Rule], item: Item<'_>) -> Result<bool> {
        for nth in 0..rules.len() {
            if !self.nth_holds(rules, nth, item)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a value fits one rule of a schema, of which all before it hold.
    pub fn nth_holds(&mut self, rules: &'p [Rule], nth: usize, item: Item<'_>) -> Result<bool> {
        match &rules[nth] {
            Rule::UnevaluatedItems(id) => self.unevaluated_items(&rules[..nth], *id, item),
            Rule::UnevaluatedProperties(id) => self.unevaluated_members(&rules[..nth], *id, item),
            rule => self.rule(rule, item),
        }
    }

    /// Whether a value fits a rule. Rules of other types than the value's do not
    /// concern it.
    fn rule(&mut self, rule: &'p Rule, item: Item<'_>) -> Result<bool> {
        Ok(match rule {
            Rule::Never => false,
            Rule::Type(types) => types & type_of(item) != 0,
            Rule::Const(value) => {
                self.spend(item.weight().min(1000))?;
                equals(item, value)
            }
            Rule::Enum(options) => match item.text() {
                Some(text) => options.texts.binary_search_by(|t| (**t).cmp(text)).is_ok(),
                None => {
                    self.spend(options.others.len())?;
                    options.others.iter().any(|value| equals(item, value))
                }
            },
            Rule::Minimum(_)
            | Rule::Maximum(_)
            | Rule::ExclusiveMinimum(_)
            | Rule::ExclusiveMaximum(_)
            | Rule::MultipleOf(..) => self.number(rule, item)?,
            Rule::MinLength(_) | Rule::MaxLength(_) | Rule::Pattern(_) => self.text(rule, item)?,
            Rule::MinItems(min) => count(item, false).is_none_or(|n| n >= *min),
            Rule::MaxItems(max) => count(item, false).is_none_or(|n| n <= *max),
            Rule::MinProperties(min) => count(item, true).is_none_or(|n| n >= *min),
            Rule::MaxProperties(max) => count(item, true).is_none_or(|n| n <= *max),
            Rule::UniqueItems => {
                self.spend(if item.is_object() { 0 } else { item.weight() * 4 })?;
                !has_twins(item)
            }
            Rule::DependentRequired(all) => {
                for (name, needed) in all {
                    self.spend(1 + members_of(item) * (1 + needed.len()))?;
                    if item.member(name).is_some()
                        && !needed.iter().all(|n| item.member(n).is_some())
                    {
                        return Ok(false);
                    }
                }
                true
            }
            Rule::Members(members) => self.members(members, item)?,
            Rule::PropertyNames(id) => self.names(*id, item)?,
            Rule::Elements { prefix, others } => self.elements(prefix, *others, item)?,
            Rule::Contains { schema, min, max } => {
                let View::Array(_) = item.view() else { return Ok(true) };
                let mut found = 0;
                for element in item.elements() {
                    found += u64::from(self.holds(*schema, element)?);
                }
                *min <= found && found <= *max
            }
            Rule::DependentSchemas(all) => {
                for (name, id) in all {
                    self.spend(1 + members_of(item))?;
                    if item.member(name).is_some() && !self.holds(*id, item)? {
                        return Ok(false);
                    }
                }
                true
            }
            Rule::Reference(id) => self.holds(*id, item)?,
            Rule::AllOf(ids) => {
                for id in ids {
                    if !self.holds(*id, item)? {
                        return Ok(false);
                    }
                }
                true
            }
            Rule::AnyOf(ids) => self.fitting(ids, item, 1)? == 1,
            Rule::OneOf(ids) => self.fitting(ids, item, 2)? == 1,
            Rule::Not(id) => !self.holds(*id, item)?,
            Rule::If { condition, then, or_else } => {
                let chosen = if self.holds(*condition, item)? { then } else { or_else };
                match chosen {
                    Some(id) => self.holds(*id, item)?,
                    None => true,
                }
            }
            // `nth_holds` has them, with the rules beside.
            Rule::UnevaluatedItems(_) | Rule::UnevaluatedProperties(_) => true,
        })
    }

    /// How many of the schemas a value fits, up to `enough`.
    pub fn fitting(&mut self, ids: &[Id], item: Item<'_>, enough: usize) -> Result<usize> {
        let mut count = 0;
        for id in ids {
            count += usize::from(self.holds(*id, item)?);
            if count >= enough {
                break;
            }
        }
        Ok(count)
    }

    fn number(&mut self, rule: &Rule, item: Item<'_>) -> Result<bool> {
        let View::Number(number) = item.view() else { return Ok(true) };
        let is = |bound: &Number, wrong: &[Ordering]| {
            compare(number, *bound).is_none_or(|order| !wrong.contains(&order))
        };
        Ok(match rule {
            Rule::Minimum(bound) => is(bound, &[Ordering::Less]),
            Rule::Maximum(bound) => is(bound, &[Ordering::Greater]),
            Rule::ExclusiveMinimum(bound) => is(bound, &[Ordering::Less, Ordering::Equal]),
            Rule::ExclusiveMaximum(bound) => is(bound, &[Ordering::Greater, Ordering::Equal]),
            Rule::MultipleOf(_, index) => {
                let pattern = &self.program.patterns[*index];
                self.spend(pattern.cost(""))?;
                return Ok(pattern.divides(&value_of(number)));
            }
            _ => true,
        })
    }

    fn text(&mut self, rule: &Rule, item: Item<'_>) -> Result<bool> {
        let Some(text) = item.text() else { return Ok(true) };
        self.spend(text.len() / 64)?;
        // Most texts are too short for their bytes to be more than the bound.
        let chars = || text.chars().count() as u64;
        match rule {
            Rule::MinLength(min) => Ok(text.len() as u64 >= *min && chars() >= *min),
            Rule::MaxLength(max) => Ok(text.len() as u64 <= *max || chars() <= *max),
            Rule::Pattern(index) => self.matches(*index, text),
            _ => Ok(true),
        }
    }

    pub fn matches(&mut self, index: usize, text: &str) -> Result<bool> {
        let pattern = &self.program.patterns[index];
        self.spend(pattern.cost(text))?;
        pattern.matches(text).map_err(|_| TooMuch)
    }

    fn members(&mut self, members: &'p Members, item: Item<'_>) -> Result<bool> {
        let View::Object(_) = item.view() else { return Ok(true) };
        // A bit for each name, so that one that is there twice counts once.
        let mut seen = SmallVec::<[u64; 2]>::from_elem(0, members.named.len().div_ceil(64));
        let mut required = 0;
        for (name, value) in item.members() {
            let found = members.find(name);
            if let Some(at) = found {
                let (member, bit) = (&members.named[at], 1 << (at % 64));
                if seen[at / 64] & bit == 0 {
                    seen[at / 64] |= bit;
                    required += usize::from(member.required);
                }
                if let Some(id) = member.schema
                    && !self.holds(id, value)?
                {
                    return Ok(false);
                }
            }
            let mut known = found.is_some_and(|at| members.named[at].schema.is_some());
            for (pattern, id) in &members.by_pattern {
                if self.matches(*pattern, name)? {
                    known = true;
                    if !self.holds(*id, value)? {
                        return Ok(false);
                    }
                }
            }
            if let (false, Some(id)) = (known, members.others)
                && !self.holds(id, value)?
            {
                return Ok(false);
            }
        }
        Ok(required == members.required)
    }

    /// Names are values of no instance, so their text is made one.
    pub fn names(&mut self, id: Id, item: Item<'_>) -> Result<bool> {
        for (name, _) in item.members() {
            if !self.name_holds(id, name)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn name_holds(&mut self, id: Id, name: &str) -> Result<bool> {
        self.spend(10 + name.len() / 16)?;
        let text = Value::from(name).to_string();
        let limits = crate::schema::instance::Limits::ANSWER;
        let Ok(instance) = Instance::parse(&text, &limits) else { return Ok(false) };
        // Its ids would be those of other values; scalars are not remembered.
        self.holds(id, instance.root())
    }

    fn elements(&mut self, prefix: &[Id], others: Option<Id>, item: Item<'_>) -> Result<bool> {
        for (nth, element) in item.elements().enumerate() {
            let Some(id) = prefix.get(nth).copied().or(others) else { break };
            if !self.holds(id, element)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

pub fn value_of(number: Number) -> Value {
    match number {
        Number::Integer(n) => match u64::try_from(n) {
            Ok(n) => n.into(),
            Err(_) => i64::try_from(n).map_or(Value::Null, Value::from),
        },
        Number::Float(n) => n.into(),
    }
}

fn members_of(item: Item<'_>) -> usize {
    count(item, true).map_or(0, |n| n as usize)
}

fn count(item: Item<'_>, of_object: bool) -> Option<u64> {
    match item.view() {
        View::Array(n) if !of_object => Some(n as u64),
        View::Object(n) if of_object => Some(n as u64),
        _ => None,
    }
}

pub fn type_of(item: Item<'_>) -> u8 {
    match item.view() {
        View::Null => types::NULL,
        View::Bool(_) => types::BOOLEAN,
        View::Number(Number::Float(n)) if n.fract() != 0.0 => types::FRACTION,
        View::Number(_) => types::INTEGER,
        View::Text(_) => types::STRING,
        View::Array(_) => types::ARRAY,
        View::Object(_) => types::OBJECT,
    }
}

/// A hash of pairs of small numbers: nobody outside chooses them, so one
/// multiplication is enough.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, n: u64) {
        let product = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 29);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}
