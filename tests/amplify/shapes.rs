//! Shapes of JSON of about a size, good and bad.

/// As many as fit.
fn list(one: &str, size: usize) -> String {
    let count = (size / (one.len() + 1)).max(1);
    format!("[{}{one}]", format!("{one},").repeat(count - 1))
}

fn text(one: &str, size: usize) -> String {
    format!("\"{}\"", one.repeat(size / one.len()))
}

/// Levels of nesting around a value.
fn within(open: &str, levels: usize, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
}

fn keys(size: usize, key: impl Fn(usize) -> String) -> String {
    let mut out = String::from("{");
    for n in 0.. {
        let member = format!("{}\"{}\":0", if n > 0 { "," } else { "" }, key(n));
        if out.len() + member.len() >= size {
            break;
        }
        out.push_str(&member);
    }
    out.push('}');
    out
}

/// Groups of a query language, alternately `and` and `or`.
fn filter(levels: usize, leaf: &str) -> String {
    let groups: String = (0..levels)
        .map(|n| format!("{{\"op\":\"{}\",\"children\":[", if n % 2 == 0 { "and" } else { "or" }))
        .collect();
    format!("{groups}{leaf}{}", "]}".repeat(levels))
}

pub fn all(size: usize) -> Vec<(&'static str, String)> {
    let long = "k".repeat(1000);
    vec![
        ("zeros", list("0", size)),
        ("nulls", list("null", size)),
        ("booleans", list("true", size)),
        ("fractions", list("0.12345678901234567", size)),
        ("large numbers", list("1e300", size)),
        ("integers past 64 bits", list("123456789012345678901234567890", size)),
        ("empty lists", list("[]", size)),
        ("empty objects", list("{}", size)),
        ("empty texts", list("\"\"", size)),
        ("short texts", list("\"a\"", size)),
        ("escaped texts", list("\"\\u0000\"", size)),
        ("objects of one empty key", list("{\"\":0}", size)),
        ("objects of a list", list("{\"a\":[]}", size)),
        ("pairs of lists", list("[[],[]]", size)),
        ("objects that say their kind", list("{\"op\":\"and\",\"children\":[]}", size)),
        ("the same object", list("{\"a\":1,\"b\":[1,2]}", size)),
        ("deep lists", within("[", 60, &list("0", size), "]")),
        ("deep objects", within("{\"a\":", 58, &list("0", size), "}")),
        ("deep objects of long keys", within(&format!("{{\"{long}\":"), 58, &list("0", size), "}")),
        ("a list of deep lists", list(&within("[", 58, "", "]"), size)),
        ("a list of deep objects", list(&within("{\"a\":", 58, "0", "}"), size)),
        ("many keys", keys(size, |n| n.to_string())),
        ("keys that begin alike", keys(size, |n| format!("{}{n}", "p".repeat(200)))),
        ("long keys", keys(size, |n| format!("{n:01000}"))),
        ("escaped keys", keys(size, |n| format!("\\u00e9\\n{n}"))),
        ("keys that patterns like", keys(size, |n| format!("x-{n}-a1b2"))),
        ("a key twice", format!("{{\"a\":{},\"a\":1}}", list("0", size))),
        ("one long text", text("a", size)),
        ("a text of blanks", text(" ", size)),
        ("a text of percents", text("%", size)),
        ("a text of quotes", text("\\\"", size)),
        ("a text of NUL", text("\\u0000", size)),
        ("a text of accents", text("é", size)),
        ("a text of tags", text("<a>", size)),
        ("a text of Base64", text("aGk=", size)),
        ("a text that patterns fear", text("aaab", size)),
        ("a filter that fits", list(&filter(25, "{\"field\":\"a\"}"), size)),
        ("filters that do not fit", list(&filter(25, "{\"fild\":\"a\"}"), size)),
        ("a deep filter that does not fit", filter(29, "{\"field\":7}")),
        ("a filter of the wrong end", filter(29, "null")),
        ("no JSON", within("[", 1000, "", "")),
        ("half a list", format!("[{}", "1,".repeat(size / 2))),
        ("too deep", within("[", size / 2, "", "]")),
    ]
}
