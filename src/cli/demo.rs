//! `drawbridge` alone: an example API and its MCP server, ready to try.

use super::serve::{Addresses, banner, go, start, url};
use super::target::config_of;
use super::{Exit, complain, print};
use crate::config::Api;
use crate::gateway::Ports;
use crate::reload::Origin;
use std::net::SocketAddr;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    addresses: Addresses,
}

/// The name under which the demo's document is known.
pub const SOURCE: &str = "demo:bookshop";

pub fn run(args: &Args) -> Exit {
    let mut ports = Ports::default();
    let api = match ports.bind(SocketAddr::from(([127, 0, 0, 1], 0))) {
        Ok(address) => address,
        Err(e) => {
            complain(&e);
            return Exit::Unreachable;
        }
    };
    let mut bookshop = Api::new("bookshop", SOURCE);
    bookshop.upstream.urls = vec![format!("http://{api}")];
    let mut config = config_of(bookshop);
    config.log.filter = "warn".to_owned();
    if let Some(server) = config.servers.first_mut() {
        server.name = "bookshop".to_owned();
        server.instructions =
            Some("Search and manage the books of a small online shop.".to_owned());
    }
    let origin = Origin::Made(Box::new(config));
    let ready = match start(origin, &args.addresses, Some(api), ports) {
        Ok(ready) => ready,
        Err(exit) => return exit,
    };
    let endpoint = url(&ready.config, "/mcp");
    print(&format!("{}{}", banner(&ready), how_to_try(&endpoint)));
    go(ready)
}

fn how_to_try(endpoint: &str) -> String {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"searchBooks","arguments":{"q":"bronte"}}}"#;
    format!(
        r#"
Try it:
  curl -s {endpoint} -H 'Content-Type: application/json' -d '{call}'

Add it to an MCP client:
  {{ "mcpServers": {{ "bookshop": {{ "type": "http", "url": "{endpoint}" }} }} }}

Your own API:
  drawbridge serve --openapi FILE --upstream URL

Ctrl-C ends it.
"#
    )
}
