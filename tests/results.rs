//! What an answer becomes by its Content-Type, on both ways, byte for byte.

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::api::{self, WAYS};
use support::mcp::{Client, text as text_of};
use support::message::{BOTH, Era, Message};
use support::rig::Rig;
use support::upstream::{Gate, Step, Upstream, json as json_answer, reply, text};

/// Every byte there is, so many that no buffer takes them at once.
fn bytes() -> Vec<u8> {
    (0..150_001u32).map(|i| (i % 251) as u8 ^ (i / 251) as u8).collect()
}

fn pieces(kind: &str, body: &[u8], size: usize) -> Vec<Step> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut steps = vec![Step::Send(head.into())];
    for piece in body.chunks(size) {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        steps.push(Step::Send(chunk));
    }
    steps.push(Step::Send(b"0\r\n\r\n".to_vec()));
    steps
}

/// Every piece is with the client before the API sends the next.
#[test]
fn a_streamed_answer_is_passed_on_as_it_comes() {
    let (words, gate) = (["one ", "two ", "six "], Gate::shut());
    let kept = gate.clone();
    let upstream = Upstream::start(move |_| {
        let steps = pieces("text/plain", words.concat().as_bytes(), 4).into_iter();
        steps.flat_map(|step| [step, Step::Gate(kept.clone())]).collect()
    });
    let binary = Rig::of(&upstream).start();
    let call = Message::call(Era::Modern, &api::get("streamed"), json!({"case": "x"}));
    let mut client = Client::of(&binary);
    let connection = client.connection();
    connection.send(&call.bytes(binary.address));
    gate.open();
    let head = connection.head().expect("a header");
    assert_eq!((head.status, head.length()), (200, None));
    let mut seen = String::new();
    for word in words {
        while !seen.ends_with(word) {
            let chunk = connection.chunk().unwrap_or_else(|| panic!("{word} after {seen}"));
            seen += std::str::from_utf8(&chunk).expect("text");
        }
        gate.open();
    }
    gate.open();
    while let Some(chunk) = connection.chunk() {
        seen += std::str::from_utf8(&chunk).expect("text");
    }
    let message: Value = serde_json::from_str(&seen).expect("a message");
    assert_eq!(text_of(&message["result"]), words.concat());
}

/// Requests that are sent at once are answered one after the other, each when
/// it can be.
#[test]
fn an_answer_does_not_wait_for_the_next_request() {
    let gate = Gate::shut();
    let kept = gate.clone();
    let upstream = Upstream::start(move |seen| match seen.case() {
        "slow" => vec![Step::Gate(kept.clone()), text("slow")],
        _ => vec![text("fast")],
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let before = upstream.requests().len();
        let call = |case| Message::call(Era::Modern, &api::get(way), json!({"case": case}));
        let (fast, slow) = (call("fast").bytes(binary.address), call("slow").bytes(binary.address));
        let mut client = Client::of(&binary);
        let connection = client.connection();
        connection.send(&[fast, slow.clone()].concat());
        upstream.wait("the second call", |log| log.requests.len() == before + 2);
        connection.send(&slow);
        assert!(connection.response().text().contains("fast"), "{way}");
        for _ in 0..2 {
            gate.open();
            assert!(connection.response().text().contains("slow"), "{way}");
        }
    }
}

#[test]
fn bytes_arrive_whole_in_blocks_of_their_kind() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "image" => pieces("Image/PNG", &bytes(), 10_000),
        "audio" => pieces("audio/wav; x=y", &bytes(), 7_001),
        "pdf" => pieces("application/pdf", &bytes(), 65_000),
        "small" => pieces("application/octet-stream", &bytes()[..100], 1),
        case => panic!("{case}"),
    });
    let binary = Rig::of(&upstream).start();
    for era in BOTH {
        for way in WAYS {
            let mut client = Client::of(&binary);
            for (case, kind, media) in [
                ("image", "image", "image/png"),
                ("audio", "audio", "audio/wav"),
                ("pdf", "resource", "application/pdf"),
                ("small", "resource", "application/octet-stream"),
            ] {
                let answer = client.call(era, &api::get(way), json!({"case": case}));
                let content = answer.result()["content"].as_array().expect("content");
                assert_eq!((content.len(), answer.is_error()), (1, false), "{way} {case}");
                let block = &content[0];
                assert_eq!(block["type"], kind, "{way} {case}");
                let inner = if kind == "resource" { &block["resource"] } else { block };
                assert_eq!(inner["mimeType"], media, "{way} {case}");
                let data = inner[if kind == "resource" { "blob" } else { "data" }].as_str();
                let data = STANDARD.decode(data.expect("Base64")).expect("Base64");
                let all = bytes();
                assert!(
                    data == all[..if case == "small" { 100 } else { all.len() }],
                    "{way} {case}"
                );
                if kind == "resource" {
                    let uri = inner["uri"].as_str().expect("a URI");
                    assert_eq!(uri, format!("api://api/{way}/{case}"), "no host, no query");
                }
            }
        }
    }
}

