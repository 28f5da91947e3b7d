//! Values as they are given.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// Text over all of Unicode, with more of what has a meaning somewhere.
pub fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        "/\\.%&=+,;#?[]|: \"'<>{}~\r\n\0\t-_éß世👋\u{2028}".chars().collect::<Vec<_>>(),
    );
    let odd = prop_oneof![
        Just("..".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("%2F..".to_owned()),
        Just("a/../b".to_owned())
    ];
    let usual = vec(prop_oneof![any::<char>(), special, proptest::char::range('a', 'c')], 0..10);
    prop_oneof![9 => usual.prop_map(|c| c.into_iter().collect()), 1 => odd]
}

/// A value as it is given and the texts it is made of.
#[derive(Clone, Debug)]
pub enum Given {
    Text(String),
    Number(i64),
    Boolean(bool),
    List(Vec<String>),
    Map(BTreeMap<String, String>),
}

impl Given {
    pub fn json(&self) -> String {
        match self {
            Given::Text(text) => json!(text).to_string(),
            Given::Number(n) => n.to_string(),
            Given::Boolean(b) => b.to_string(),
            Given::List(items) => json!(items).to_string(),
            Given::Map(members) => json!(members).to_string(),
        }
    }

    /// The value with every text changed.
    pub fn map(self, change: impl Fn(String) -> String) -> Given {
        match self {
            Given::Text(text) => Given::Text(change(text)),
            Given::List(items) => Given::List(items.into_iter().map(change).collect()),
            Given::Map(members) => {
                Given::Map(members.into_iter().map(|(k, v)| (change(k), change(v))).collect())
            }
            other => other,
        }
    }

    pub fn texts(&self) -> Vec<String> {
        match self {
            Given::Text(text) => vec![text.clone()],
            Given::Number(n) => vec![n.to_string()],
            Given::Boolean(b) => vec![b.to_string()],
            Given::List(items) => items.clone(),
            Given::Map(members) => {
                members.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect()
            }
        }
    }
}

pub fn given() -> impl Strategy<Value = Given> {
    prop_oneof![
        4 => text().prop_map(Given::Text),
        1 => any::<i64>().prop_map(Given::Number),
        1 => any::<bool>().prop_map(Given::Boolean),
        3 => vec(text(), 1..5).prop_map(Given::List),
        3 => btree_map(text(), text(), 1..4).prop_map(Given::Map),
    ]
}
