//! Location x style x explode x type -> text on the wire. What is expected is
//! taken from "Style Examples" and the examples of OpenAPI 3.1 and 3.2, from
//! RFC 6570 §3.2 and RFC 6265 §4.2.1, never from the program's output.

#[path = "properties/one.rs"]
mod one;

use drawbridge::tool::Tool;
use http::header::COOKIE;
use serde_json::json;
use std::sync::Arc;

/// `location style explode [reserved] | value | wire`. A style with a `/` is
/// the media type of `content`; `form` as a location is a field of a
/// URL-encoded body, whose `encoding` says the style (`none`: there is none).
/// The wire is what stands in the path segment, the query, the header, the
/// `Cookie` header or the body; `absent` is no parameter at all, `refused` an
/// error before anything is sent.
const TABLE: &str = r##"
# OpenAPI 3.2, "Style Examples": path
path simple false | "blue" | blue
path simple true | "blue" | blue
path simple false | ["blue","black","brown"] | blue,black,brown
path simple true | ["blue","black","brown"] | blue,black,brown
path simple false | {"R":100,"G":200,"B":150} | R,100,G,200,B,150
path simple true | {"R":100,"G":200,"B":150} | R=100,G=200,B=150
path label false | "blue" | .blue
path label true | "blue" | .blue
path label false | ["blue","black","brown"] | .blue,black,brown
path label true | ["blue","black","brown"] | .blue.black.brown
path label false | {"R":100,"G":200,"B":150} | .R,100,G,200,B,150
path label true | {"R":100,"G":200,"B":150} | .R=100.G=200.B=150
path matrix false | "blue" | ;color=blue
path matrix true | "blue" | ;color=blue
path matrix false | ["blue","black","brown"] | ;color=blue,black,brown
path matrix true | ["blue","black","brown"] | ;color=blue;color=black;color=brown
path matrix false | {"R":100,"G":200,"B":150} | ;color=R,100,G,200,B,150
path matrix true | {"R":100,"G":200,"B":150} | ;R=100;G=200;B=150
# Scalars
path simple false | 7 | 7
path simple false | 0 | 0
path simple false | -7 | -7
path simple false | 9007199254740993 | 9007199254740993
path simple false | 1.5 | 1.5
path simple false | true | true
path simple true | false | false
path label false | -7 | .-7
path label true | true | .true
path matrix false | 0 | ;color=0
path matrix true | false | ;color=false
path simple false | [1,-2,true] | 1,-2,true
path label true | [1,2] | .1.2
path matrix true | [1,false] | ;color=1;color=false
# RFC 6570 §1.5: all but unreserved is encoded, in UTF-8
path simple false | "AZaz09-._~" | AZaz09-._~
path simple false | "a b" | a%20b
path simple false | "100%" | 100%25
path simple false | "%41" | %2541
path simple false | ":?#[]@" | %3A%3F%23%5B%5D%40
path simple false | "!$&'()*+,;=" | %21%24%26%27%28%29%2A%2B%2C%3B%3D
path simple false | "\"<>^`{}|" | %22%3C%3E%5E%60%7B%7D%7C
path simple false | "a/b" | a%2Fb
path simple false | "diṅnāga" | di%E1%B9%85n%C4%81ga
path simple false | "👋" | %F0%9F%91%8B
path simple false reserved | "a/b?c#d[e]" | a%2Fb%3Fc%23d%5Be%5D
path label false | "a/b" | .a%2Fb
path label true | ["é","b,c"] | .%C3%A9.b%2Cc
path matrix false | ";x=y" | ;color=%3Bx%3Dy
path matrix true | ["a;b","世"] | ;color=a%3Bb;color=%E4%B8%96
path matrix true | {"a b":"c=d"} | ;a%20b=c%3Dd
path simple false | ["a,b","c"] | a%2Cb,c
path simple true | {"a b":"c=d"} | a%20b=c%3Dd
path simple false | {"a b":"c,d"} | a%20b,c%2Cd
# What could leave its segment, or leaves nothing, is refused
path simple false | "" | refused
path simple false | [] | refused
path simple false | {} | refused
path simple false | null | refused
path simple false | [""] | refused
path simple false | "." | refused
path simple false | ".." | refused
path simple false | "a/../b" | refused
path simple false | "..\\a" | refused
path simple false | "/a" | refused
path simple false | "a//b" | refused
path simple false | "a/." | refused
path simple false | ["a",".."] | refused
path simple true | {"a":".."} | refused
path simple false reserved | "../a" | refused
path simple false | "a\u0000" | refused
path simple false | "a\r\nb" | refused
path label false | "" | refused
path label false | "." | refused
path matrix false | "" | refused
path matrix false | ".." | refused
path matrix true | [] | refused
# OpenAPI 3.2, "Style Examples": query
query form false | "" | color=
query form true | "" | color=
query form false | "blue" | color=blue
query form true | "blue" | color=blue
query form false | ["blue","black","brown"] | color=blue,black,brown
query form true | ["blue","black","brown"] | color=blue&color=black&color=brown
query form false | {"R":100,"G":200,"B":150} | color=R,100,G,200,B,150
query form true | {"R":100,"G":200,"B":150} | R=100&G=200&B=150
query spaceDelimited false | ["blue","black","brown"] | color=blue%20black%20brown
query spaceDelimited false | {"R":100,"G":200,"B":150} | color=R%20100%20G%20200%20B%20150
query pipeDelimited false | ["blue","black","brown"] | color=blue%7Cblack%7Cbrown
query pipeDelimited false | {"R":100,"G":200,"B":150} | color=R%7C100%7CG%7C200%7CB%7C150
query deepObject true | {"R":100,"G":200,"B":150} | color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150
query deepObject false | {"R":100,"G":200,"B":150} | color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150
# Both repeat when they explode
query spaceDelimited true | ["blue","black"] | color=blue&color=black
query pipeDelimited true | ["blue","black"] | color=blue&color=black
# Scalars
query form true | 7 | color=7
query form true | -7 | color=-7
query form true | 9007199254740993 | color=9007199254740993
query form true | 1.5 | color=1.5
query form true | true | color=true
query form false | false | color=false
query form true | [1,true] | color=1&color=true
query pipeDelimited false | [1,false] | color=1%7Cfalse
query deepObject true | {"a":true,"b":-1} | color%5Ba%5D=true&color%5Bb%5D=-1
# Undefined values (RFC 6570 §2.3) are as if not given; the empty text is a value
query form true | null | absent
query form true | [] | absent
query form false | [] | absent
query form true | {} | absent
query form false | {} | absent
query spaceDelimited false | [] | absent
query pipeDelimited false | {} | absent
query deepObject true | {} | absent
query deepObject true | {"a":{},"b":[]} | absent
query form true | [""] | color=
query form true | ["",""] | color=&color=
query form false | ["",""] | color=,
query form true | {"a":""} | a=
query deepObject true | {"a":""} | color%5Ba%5D=
# Encoding
query form true | "AZaz09-._~" | color=AZaz09-._~
query form true | "a b+c" | color=a%20b%2Bc
query form true | "a&b=c#d" | color=a%26b%3Dc%23d
query form true | ":/?[]@!$'()*,;" | color=%3A%2F%3F%5B%5D%40%21%24%27%28%29%2A%2C%3B
query form true | "%26\u0000\n" | color=%2526%00%0A
query form true | "Åse 世界" | color=%C3%85se%20%E4%B8%96%E7%95%8C
query form true | ["a&b","👋"] | color=a%26b&color=%F0%9F%91%8B
query form false | ["a,b","c"] | color=a%2Cb,c
query form true | {"a&b":"c=d"} | a%26b=c%3Dd
query form false | {"ü":"é,"} | color=%C3%BC,%C3%A9%2C
query spaceDelimited false | ["ü","a&b"] | color=%C3%BC%20a%26b
query pipeDelimited false | ["ü","a&b"] | color=%C3%BC%7Ca%26b
query deepObject true | {"a b":"c&d","ü":"é"} | color%5Ba%20b%5D=c%26d&color%5B%C3%BC%5D=%C3%A9
query deepObject true | {"a":{"b":{"c":1}}} | color%5Ba%5D%5Bb%5D%5Bc%5D=1
query deepObject true | {"a":["x","y"]} | color%5Ba%5D%5B0%5D=x&color%5Ba%5D%5B1%5D=y
# What is reserved stays, but not what has a meaning in a query
query form true reserved | ":/?@!$'()*,;" | color=:/?@!$'()*,;
query form true reserved | "a&b=c+d#e[f]" | color=a%26b%3Dc%2Bd%23e%5Bf%5D
query form true reserved | "a b é" | color=a%20b%20%C3%A9
query form true reserved | ["a/b","c?d"] | color=a/b&color=c?d
query deepObject true reserved | {"a":"b/c&d"} | color%5Ba%5D=b/c%26d
# OpenAPI 3.2: the whole query
querystring application/json - | {"numbers":[1,2],"flag":null} | %7B%22numbers%22%3A%5B1%2C2%5D%2C%22flag%22%3Anull%7D
querystring application/jsonpath - | "$.a.b[1:1]" | %24.a.b%5B1%3A1%5D
querystring application/json - | null | absent
# Headers are never encoded
header simple false | "blue" | blue
header simple true | "blue" | blue
header simple false | ["blue","black","brown"] | blue,black,brown
header simple true | ["blue","black","brown"] | blue,black,brown
header simple false | {"R":100,"G":200,"B":150} | R,100,G,200,B,150
header simple true | {"R":100,"G":200,"B":150} | R=100,G=200,B=150
header simple false | [12345678,90099] | 12345678,90099
header simple false | 7 | 7
header simple false | true | true
header simple false | "W/\"a b\"; q=1, %2C" | W/"a b"; q=1, %2C
header simple false | "a\tb" | a<TAB>b
header simple false | null | absent
header simple false | "a\r\nX-Evil: 1" | refused
header simple false | "a\nb" | refused
header simple false | "a\u0000" | refused
header simple false | "a\u007f" | refused
header simple false | "é" | refused
header simple false | "\u2028" | refused
header simple false | ["a","b\r\nc"] | refused
header simple true | {"a\r\nb":1} | refused
# Cookies: form is encoded, style cookie is not
cookie form false | "blue" | color=blue
cookie form true | "blue" | color=blue
cookie form true | "" | color=
cookie form true | 7 | color=7
cookie form true | true | color=true
cookie form true | null | absent
cookie form true | [] | absent
cookie form true | {} | absent
cookie form true | ["blue","black","brown"] | color=blue; color=black; color=brown
cookie form true | {"R":100,"G":200,"B":150} | R=100; G=200; B=150
cookie form false | ["blue","black","brown"] | color=blue,black,brown
cookie form true | "Hello, world" | color=Hello%2C%20world
cookie form true | "a;b=\"c\\d\"" | color=a%3Bb=%22c%5Cd%22
cookie form true | "100%\r\n" | color=100%25%0D%0A
cookie form true | "é" | color=%C3%A9
cookie cookie true | "blue" | color=blue
cookie cookie true | "" | color=
cookie cookie true | ["blue","black","brown"] | color=blue; color=black; color=brown
cookie cookie true | {"R":100,"G":200,"B":150} | R=100; G=200; B=150
cookie cookie true | "Hello%2C%20world!" | color=Hello%2C%20world!
cookie cookie true | "a;b" | refused
cookie cookie true | "a b" | refused
cookie cookie true | "a,b" | refused
cookie cookie true | "é" | refused
cookie cookie true | "a\r\nb" | refused
cookie cookie true | {"a;b":1} | refused
# One text in a media type
query application/json - | {"lat":40.6,"long":-73.9} | color=%7B%22lat%22%3A40.6%2C%22long%22%3A-73.9%7D
query application/json - | "a" | color=%22a%22
query application/json - | [] | color=%5B%5D
query application/vnd.x+json - | 7 | color=7
query text/plain - | "a b&c" | color=a%20b%26c
path application/json - | {"a":1} | %7B%22a%22%3A1%7D
path text/plain - | ".." | refused
header application/json - | {"a":[1,"b"]} | {"a":[1,"b"]}
header text/plain - | "a b" | a b
header text/plain - | "a\nb" | refused
cookie application/json - | 7 | color=7
# Fields of URL-encoded bodies
form none - | "a b&c=d+e" | color=a%20b%26c%3Dd%2Be
form none - | "Åse" | color=%C3%85se
form none - | "" | color=
form none - | 1.5 | color=1.5
form none - | false | color=false
form none - | null | absent
form none - | [] | absent
form none - | ["blue","black"] | color=blue&color=black
form none - | {"R":100} | color=%7B%22R%22%3A100%7D
form none - | [{"R":1}] | color=%5B%7B%22R%22%3A1%7D%5D
form form false | ["blue","black"] | color=blue,black
form form true | {"R":100,"G":200} | R=100&G=200
form pipeDelimited false | ["blue","black"] | color=blue%7Cblack
form spaceDelimited false | ["blue","black"] | color=blue%20black
form deepObject true | {"R":{"x":1},"G":[2]} | color%5BR%5D%5Bx%5D=1&color%5BG%5D%5B0%5D=2
form form true reserved | "http://x/?a=b&c" | color=http://x/?a%3Db%26c
# An empty list would leave a segment of `.`, or a name without value
path label false | [] | refused
path label true | {} | refused
path matrix false | [] | refused
path matrix true | {} | refused
form deepObject true | null | absent
form form false | null | absent
# OpenAPI 3.2, "Parameter Object Examples"
querystring application/x-www-form-urlencoded - | {"foo":"a + b","bar":true} | foo=a%20%2B%20b&bar=true
querystring application/x-www-form-urlencoded - | {"a":[1,2],"b":null} | a=1&a=2
# A null within a value, which OpenAPI leaves open: empty, so that what follows keeps its place
query form true | [1,null,2] | color=1&color=&color=2
query form false | [1,null,2] | color=1,,2
query form true | {"R":100,"G":null} | R=100&G=
query deepObject true | {"R":100,"G":null} | color%5BR%5D=100&color%5BG%5D=
"##;

