//! What is an instance, and how much memory it takes.

use super::*;

/// An instance as a tree again.
fn tree(item: Item<'_>) -> serde_json::Value {
    use serde_json::Value;
    match item.view() {
        View::Null => Value::Null,
        View::Bool(b) => b.into(),
        View::Number(Number::Integer(n)) => match u64::try_from(n) {
            Ok(n) => n.into(),
            Err(_) => i64::try_from(n).unwrap().into(),
        },
        View::Number(Number::Float(n)) => n.into(),
        View::Text(text) => text.into(),
        View::Array(_) => item.elements().map(tree).collect(),
        View::Object(_) => item.members().map(|(k, v)| (k.to_owned(), tree(v))).collect(),
    }
}

#[test]
fn what_is_accepted_and_what_is_not() {
    for (text, ok) in [
        (r#"{"a":[1,-2,3.5,"x",null,true,false,"\u0061\n",{},[ ],18446744073709551615]}"#, true),
        (r#" { "a" : { "b,:[{" : "\"]}," } } "#, true),
        (r#"{"":{"":[]},"a":[[],[[]],{"b":{}}]}"#, true),
        ("7", true),
        (r#"{"a":1,"a":2}"#, false),
        (r#"{"a":1,"\u0061":2}"#, false),
        (r#"{"a":{"b":1,"b":1}}"#, false),
        (r#"["\ud800"]"#, false),
        (r#"["\ud83c\udf89"]"#, true),
        ("[1e400]", false),
        ("[NaN]", false),
        ("[01]", false),
        ("[1,]", false),
        ("[1 2]", false),
        ("[[[[1", false),
        ("{} {}", false),
        ("", false),
        ("[\"\t\"]", false),
    ] {
        let parsed = Instance::parse(text, &Limits::STRICT);
        assert_eq!(parsed.is_ok(), ok, "{text}");
        if let Ok(instance) = parsed {
            let want: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(tree(instance.root()), want, "{text}");
            assert_eq!(instance.len(), instance.nodes.capacity(), "{text}: counted right");
        }
    }
    let twice = Instance::parse(r#"{"a":1,"a":2}"#, &Limits::ANSWER).unwrap();
    assert_eq!(twice.root().members().count(), 2);
}

#[test]
fn every_limit_at_it_and_one_past_it() {
    let limits = Limits { depth_max: 3, values_max: 5, key_bytes_max: 4, duplicates: false };
    for (text, ok) in [
        ("[[[]]]", true),
        ("[[[[]]]]", false),
        ("[1,2,3,4]", true),
        ("[1,2,3,4,5]", false),
        (r#"{"abcd":1}"#, true),
        (r#"{"abcde":1}"#, false),
    ] {
        assert_eq!(Instance::parse(text, &limits).is_ok(), ok, "{text}");
    }
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    for (limits, levels) in [(Limits::STRICT, 64), (Limits::ANSWER, 127)] {
        assert!(Instance::parse(&deep(levels), &limits).is_ok());
        for more in [levels + 1, 10_000] {
            let e = Instance::parse(&deep(more), &limits).unwrap_err();
            assert!(matches!(e, Refused::Invalid(_)), "{more}: {e}");
        }
        let wide = |n: usize| format!("[{}1]", "1,".repeat(n - 2));
        assert!(Instance::parse(&wide(limits.values_max), &limits).is_ok());
        let e = Instance::parse(&wide(limits.values_max + 1), &limits).unwrap_err();
        assert!(matches!(e, Refused::TooMany(max) if max == limits.values_max), "{e}");
    }
}

#[test]
fn an_instance_stays_near_its_text_in_size() {
    let n = 20_000;
    let list = |one: &str| format!("[{}{one}]", format!("{one},").repeat(n));
    let keys: Vec<String> = (0..n).map(|i| format!("\"{i:x}\":0")).collect();
    for text in [
        list("[]"),
        list("0"),
        list("{}"),
        list(r#"{"":0}"#),
        list(r#""\u0061""#),
        list("\"\""),
        format!("{{{}}}", keys.join(",")),
        "[".repeat(60) + &"]".repeat(60),
    ] {
        let counted = allocation_counter::measure(|| {
            assert!(Instance::parse(&text, &Limits::STRICT).is_ok());
        });
        let most = text.len() as u64 * 10 + 1024;
        assert!(counted.bytes_max <= most, "{} of {}: {}", counted.bytes_max, most, &text[..20]);
    }
}
