//! The official Rust client, in the way it speaks by default and in the modern
//! one.

mod support;

use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use support::binary::{Binary, Setup};
use support::rig::Rig;
use support::upstream::{Upstream, json as json_answer};

/// The ways in which the client can begin.
fn modes() -> [Option<ClientLifecycleMode>; 3] {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    [
        None,
        Some(ClientLifecycleMode::Discover { preferred_versions: preferred_versions.clone() }),
        Some(ClientLifecycleMode::Auto { preferred_versions, legacy_version: None }),
    ]
}

async fn connect(
    binary: &Binary,
    mode: Option<ClientLifecycleMode>,
) -> RunningService<RoleClient, ()> {
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let config =
        StreamableHttpClientTransportConfig::with_uri(format!("http://{}/mcp", binary.address));
    let transport = StreamableHttpClientTransport::with_client(http, config);
    match mode {
        None => ().serve(transport).await.expect("a handshake"),
        Some(mode) => ().serve_with_lifecycle(transport, mode).await.expect("a discovery"),
    }
}

fn arguments(value: Value) -> rmcp::model::JsonObject {
    value.as_object().cloned().expect("an object")
}

#[tokio::test]
async fn it_lists_and_calls_the_demo() {
    let binary = Setup::demo().start();
    for mode in modes() {
        let shown = format!("{mode:?}");
        let client = connect(&binary, mode).await;
        let tools = client.list_all_tools().await.expect("a list");
        assert_eq!(tools.len(), 10, "{shown}");
        assert!(tools.iter().all(|t| t.annotations.is_some() && t.description.is_some()));
        let call = CallToolRequestParams::new("searchBooks")
            .with_arguments(arguments(json!({"q": "bronte"})));
        let result = client.call_tool(call).await.expect("a result");
        assert_eq!(result.is_error, Some(false), "{shown}: {result:?}");
        let found = result.structured_content.expect("structure");
        assert!(found["total"].as_u64() > Some(0), "{shown}: {found}");
        let csv = client.call_tool(CallToolRequestParams::new("exportBooks")).await;
        let csv = csv.expect("a streamed result");
        assert_eq!(csv.is_error, Some(false), "{shown}: {csv:?}");
        let wrong =
            CallToolRequestParams::new("getBook").with_arguments(arguments(json!({"isbm": "x"})));
        let wrong = client.call_tool(wrong).await.expect("a result that tells what is wrong");
        assert_eq!(wrong.is_error, Some(true), "{shown}: {wrong:?}");
        let gone = client.call_tool(CallToolRequestParams::new("no_such_tool")).await;
        assert!(gone.is_err(), "{shown}: {gone:?}");
        client.cancel().await.expect("an end");
    }
}

#[tokio::test]
async fn it_walks_all_pages() {
    let upstream = Upstream::start(|_| vec![json_answer("{}")]);
    let mut rig = Rig::of(&upstream);
    rig.server()["page_size"] = json!(1);
    let binary = rig.start();
    for mode in modes() {
        let client = connect(&binary, mode).await;
        let tools = client.list_all_tools().await.expect("a list");
        let names: Vec<&str> = tools.iter().map(|t| t.name.as_ref()).collect();
        assert_eq!(names, ["whole_get", "whole_post", "streamed_get", "streamed_post"]);
        for tool in names {
            let call = CallToolRequestParams::new(tool.to_owned())
                .with_arguments(arguments(json!({"case": "x"})));
            let result = client.call_tool(call).await.expect("a result");
            assert_eq!(result.is_error, Some(false), "{tool}: {result:?}");
        }
        client.cancel().await.expect("an end");
    }
}
