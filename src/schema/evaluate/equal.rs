//! Equality of JSON values (JSON Schema 2020-12 Core §4.2.2): numbers by their
//! value, objects whatever the order of their members.

use super::compile::number;
use crate::schema::instance::{Item, Number, View};
use serde_json::Value;
use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

pub fn compare(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Integer(a), Number::Float(b)) => compare_mixed(a, b),
        (Number::Float(a), Number::Integer(b)) => compare_mixed(b, a).map(Ordering::reverse),
    }
}

/// Without rounding the integer, which may have more digits than a float.
fn compare_mixed(a: i128, b: f64) -> Option<Ordering> {
    if b.abs() >= 1e30 {
        return 0.0.partial_cmp(&b);
    }
    // Within the range of i128, and exact but for the fraction.
    match a.cmp(&(b.trunc() as i128)) {
        Ordering::Equal => 0.0.partial_cmp(&b.fract()),
        unequal => Some(unequal),
    }
}

/// Whether a value of an instance is a value of a schema.
pub fn equals(item: Item<'_>, value: &Value) -> bool {
    match (item.view(), value) {
        (View::Null, Value::Null) => true,
        (View::Bool(a), Value::Bool(b)) => a == *b,
        (View::Text(a), Value::String(b)) => a == b,
        (View::Number(a), Value::Number(_)) => {
            number(value).is_some_and(|b| compare(a, b) == Some(Ordering::Equal))
        }
        (View::Array(n), Value::Array(values)) => {
            n == values.len() && item.elements().zip(values).all(|(i, v)| equals(i, v))
        }
        (View::Object(n), Value::Object(members)) => {
            n == members.len()
                && item.members().all(|(k, i)| members.get(k).is_some_and(|v| equals(i, v)))
        }
        _ => false,
    }
}

/// Whether two elements of an array are the same.
pub fn has_twins(array: Item<'_>) -> bool {
    let mut hashed: Vec<(u64, u32)> = array.elements().map(|i| (hash(i), i.id())).collect();
    hashed.sort_unstable();
    // Values of one hash are mostly the same one, so the first pair decides.
    hashed.chunk_by(|a, b| a.0 == b.0).any(|same| {
        let (first, rest) = (same[0].1, &same[1..]);
        rest.iter().any(|(_, other)| same_item(array.at(first), array.at(*other)))
    })
}

fn hash(item: Item<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match item.view() {
        View::Null => 0u8.hash(&mut hasher),
        View::Bool(b) => (1u8, b).hash(&mut hasher),
        View::Number(Number::Integer(n)) => (2u8, n).hash(&mut hasher),
        // The same as the integer it equals. Larger ones are no integer's equal.
        View::Number(Number::Float(n)) if n.fract() == 0.0 && n.abs() < 1e30 => {
            (2u8, n as i128).hash(&mut hasher);
        }
        View::Number(Number::Float(n)) => (3u8, n.to_bits()).hash(&mut hasher),
        View::Text(text) => (4u8, text).hash(&mut hasher),
        View::Array(n) => {
            (5u8, n).hash(&mut hasher);
            item.elements().for_each(|i| hash(i).hash(&mut hasher));
        }
        View::Object(n) => {
            let members = item.members().map(|(k, v)| {
                let mut one = DefaultHasher::new();
                (k, hash(v)).hash(&mut one);
                one.finish()
            });
            // The order does not count.
            (6u8, n, members.fold(0u64, u64::wrapping_add)).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn same_item(a: Item<'_>, b: Item<'_>) -> bool {
    match (a.view(), b.view()) {
        (View::Number(a), View::Number(b)) => compare(a, b) == Some(Ordering::Equal),
        (View::Array(n), View::Array(m)) => {
            n == m && a.elements().zip(b.elements()).all(|(a, b)| same_item(a, b))
        }
        (View::Object(n), View::Object(m)) if n == m => {
            let sorted = |item: Item<'_>| {
                let mut members: Vec<_> =
                    item.members().map(|(k, v)| (k.to_owned(), v.id())).collect();
                members.sort_unstable();
                members
            };
            let (x, y) = (sorted(a), sorted(b));
            x.iter().zip(&y).all(|((k, v), (l, w))| k == l && same_item(a.at(*v), b.at(*w)))
        }
        (View::Object(_), View::Object(_)) => false,
        (a, b) => a == b,
    }
}
