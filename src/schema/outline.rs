//! A schema in those keywords that can be checked while a text is read.
//!
//! Most of what APIs describe is types, members and simple bounds; for these no
//! tree of the value is needed. An [`Outline`] only ever says that a text fits.
//! Whatever it cannot decide, and whatever does not fit, is left to the
//! validator, which also has the words for it.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

mod compile;

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const INTEGER: u8 = 4;
/// Numbers that are no integers.
const FRACTION: u8 = 8;
const STRING: u8 = 16;
const ARRAY: u8 = 32;
const OBJECT: u8 = 64;
const NUMBER: u8 = INTEGER | FRACTION;
const ALL: u8 = 127;

/// Nodes that every outline has.
const ANY: usize = 0;
const NEVER: usize = 1;
const UNKNOWN: usize = 2;

const UNBOUNDED: (i128, i128) = (i128::MIN, i128::MAX);

/// Nodes of one outline: a larger schema is left to the validator.
const NODES_MAX: usize = 10_000;
/// Schemas within each other that an outline is made of: definitions may refer to
/// each other in a chain as long as the document.
const NESTING_MAX: usize = 200;
/// Members of an object that can be told apart in one word.
const MEMBERS_MAX: usize = 64;
/// Members of an object that its schema does not name, where none may stand twice.
const STRANGERS_MAX: usize = 32;
/// References from one to the next.
const HOPS_MAX: usize = 8;
/// Bounds on a text that is read strictly. They are within those of
/// [`Limits::STRICT`](super::instance::Limits::STRICT): as many bytes cannot hold more values.
const STRICT_BYTES_MAX: usize = 100_000;
const STRICT_DEPTH_MAX: u8 = 64;
const KEY_BYTES_MAX: usize = 1024;

#[derive(Debug)]
pub struct Outline {
    nodes: Vec<Node>,
    root: usize,
}

#[derive(Debug)]
enum Node {
    Shape(Shape),
    /// What another node says, of these types only; null as well, where that is
    /// said.
    Same {
        node: usize,
        types: u8,
        or_null: bool,
    },
}

/// What one schema says. Keywords of other types than a value's do not concern
/// it (JSON Schema Validation 2020-12 §6).
#[derive(Debug)]
struct Shape {
    types: u8,
    /// Types about which more is said than is known here.
    undecided: u8,
    integers: (i128, i128),
    chars: (u64, u64),
    /// Sorted.
    texts: Option<Box<[Box<str>]>>,
    count: (u64, u64),
    items: usize,
    members: Box<[(Box<str>, usize)]>,
    /// Places in `members`, by name.
    by_name: Box<[usize]>,
    /// Members that must be there, a bit for each.
    required: u64,
    others: usize,
}

impl Shape {
    fn of(types: u8) -> Self {
        Shape {
            types,
            undecided: 0,
            integers: UNBOUNDED,
            chars: (0, u64::MAX),
            texts: None,
            count: (0, u64::MAX),
            items: ANY,
            members: Box::new([]),
            by_name: Box::new([]),
            required: 0,
            others: ANY,
        }
    }

    fn find(&self, name: &str, expected: usize) -> Option<usize> {
        // Answers mostly have their members in the order of the document.
        if self.members.get(expected).is_some_and(|(n, _)| **n == *name) {
            return Some(expected);
        }
        let found = self.by_name.binary_search_by(|i| (*self.members[*i].0).cmp(name));
        found.ok().map(|at| self.by_name[at])
    }
}

impl Outline {
    /// Whether a text is JSON and fits. `false` says nothing.
    pub fn accepts(&self, text: &str) -> bool {
        self.read(text, false)
    }

    /// The same of a stranger's text: nothing in it has a second meaning, as
    /// an instance within strict limits.
    pub fn accepts_strictly(&self, text: &str) -> bool {
        text.len() <= STRICT_BYTES_MAX && self.read(text, true)
    }

    fn read(&self, text: &str, strict: bool) -> bool {
        let mut reader = serde_json::Deserializer::from_str(text);
        let seed = Seed { outline: self, node: self.root, strict, depth: 0 };
        seed.deserialize(&mut reader).is_ok() && reader.end().is_ok()
    }
}

/// Reads one value against one node. Any error means that nothing was decided.
#[derive(Clone, Copy)]
struct Seed<'o> {
    outline: &'o Outline,
    node: usize,
    strict: bool,
    depth: u8,
}

