//! Tables of styles: the examples of OpenAPI 3.1 and RFC 6570, and what must be
//! refused.

use super::*;
use crate::tool::encode::read;

fn spelling(location: Location, style: Style, explode: bool) -> Spelling {
    Spelling {
        name: "color".into(),
        location,
        style,
        explode,
        allow_reserved: false,
        content: None,
    }
}

fn wire(s: &Spelling, json: &str) -> std::result::Result<String, String> {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    let value = read(raw).unwrap();
    let mut out = Bounded::new(1000, "a URL");
    let written = match s.location {
        Location::Path => s.write_path(&value, &mut out),
        Location::Query => s.write_query(&value, &mut out),
        Location::QueryString => s.write_query_string(&value, &mut out),
        Location::Cookie => s.write_cookie(&value, &mut out),
        Location::Header => return s.header(&value).map_err(|f| f.message),
    };
    written.map(|()| out.into_string()).map_err(|f| f.message)
}

const STRING: &str = r#""blue""#;
const ARRAY: &str = r#"["blue","black","brown"]"#;
const OBJECT: &str = r#"{"R":100,"G":200,"B":150}"#;

#[test]
fn the_style_examples_of_the_specification() {
    use Location::*;
    use Style::*;
    for (location, style, explode, json, want) in [
        (Path, Matrix, false, STRING, ";color=blue"),
        (Path, Matrix, false, ARRAY, ";color=blue,black,brown"),
        (Path, Matrix, false, OBJECT, ";color=R,100,G,200,B,150"),
        (Path, Matrix, true, ARRAY, ";color=blue;color=black;color=brown"),
        (Path, Matrix, true, OBJECT, ";R=100;G=200;B=150"),
        (Path, Label, false, STRING, ".blue"),
        (Path, Label, false, ARRAY, ".blue,black,brown"),
        (Path, Label, false, OBJECT, ".R,100,G,200,B,150"),
        (Path, Label, true, ARRAY, ".blue.black.brown"),
        (Path, Label, true, OBJECT, ".R=100.G=200.B=150"),
        (Path, Simple, false, STRING, "blue"),
        (Path, Simple, false, ARRAY, "blue,black,brown"),
        (Path, Simple, false, OBJECT, "R,100,G,200,B,150"),
        (Path, Simple, true, OBJECT, "R=100,G=200,B=150"),
        (Query, Form, true, STRING, "color=blue"),
        (Query, Form, true, ARRAY, "color=blue&color=black&color=brown"),
        (Query, Form, true, OBJECT, "R=100&G=200&B=150"),
        (Query, Form, false, ARRAY, "color=blue,black,brown"),
        (Query, Form, false, OBJECT, "color=R,100,G,200,B,150"),
        (Query, SpaceDelimited, false, ARRAY, "color=blue%20black%20brown"),
        (Query, SpaceDelimited, false, OBJECT, "color=R%20100%20G%20200%20B%20150"),
        (Query, PipeDelimited, false, ARRAY, "color=blue%7Cblack%7Cbrown"),
        (Query, PipeDelimited, false, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
        (Query, DeepObject, true, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
        (
            Query,
            DeepObject,
            true,
            r#"{"a":{"b":[1,2]}}"#,
            "color%5Ba%5D%5Bb%5D%5B0%5D=1&color%5Ba%5D%5Bb%5D%5B1%5D=2",
        ),
        (Query, Form, true, "[]", ""),
        (Query, Form, true, "{}", ""),
        (Query, Form, true, r#""""#, "color="),
        (Header, Simple, false, ARRAY, "blue,black,brown"),
        (Header, Simple, false, OBJECT, "R,100,G,200,B,150"),
        (Header, Simple, true, OBJECT, "R=100,G=200,B=150"),
        (Query, TabDelimited, false, ARRAY, "color=blue%09black%09brown"),
        (Location::Cookie, Style::Cookie, true, ARRAY, "color=blue; color=black; color=brown"),
        (Location::Cookie, Style::Cookie, true, OBJECT, "R=100; G=200; B=150"),
        (Location::Cookie, Form, true, STRING, "color=blue"),
        (Location::Cookie, Form, true, ARRAY, "color=blue; color=black; color=brown"),
        (Location::Cookie, Form, false, ARRAY, "color=blue,black,brown"),
    ] {
        let got = wire(&spelling(location, style, explode), json);
        assert_eq!(got.as_deref(), Ok(want), "{location:?} {style:?} {explode} {json}");
    }
}

#[test]
fn values_are_encoded_and_numbers_stay_as_written() {
    use Location::*;
    for (location, style, json, want) in [
        (Path, Style::Simple, r#""a b/c?d#e%f""#, "a%20b%2Fc%3Fd%23e%25f"),
        (Path, Style::Simple, r#""%2e%2e""#, "%252e%252e"),
        (Path, Style::Simple, r#""世""#, "%E4%B8%96"),
        (Path, Style::Simple, r#""a\tb""#, "a%09b"),
        (Query, Style::Form, r#""a&b=c+d;e,f""#, "color=a%26b%3Dc%2Bd%3Be%2Cf"),
        (Query, Style::Form, "9007199254740993", "color=9007199254740993"),
        (Query, Style::Form, "1.10", "color=1.10"),
        (Query, Style::Form, "true", "color=true"),
        (Location::Cookie, Style::Form, r#""a;b c""#, "color=a%3Bb%20c"),
        (Query, Style::Form, r#"[{"a":1}]"#, "color=%7B%22a%22%3A1%7D"),
    ] {
        let got = wire(&spelling(location, style, true), json);
        assert_eq!(got.as_deref(), Ok(want), "{json}");
    }
    let mut reserved = spelling(Query, Style::Form, true);
    reserved.allow_reserved = true;
    assert_eq!(wire(&reserved, r#""a/b?c&d=e#f""#).as_deref(), Ok("color=a/b?c%26d%3De%23f"));
    let mut json = spelling(Query, Style::Form, true);
    json.content = Some(Content::Json);
    assert_eq!(wire(&json, r#"{"a":[1]}"#).as_deref(), Ok("color=%7B%22a%22%3A%5B1%5D%7D"));
}

#[test]
fn what_could_change_the_request_is_refused() {
    for bad in [
        r#""""#,
        r#"".""#,
        r#""..""#,
        r#""a/../b""#,
        r#""..\\b""#,
        r#""a//b""#,
        r#""/a""#,
        r#""a\u0000b""#,
        r#""a\r\nb""#,
        "[]",
        r#"["a",".."]"#,
        "null",
    ] {
        assert!(wire(&spelling(Location::Path, Style::Simple, false), bad).is_err(), "{bad}");
    }
    for bad in [r#""a\r\nX: y""#, r#""a\u0000""#, r#""é""#, r#""\u007f""#] {
        assert!(wire(&spelling(Location::Header, Style::Simple, false), bad).is_err(), "{bad}");
    }
}

#[test]
fn bounds_at_them_and_one_past_them() {
    let header = spelling(Location::Header, Style::Simple, false);
    for (bytes, fits) in [(HEADER_BYTES_MAX, true), (HEADER_BYTES_MAX + 1, false)] {
        let text = format!("\"{}\"", "a".repeat(bytes));
        assert_eq!(wire(&header, &text).is_ok(), fits, "{bytes}");
    }
    let deep = spelling(Location::Query, Style::DeepObject, true);
    let nested =
        (0..40).fold("[1,2,3]".to_owned(), |v, _| format!("{{\"{}\":{v}}}", "k".repeat(20)));
    let e = wire(&deep, &nested).unwrap_err();
    assert!(e.contains("a URL longer than 1000"), "{e}");
}

#[test]
fn members_of_an_object_are_no_other_parameters() {
    let taken = ["api_key", "color[size]", "sid"].map(str::to_owned).into();
    for (location, style, explode, json, fine) in [
        (Location::Query, Style::Form, true, r#"{"api_key":1}"#, false),
        (Location::Query, Style::Form, true, r#"{"API_KEY":1}"#, false),
        (Location::Query, Style::Form, true, r#"{"other":1}"#, true),
        (Location::Query, Style::Form, false, r#"{"api_key":1}"#, true),
        (Location::Query, Style::DeepObject, true, r#"{"size":1}"#, false),
        (Location::Query, Style::DeepObject, true, r#"{"api_key":1}"#, true),
        (Location::Cookie, Style::Form, true, r#"{"sid":1}"#, false),
        (Location::Cookie, Style::Cookie, true, r#"{"sid":1}"#, false),
        (Location::Query, Style::Form, true, "7", true),
    ] {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let checked = spelling(location, style, explode).check_names(&read(raw).unwrap(), &taken);
        assert_eq!(checked.is_ok(), fine, "{location:?} {style:?} {json}");
    }
}
