//! The command line. Each verb says what it was told, what that means, and does
//! it; only here is anything printed or read from the environment.

mod call;
mod check;
mod demo;
mod explain;
mod schema;
mod serve;
mod target;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok,
    /// Problems were found, or the call was an error.
    Findings,
    Usage,
    /// A server or file could not be reached.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Ok => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
        })
    }
}

/// Any HTTP API described by OpenAPI, for AI agents over the Model Context
/// Protocol (MCP).
///
/// Without a command it runs a demo: an example API and an MCP server for it on
/// http://127.0.0.1:8080/mcp.
#[derive(Parser)]
#[command(name = "drawbridge", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    demo: demo::Args,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve the APIs of a configuration file, or of one OpenAPI document.
    Serve(serve::Args),
    /// Tell every problem of a configuration and its documents; change nothing.
    Check(check::Args),
    /// List the tools an agent will see, with the tokens each costs.
    Tools(tools::Args),
    /// Show the HTTP request a call would send; send nothing.
    Explain(explain::Args),
    /// Call a tool of a running MCP server.
    Call(call::Args),
    /// Print the JSON Schema of the configuration file.
    Schema,
}

/// Runs the program.
pub fn run() -> Exit {
    let cli = Cli::parse();
    match cli.verb {
        None => demo::run(&cli.demo),
        Some(Verb::Serve(args)) => serve::run(&args),
        Some(Verb::Check(args)) => check::run(&args),
        Some(Verb::Tools(args)) => tools::run(&args),
        Some(Verb::Explain(args)) => explain::run(&args),
        Some(Verb::Call(args)) => call::run(&args),
        Some(Verb::Schema) => schema::run(),
    }
}

/// Prints for people or machines on stdout. A closed pipe ends the program
/// quietly, as in `drawbridge tools | head`.
fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let line_end = if text.ends_with('\n') { "" } else { "\n" };
    if write!(out, "{text}{line_end}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Tells what went wrong, on stderr.
fn complain(text: &str) {
    eprintln!("drawbridge: {text}");
}