#[test]
fn text_arrives_whole_however_it_is_cut() {
    let words = "aé世🎉\"\\\n\u{1}\u{2028}".repeat(40);
    let all = words.clone();
    let upstream = Upstream::start(move |seen| match seen.case() {
        "latin1" => {
            vec![reply("200 OK", "Content-Type: text/plain; charset=iso-8859-1\r\n", b"caf\xe9")]
        }
        "broken" => vec![reply("200 OK", "Content-Type: text/plain\r\n", b"a\xffb\xe4\xb8")],
        size => pieces("text/plain; charset=utf-8", all.as_bytes(), size.parse().expect("a size")),
    });
    let binary = Rig::of(&upstream).start();
    for way in WAYS {
        let mut client = Client::of(&binary);
        let mut get = |case: &str| client.call(Era::Modern, &api::get(way), json!({"case": case}));
        for size in ["1", "2", "3", "5", "64", "100000"] {
            assert_eq!(get(size).text(), words, "{way} in pieces of {size}");
        }
        assert_eq!(get("latin1").text(), "café", "{way}");
        assert!(get("broken").text().starts_with("a\u{fffd}b\u{fffd}"), "{way}");
    }
}

#[test]
fn structure_is_sent_where_it_was_promised_and_true() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "good" => vec![json_answer(r#"{"name":"a","n":9007199254740993,"more":[1.10]}"#)],
        "list" => vec![json_answer("[1,2]")],
        "wrong" => vec![json_answer(r#"{"name":7}"#)],
        "text" => vec![text("no JSON")],
        "created" => {
            vec![reply("201 Created", "Content-Type: application/json\r\n", r#"{"name":"b"}"#)]
        }
        "empty" => vec![Step::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())],
        _ => vec![reply("500 Oops", "Content-Type: application/json\r\n", r#"{"name":"c"}"#)],
    });
    let named =
        json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let numbers = json!({"type": "array", "items": {"type": "integer"}});
    let operation = |id: &str, schema: &Value| {
        json!({"get": {
            "operationId": id,
            "parameters": [{"name": "case", "in": "path", "required": true, "schema": {"type": "string"}}],
            "responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}},
        }})
    };
    let mut rig = Rig::of(&upstream).document(api::of(json!({
        "/named/{case}": operation("named", &named),
        "/numbers/{case}": operation("numbers", &numbers),
    })));
    rig.api()["output_schema"] = json!("exact");
    let binary = rig.start();
    for era in BOTH {
        let mut client = Client::of(&binary);
        for (tool, case, want, structure) in [
            (
                "named",
                "good",
                "ok",
                Some(json!({"name": "a", "n": 9_007_199_254_740_993u64, "more": [1.1]})),
            ),
            ("named", "created", "ok", Some(json!({"name": "b"}))),
            ("named", "wrong", "output_mismatch", None),
            ("named", "text", "output_mismatch", None),
            ("named", "empty", "output_mismatch", None),
            ("named", "failed", "error", None),
            ("numbers", "list", "ok", (era == Era::Modern).then(|| json!([1, 2]))),
        ] {
            let answer = client.call(era, tool, json!({"case": case}));
            assert_eq!(answer.outcome(), want, "{era:?} {case}: {}", answer.text());
            let result = answer.result();
            assert_eq!(result.get("structuredContent"), structure.as_ref(), "{era:?} {case}");
            if want == "ok" {
                let text: Value = serde_json::from_str(&text_of(result)).expect("JSON");
                assert_eq!(structure.unwrap_or(json!([1, 2])), text, "text and structure agree");
            }
        }
        let good = client.call(era, "named", json!({"case": "good"}));
        let as_written = r#""structuredContent":{"name":"a","n":9007199254740993,"more":[1.10]}"#;
        assert!(good.response.text().contains(as_written), "{}", good.response.text());
    }
}

#[test]
fn structure_that_is_no_object_is_wrapped_for_old_clients_where_that_is_said() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "good" => vec![json_answer("[1, {\"next\":[2]}]")],
        _ => vec![json_answer(r#"["seven"]"#)],
    });
    let list = json!({"type": "array", "items": {"anyOf": [{"type": "integer"}, {"$ref": "#/components/schemas/Link"}]}});
    let mut document = api::of(json!({"/list/{case}": {"get": {
        "operationId": "list",
        "parameters": [{"name": "case", "in": "path", "required": true, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "", "content": {"application/json": {"schema": list}}}},
    }}}));
    document["components"] =
        json!({"schemas": {"Link": {"type": "object", "properties": {"next": list}}}});
    let mut rig = Rig::of(&upstream).document(document);
    rig.api()["wrap_output"] = json!(true);
    let binary = rig.start();
    for (era, pointer) in [(Era::Modern, ""), (Era::Legacy, "/result")] {
        let mut client = Client::of(&binary);
        let answer = client.call(era, "list", json!({"case": "good"}));
        let structure = &answer.result()["structuredContent"];
        assert_eq!(structure.pointer(pointer), Some(&json!([1, {"next": [2]}])), "{era:?}");
        assert_eq!(text_of(answer.result()), "[1, {\"next\":[2]}]");
        let listed = client.ask(&Message::new(era, "tools/list", json!({})));
        let schema = &listed.result()["tools"][0]["outputSchema"];
        let validator = jsonschema::draft202012::new(schema).expect("a schema");
        assert!(validator.is_valid(structure), "{era:?}: {schema}");
        assert_eq!(schema["type"] == "object", era == Era::Legacy, "{schema}");
        let answer = client.call(era, "list", json!({"case": "bad"}));
        assert_eq!(answer.outcome(), "output_mismatch", "{era:?}");
    }
}

#[test]
fn an_answer_can_be_a_result_already() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "good" => vec![json_answer(
            r#"{"content":[{"type":"text","text":"own"}],"structuredContent":{"a":1},"_meta":{"evil":1},"resultType":"x"}"#,
        )],
        "failed" => vec![json_answer(
            r#"{"content":[{"type":"text","text":"own"}],"structuredContent":{"a":1},"isError":true}"#,
        )],
        _ => vec![json_answer(r#"{"other":1}"#)],
    });
    let mut rig = Rig::of(&upstream);
    *rig.tool("whole_get") = json!({"result": "passthrough"});
    let binary = rig.start();
    for era in BOTH {
        let mut client = Client::of(&binary);
        for (case, want, structured) in
            [("good", "ok", true), ("failed", "error", false), ("none", "upstream_invalid", false)]
        {
            let answer = client.call(era, "whole_get", json!({"case": case}));
            assert_eq!(answer.outcome(), want, "{era:?} {case}: {}", answer.text());
            assert_eq!(answer.result().get("structuredContent").is_some(), structured, "{case}");
            assert!(!answer.response.text().contains("evil"), "{}", answer.response.text());
        }
    }
}

#[test]
fn an_answer_to_head_has_no_body_whatever_it_announces() {
    let upstream = Upstream::start(|seen| match seen.case() {
        "gzip" => vec![Step::Send(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n".to_vec(),
        )],
        "chunked" => {
            vec![Step::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec())]
        }
        "404" => vec![Step::Send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\n".to_vec())],
        _ => vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n".to_vec())],
    });
    let mut rig = Rig::of(&upstream);
    for way in WAYS {
        let item = &mut rig.document["paths"][format!("/{way}/{{case}}")];
        item["head"] = json!({"operationId": format!("{way}_head"), "responses": {}});
    }
    rig.api()["tools"]["methods"] = json!(["GET", "HEAD"]);
    *rig.tool("streamed_head") = json!({"answer": "stream"});
    rig.api()["tools"]["override"].as_object_mut().expect("a map").remove("streamed_post");
    let binary = rig.start();
    for way in WAYS {
        let mut client = Client::of(&binary);
        for (case, want) in [("x", "ok"), ("gzip", "ok"), ("chunked", "ok"), ("404", "error")] {
            for _ in 0..2 {
                let answer =
                    client.call(Era::Modern, &format!("{way}_head"), json!({"case": case}));
                assert_eq!(answer.outcome(), want, "{way} {case}: {}", answer.text());
                assert_eq!(upstream.last().method(), "HEAD");
            }
        }
    }
}

#[test]
fn an_answer_too_large_to_be_checked_is_delivered_as_text() {
    const VALUES_MAX: usize = 1_000_000;
    let schema =
        json!({"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}});
    let mut document = api::one("one");
    let content = json!({"application/json": {"schema": schema}});
    document["paths"]["/one"]["get"]["responses"] =
        json!({"200": {"description": "ok", "content": content}});
    for (values, fits) in [(VALUES_MAX, true), (VALUES_MAX + 1, false)] {
        // The list itself is one of them.
        let list = format!("[0{}]", ",0".repeat(values - 2));
        let upstream = Upstream::start(move |_| vec![json_answer(&list)]);
        let mut rig = Rig::of(&upstream).document(document.clone());
        rig.api()["output_schema"] = json!("exact");
        let binary = rig.start();
        let call = Message::call(Era::Modern, "one", json!({}));
        let answer = Client::of(&binary).ask(&call);
        let result = &answer.message["result"];
        let said = result["content"][0]["text"].as_str().expect("a text");
        let last = result["content"].as_array().expect("blocks").last().expect("a block");
        assert!(last["text"].as_str().is_some_and(|t| t.len() > VALUES_MAX), "the answer itself");
        assert_eq!(result["isError"], !fits, "{values}");
        assert_eq!(result.get("structuredContent").is_some(), fits, "{values}");
        let told = said.starts_with("HTTP 200: the API has carried this out. Do not repeat it.");
        assert_eq!(told, !fits, "{}", &said[..100]);
    }
}