#[derive(Debug)]
struct Row<'t> {
    location: &'t str,
    style: &'t str,
    explode: &'t str,
    reserved: bool,
    value: &'t str,
    wire: &'t str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" | ").collect();
            let [how, value, wire] = parts[..] else { panic!("not three parts: {line}") };
            let how: Vec<&str> = how.split(' ').collect();
            let reserved = how.get(3) == Some(&"reserved");
            Row { location: how[0], style: how[1], explode: how[2], reserved, value, wire }
        })
        .collect()
}

/// The tool of one operation that takes `color` as a row says.
fn tool(row: &Row<'_>) -> Arc<Tool> {
    let mut spelling = json!({});
    if row.style != "none" && !row.style.contains('/') {
        spelling["style"] = json!(row.style);
        spelling["explode"] = json!(row.explode == "true");
        spelling["allowReserved"] = json!(row.reserved);
    }
    let mut operation = json!({"operationId": "one"});
    if row.location == "form" {
        let media = json!({"schema": {"type": "object"}, "encoding": {"color": spelling}});
        operation["requestBody"] = json!({"content": {"application/x-www-form-urlencoded": media}});
    } else {
        let mut parameter = spelling;
        parameter["name"] = json!("color");
        parameter["in"] = json!(row.location);
        match row.style.contains('/') {
            true => parameter["content"] = json!({row.style: {"schema": {}}}),
            false => parameter["schema"] = json!({}),
        }
        operation["parameters"] = json!([parameter]);
    }
    let path = if row.location == "path" { "/p/{color}" } else { "/p" };
    one::compile(path, &operation)
}

