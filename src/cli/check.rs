//! `drawbridge check`: everything but listening.

use super::target::Target;
use super::{Exit, print};
use crate::gateway;
use crate::problem::Problem;
use crate::snapshot::ApiReport;
use serde_json::json;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// For machines.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Exit {
    let mut built = match args.target.build() {
        Ok(built) => built,
        Err(exit) => return exit,
    };
    if let Some(snapshot) = built.snapshot.take() {
        gateway::load(snapshot, crate::config::Limits::default(), &mut built.problems);
    }
    let findings = !built.problems.is_empty();
    match args.json {
        true => print(&json!({"apis": built.reports, "problems": built.problems}).to_string()),
        false => print(&text(&built.reports, &built.problems)),
    }
    if findings { Exit::Findings } else { Exit::Ok }
}

fn text(reports: &[ApiReport], problems: &[Problem]) -> String {
    let mut out = String::new();
    for report in reports {
        out.push_str(&format!(
            "{}: OpenAPI {}, {} operations, {} tools, {} left out, {} renamed ({})\n",
            report.api,
            report.version,
            report.operations,
            report.tools,
            report.skipped.len(),
            report.renamed.len(),
            report.document
        ));
        for skipped in &report.skipped {
            out.push_str(&format!(
                "  left out {} {}: {}\n",
                skipped.method, skipped.path, skipped.reason
            ));
        }
        if !report.files.is_empty() {
            out.push_str(&format!("  with {} other files\n", report.files.len()));
        }
        for name in &report.shortened {
            out.push_str(&format!("  shortened the input schema of {name}, checked in full\n"));
        }
        for (id, name) in &report.renamed {
            out.push_str(&format!("  renamed {id} to {name}\n"));
        }
    }
    for problem in problems {
        out.push_str(&format!("{problem}\n"));
    }
    out.push_str(&match problems.len() {
        0 => "no problems\n".to_owned(),
        1 => "1 problem\n".to_owned(),
        n => format!("{n} problems\n"),
    });
    out
}
