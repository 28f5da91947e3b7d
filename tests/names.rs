//! Names that arguments bring along: they take the place of no other parameter.

mod support;

use serde_json::{Value, json};
use support::api;
use support::mcp::Client;
use support::message::Era;
use support::rig::Rig;
use support::upstream::{Upstream, json as json_answer};

#[test]
fn members_of_a_free_object_take_no_other_parameters_name() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let free = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let parameter = |name: &str, place: &str, style: &str, schema: &Value| json!({"name": name, "in": place, "style": style, "explode": true, "schema": schema});
    let text = json!({"type": "string"});
    let form = "application/x-www-form-urlencoded";
    let mut document = api::of(json!({"/free?fixed=1": {"post": {
        "operationId": "free",
        "security": [{"key": [], "sid": []}],
        "parameters": [
            parameter("filter", "query", "form", &free),
            parameter("deep", "query", "deepObject", &free),
            parameter("deep[of]", "query", "form", &text),
            parameter("page", "query", "form", &text),
            parameter("role", "query", "form", &text),
            parameter("crumbs", "cookie", "form", &free),
            parameter("theme", "cookie", "form", &text),
        ],
        "requestBody": {"content": {form: {
            "schema": {"type": "object", "properties": {"more": free, "owner": text}},
            "encoding": {"more": {"style": "form", "explode": true}},
        }}},
        "responses": {},
    }}}));
    document["components"] = json!({"securitySchemes": {
        "key": {"type": "apiKey", "in": "query", "name": "api_key"},
        "sid": {"type": "apiKey", "in": "cookie", "name": "sid"},
    }});
    let mut rig = Rig::of(&upstream).document(document);
    rig.api()["auth"] = json!({"key": {"value": "${KEY}"}, "sid": {"value": "${KEY}"}});
    rig.tool("free")["arguments"] = json!({"role": {"set": "user"}});
    let binary = rig.setup().env("KEY", "good").start();
    let mut client = Client::of(&binary);
    for (arguments, sent) in [
        (json!({"filter": {"a": "1"}}), true),
        (json!({"filter": {"api_key": "EVIL"}}), false),
        (json!({"filter": {"API_KEY": "EVIL"}}), false),
        (json!({"filter": {"page": "EVIL"}}), false),
        (json!({"filter": {"role": "EVIL"}}), false),
        (json!({"filter": {"fixed": "EVIL"}}), false),
        (json!({"deep": {"a": "1"}}), true),
        (json!({"deep": {"of": "EVIL"}}), false),
        (json!({"crumbs": {"a": "1"}}), true),
        (json!({"crumbs": {"sid": "EVIL"}}), false),
        (json!({"crumbs": {"theme": "EVIL"}}), false),
        (json!({"body": {"more": {"a": "1"}, "owner": "me"}}), true),
        (json!({"body": {"more": {"owner": "EVIL"}, "owner": "me"}}), false),
        (json!({"body": {"more": {"owner": "EVIL"}}}), false),
    ] {
        let before = upstream.requests().len();
        let answer = client.call(Era::Modern, "free", arguments.clone());
        let outcome = if sent { "ok" } else { "error" };
        assert_eq!(answer.outcome(), outcome, "{arguments}: {}", answer.text());
        assert_eq!(upstream.requests().len() > before, sent, "{arguments}");
    }
    let all: String = upstream.requests().iter().map(|r| r.head.clone()).collect();
    assert!(
        !all.contains("EVIL") && all.contains("api_key=good") && all.contains("sid=good"),
        "{all}"
    );
    assert_eq!(all.matches("role=user").count(), upstream.requests().len());
}