/// What a row sends, in the words of the table.
fn wire(row: &Row<'_>) -> String {
    let tool = tool(row);
    let arguments = match row.location {
        "form" => format!("{{\"body\":{{\"color\":{}}}}}", row.value),
        _ => format!("{{\"color\":{}}}", row.value),
    };
    let Ok(request) = one::send(&tool, arguments, 1) else { return "refused".to_owned() };
    let (path, query) = match request.target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (request.target.as_str(), None),
    };
    let found = match row.location {
        "path" => path.strip_prefix("/p/").map(str::to_owned),
        "query" | "querystring" => query,
        "header" => one::headers(&request, "color").pop().map(|v| v.replace('\t', "<TAB>")),
        "cookie" => one::headers(&request, COOKIE.as_str()).pop(),
        _ => {
            request.body.map(|b| String::from_utf8_lossy(&b).into_owned()).filter(|b| !b.is_empty())
        }
    };
    found.unwrap_or_else(|| "absent".to_owned())
}

#[test]
fn every_row_of_the_table_holds() {
    let rows = rows(TABLE);
    assert!(rows.len() >= 150, "only {}", rows.len());
    let broken: Vec<String> = rows
        .iter()
        .map(|row| (row, wire(row)))
        .filter(|(row, got)| got != row.wire)
        .map(|(row, got)| format!("{row:?}\n  sent {got}"))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
