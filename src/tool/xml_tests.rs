//! Tables of XML: what the keywords shape, and what is refused.

use super::*;
use serde_json::json;
use serde_json::value::RawValue;

fn shapes() -> Shapes {
    let root = json!({"components": {"schemas": {
        "Pet": {"type": "object", "xml": {"name": "pet", "prefix": "p", "namespace": "http://x.test/?a&b"}, "properties": {
            "id": {"type": "integer", "xml": {"attribute": true}},
            "name": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string", "xml": {"name": "tag"}}, "xml": {"name": "tagList", "wrapped": true}},
            "photos": {"type": "array", "items": {"type": "string"}, "xml": {"name": "ignored"}},
            "good": {"type": "boolean"},
            "parent": {"$ref": "#/components/schemas/Pet"},
        }},
    }}});
    Shapes::compile(&Library::new(root), &json!({"$ref": "#/components/schemas/Pet"}))
}

fn written(shapes: &Shapes, json: &str) -> std::result::Result<String, String> {
    let raw: &RawValue = serde_json::from_str(json).unwrap();
    let value = crate::tool::encode::read(raw).unwrap();
    shapes.write(&value, json.len(), 100_000).map_err(|f| f.message)
}

#[test]
fn keywords_shape_what_is_written_and_read() {
    let json = r#"{"id":7,"name":"a<b & \"c\"","tags":["x","y"],"photos":["u","v"],"good":true,"parent":{"id":8,"name":"p"}}"#;
    let xml = written(&shapes(), json).unwrap();
    assert_eq!(
        xml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><p:pet xmlns:p=\"http://x.test/?a&amp;b\" id=\"7\"><name>a&lt;b &amp; &quot;c&quot;</name><tagList><tag>x</tag><tag>y</tag></tagList><photos>u</photos><photos>v</photos><good>true</good><p:pet xmlns:p=\"http://x.test/?a&amp;b\" id=\"8\"><name>p</name></p:pet></p:pet>"
    );
    assert_eq!(shapes().read(&xml).unwrap(), serde_json::from_str::<Value>(json).unwrap());
}

#[test]
fn what_no_xml_can_carry_is_refused() {
    for json in [r#"{"name":"a\u0000"}"#, r#"{"a b":"x"}"#, r#"{"<x>":"y"}"#, r#"{"1a":2}"#] {
        assert!(written(&shapes(), json).is_err(), "{json}");
    }
    assert!(
        written(&shapes(), r#"{"extra":{"deep":[1,null]}}"#)
            .unwrap()
            .contains("<extra><deep>1</deep></extra>")
    );
}

#[test]
fn bad_xml_is_told() {
    let deep = "<a>".repeat(crate::tool::markup::DEPTH_MAX + 1);
    for xml in [
        "",
        "<a>",
        "<a></b>",
        "plain",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<a>&nope;</a>",
        &deep,
    ] {
        assert!(shapes().read(xml).is_err(), "{xml}");
    }
}

#[test]
fn node_types_say_what_the_flags_said() {
    let root = json!({"components": {"schemas": {"Note": {"type": "object", "xml": {"name": "note"}, "properties": {
        "lang": {"type": "string", "xml": {"nodeType": "attribute"}},
        "words": {"type": "string", "xml": {"nodeType": "text"}},
        "tags": {"type": "array", "items": {"type": "integer", "xml": {"name": "tag"}}, "xml": {"nodeType": "element"}},
    }}}}});
    let shapes =
        Shapes::compile(&Library::new(root), &json!({"$ref": "#/components/schemas/Note"}));
    let json = r#"{"lang":"en","words":"a < b","tags":[1,2]}"#;
    let xml = written(&shapes, json).unwrap();
    let body = "<note lang=\"en\">a &lt; b<tags><tag>1</tag><tag>2</tag></tags></note>";
    assert!(xml.ends_with(body), "{xml}");
    assert_eq!(shapes.read(&xml).unwrap(), serde_json::from_str::<Value>(json).unwrap());
}
