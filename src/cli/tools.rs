//! `drawbridge tools`: what an agent will see.

use super::target::Target;
use super::{Exit, print};
use crate::config::AnswerAs;
use crate::snapshot::{Server, definition};
use crate::tool::Tool;
use serde_json::{Value, json};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Which server, where there are several.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// For machines: every definition in full.
    #[arg(long)]
    json: bool,
}

/// Bytes of JSON to a token, as common tokenizers have it.
const BYTES_PER_TOKEN: usize = 4;

pub fn run(args: &Args) -> Exit {
    args.target.with_server(args.server.as_deref(), |built, _, server| {
        match args.json {
            true => {
                let tools: Vec<Value> = server.tools.iter().map(|t| machine(t)).collect();
                print(&json!({ "server": server.name, "tools": tools }).to_string());
            }
            false => print(&table(server)),
        }
        for report in built.reports.iter().filter(|r| !r.skipped.is_empty()) {
            let left_out = report.skipped.len();
            eprintln!(
                "{}: {left_out} operations are left out; `drawbridge check` tells why",
                report.api
            );
        }
        Exit::Ok
    })
}

fn tokens(tool: &Tool) -> usize {
    definition(tool, true).len().div_ceil(BYTES_PER_TOKEN)
}

fn answer(tool: &Tool) -> &'static str {
    match tool.answer {
        AnswerAs::Whole => "whole",
        AnswerAs::Stream => "stream",
    }
}

fn machine(tool: &Tool) -> Value {
    let definition: Value = serde_json::from_slice(&definition(tool, true)).unwrap_or(Value::Null);
    json!({
        "name": tool.name,
        "api": tool.api,
        "operation": tool.operation,
        "readOnly": tool.hints.read_only,
        "answer": answer(tool),
        "tokens": tokens(tool),
        "definition": definition,
    })
}

fn table(server: &Server) -> String {
    const DESCRIPTION_CHARS: usize = 60;
    let name = server.tools.iter().map(|t| t.name.len()).max().unwrap_or(4).max(4);
    let mut out = format!(
        "{:name$}  {:>6}  {:6}  {:6}  {}\n",
        "TOOL", "TOKENS", "ACCESS", "ANSWER", "DESCRIPTION"
    );
    let mut total = 0;
    for tool in &server.tools {
        let cost = tokens(tool);
        total += cost;
        let line = tool.definition.description.lines().next().unwrap_or_default();
        let mut short: String = line.chars().take(DESCRIPTION_CHARS).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        let access = if tool.hints.read_only { "read" } else { "write" };
        out.push_str(&format!(
            "{:name$}  {cost:>6}  {access:6}  {:6}  {short}\n",
            tool.name,
            answer(tool)
        ));
    }
    let (read, write) = server.counts();
    out.push_str(&format!(
        "\n{} tools on {}: {read} only read, {write} change data; about {total} tokens in all\n",
        server.tools.len(),
        server.path
    ));
    out
}
