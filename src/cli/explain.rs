//! `drawbridge explain`: the request a call would send. Credentials are not
//! shown.

use super::target::Target;
use super::{Exit, complain, print};
use crate::snapshot::{Endpoint, Server, Snapshot};
use crate::tool::Tool;
use crate::tool::request::UpstreamRequest;
use http::HeaderMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

#[derive(clap::Args)]
pub struct Args {
    /// The tool's name.
    tool: String,
    /// The arguments, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    args: String,
    #[command(flatten)]
    target: Target,
    /// Which server, where there are several.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// For machines.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Exit {
    let server = args.server.as_deref();
    args.target.with_server(server, |_, snapshot, server| explain(args, snapshot, server))
}

fn explain(args: &Args, snapshot: &Snapshot, server: &Server) -> Exit {
    let Some(tool) = server.tool(&args.tool) else {
        let near = crate::problem::nearest(&args.tool, server.tools.iter().map(|t| &*t.name));
        let hint = match near {
            Some(near) => format!("; did you mean {near}?"),
            None => "; `drawbridge tools` lists them".to_owned(),
        };
        complain(&format!("there is no tool `{}`{hint}", args.tool));
        return Exit::Usage;
    };
    let raw: &RawValue = match serde_json::from_str(&args.args) {
        Ok(raw) => raw,
        Err(e) => {
            complain(&format!("--args is not JSON: {e}"));
            return Exit::Usage;
        }
    };
    let request = tool.arguments.check(&tool.name, Some(raw)).and_then(|text| {
        let mut arguments = tool.arguments.entries(&text)?;
        tool.arguments.complete(&mut arguments);
        tool.request.build(&arguments, &HeaderMap::new(), 0)
    });
    match (request, endpoint(snapshot, tool)) {
        (Ok(request), Some(endpoint)) => {
            show(&shown(tool, &request, endpoint), args.json);
            Exit::Ok
        }
        (Ok(_), None) => Exit::Findings,
        (Err(fault), _) => {
            complain(&fault.message);
            Exit::Findings
        }
    }
}

fn endpoint<'s>(snapshot: &'s Snapshot, tool: &Tool) -> Option<&'s Endpoint> {
    snapshot.upstreams.get(tool.upstream)?.endpoints.first()
}

/// A request in words that may be shown to anybody.
struct Shown {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

fn shown(tool: &Tool, request: &UpstreamRequest, endpoint: &Endpoint) -> Shown {
    let scheme = if endpoint.tls { "https" } else { "http" };
    let mut target = request.target.clone();
    for pair in &tool.request.credential.query {
        let name = pair.split('=').next().unwrap_or_default();
        target = target.replace(&**pair, &format!("{name}=***"));
    }
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| {
            let text = if value.is_sensitive() { "***" } else { value.to_str().unwrap_or("***") };
            (name.to_string(), text.to_owned())
        })
        .collect();
    Shown {
        method: request.method.to_string(),
        url: format!("{scheme}://{}{target}", endpoint.authority),
        headers,
        body: request.body.as_ref().map(|b| b.to_vec()),
    }
}

fn show(request: &Shown, as_json: bool) {
    let body = request.body.as_ref().map(|b| String::from_utf8_lossy(b).into_owned());
    if as_json {
        let headers: Map<String, Value> =
            request.headers.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
        let out =
            json!({"method": request.method, "url": request.url, "headers": headers, "body": body});
        return print(&out.to_string());
    }
    let mut out = format!("curl -X {} {}", request.method, quoted(&request.url));
    for (name, value) in &request.headers {
        out.push_str(&format!(" \\\n  -H {}", quoted(&format!("{name}: {value}"))));
    }
    if let Some(body) = body {
        out.push_str(&format!(" \\\n  --data-binary {}", quoted(&body)));
    }
    print(&out);
}

/// In single quotes for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