impl<'o> Seed<'o> {
    /// The shape that decides about a value of these types; `None` where a value
    /// is null and that is enough.
    fn shape<E: Error>(self, types: u8) -> Result<Option<&'o Shape>, E> {
        let mut node = self.node;
        for _ in 0..HOPS_MAX {
            match &self.outline.nodes[node] {
                Node::Shape(shape) => {
                    let decides = shape.types & types != 0 && shape.undecided & types == 0;
                    return if decides { Ok(Some(shape)) } else { Err(undecided()) };
                }
                Node::Same { types: only, .. } if only & types == 0 => break,
                Node::Same { or_null: true, .. } if types == NULL => return Ok(None),
                Node::Same { node: next, .. } => node = *next,
            }
        }
        Err(undecided())
    }

    fn inner<E: Error>(self, node: usize) -> Result<Self, E> {
        if self.strict && self.depth >= STRICT_DEPTH_MAX {
            return Err(undecided());
        }
        Ok(Seed { node, depth: self.depth.saturating_add(1), ..self })
    }
}

/// No words: nobody reads them.
#[cold]
fn undecided<E: Error>() -> E {
    E::custom("")
}

fn within<T: PartialOrd, E: Error>(value: T, (min, max): (T, T)) -> Result<(), E> {
    if min <= value && value <= max { Ok(()) } else { Err(undecided()) }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what fits")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.shape(NULL).map(drop)
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.shape(BOOLEAN).map(drop)
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        let shape = self.shape(INTEGER)?;
        shape.map_or(Ok(()), |shape| within(n.into(), shape.integers))
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        let shape = self.shape(INTEGER)?;
        shape.map_or(Ok(()), |shape| within(n.into(), shape.integers))
    }
    /// Also 1.0 and what is too large for an integer of the machine.
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        match self.shape(FRACTION)? {
            Some(shape) if shape.integers != UNBOUNDED => Err(undecided()),
            _ => Ok(()),
        }
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let Some(shape) = self.shape(STRING)? else { return Ok(()) };
        if shape.chars != (0, u64::MAX) {
            within(text.chars().count() as u64, shape.chars)?;
        }
        match &shape.texts {
            Some(texts) if texts.binary_search_by(|t| (**t).cmp(text)).is_err() => Err(undecided()),
            _ => Ok(()),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some(shape) = self.shape(ARRAY)? else { return Err(undecided()) };
        let inner = self.inner(shape.items)?;
        let mut count = 0;
        while seq.next_element_seed(inner)?.is_some() {
            count += 1;
        }
        within(count, shape.count)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some(shape) = self.shape(OBJECT)? else { return Err(undecided()) };
        let inside = self.inner(shape.others)?;
        let (mut seen, mut expected) = (0u64, 0);
        let mut strangers = SmallVec::<[u64; 8]>::new();
        while let Some(found) = map.next_key_seed(Name { shape, expected, strict: self.strict })? {
            let node = match found {
                Key::Member(at) => {
                    let bit = if at < MEMBERS_MAX { 1 << at } else { 0 };
                    if self.strict && (bit == 0 || seen & bit != 0) {
                        return Err(undecided());
                    }
                    seen |= bit;
                    expected = at + 1;
                    shape.members[at].1
                }
                Key::Stranger(hash) => {
                    // The same name, or by chance one like it: the slow way knows.
                    let full = strangers.len() >= STRANGERS_MAX;
                    if self.strict && (full || strangers.contains(&hash)) {
                        return Err(undecided());
                    }
                    if self.strict {
                        strangers.push(hash);
                    }
                    shape.others
                }
            };
            map.next_value_seed(Seed { node, ..inside })?;
        }
        match seen & shape.required == shape.required {
            true => Ok(()),
            false => Err(undecided()),
        }
    }
}

/// What a key is among the members of a shape.
enum Key {
    Member(usize),
    /// None of them; its hash, where it must not stand twice.
    Stranger(u64),
}

struct Name<'o> {
    shape: &'o Shape,
    expected: usize,
    strict: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Key;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Key, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Key;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
        if name.len() > KEY_BYTES_MAX {
            return Err(undecided());
        }
        Ok(match self.shape.find(name, self.expected) {
            Some(at) => Key::Member(at),
            None if self.strict => {
                let mut hasher = DefaultHasher::new();
                name.hash(&mut hasher);
                Key::Stranger(hasher.finish())
            }
            None => Key::Stranger(0),
        })
    }
}

#[cfg(test)]
pub mod tests;
