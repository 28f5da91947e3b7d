//! `drawbridge serve`: run until told to end.

use super::target::{Target, embedded, session_key};
use super::{Exit, complain, print};
use crate::config::Config;
use crate::gateway::{self, Live, Ports, Ready};
use crate::observe;
use crate::problem::Problem;
use crate::reload::{self, Origin};
use signal_hook::consts::SIGHUP;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    addresses: Addresses,
}

/// Where to listen, over what the configuration says.
#[derive(clap::Args)]
pub struct Addresses {
    /// The MCP listener [default: 127.0.0.1:8080]; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// The admin listener: /livez /readyz /status /metrics.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub admin: Option<SocketAddr>,
}

/// An address and a port; `localhost` is the loopback address.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| "give an address and a port, such as 127.0.0.1:8080".to_owned())
}

pub fn run(args: &Args) -> Exit {
    let started = args
        .target
        .origin()
        .and_then(|origin| start(origin, &args.addresses, None, Ports::default()));
    let ready = match started {
        Ok(ready) => ready,
        Err(exit) => return exit,
    };
    print(&banner(&ready));
    go(ready)
}

/// Runs what is ready.
pub fn go(ready: Ready) -> Exit {
    match gateway::run(ready) {
        Ok(()) => Exit::Ok,
        Err(e) => {
            complain(&e);
            Exit::Unreachable
        }
    }
}

/// Reads, builds and finds ports; everything that can fail does so here.
pub fn start(
    origin: Origin,
    addresses: &Addresses,
    demo: Option<SocketAddr>,
    mut ports: Ports,
) -> Result<Ready, Exit> {
    // Before any file is read, or SIGHUP would end the process until the runtime is there.
    let hangup = Arc::new(AtomicBool::new(false));
    if let Err(e) = signal_hook::flag::register(SIGHUP, hangup.clone()) {
        complain(&format!("SIGHUP cannot be handled: {e}"));
        return Err(Exit::Unreachable);
    }
    let read = reload::read(&origin, embedded);
    let Some(mut config) = read.config else { return Err(told(&read.problems)) };
    drop(read.documents);
    if let Err(e) = observe::log::start(&config.log) {
        complain(&e);
        return Err(Exit::Usage);
    }
    let fixed = gateway::fixed(&config);
    settle(&mut config, addresses, &mut ports)?;
    if let Err(e) = gateway::check_tls(&config) {
        complain(&e);
        return Err(Exit::Findings);
    }
    let listeners: Vec<SocketAddr> = config.listeners.iter().map(|l| l.address).collect();
    let session_key = session_key(&config)?;
    let built = reload::build(&origin, embedded, Some(&listeners), &session_key, 1);
    let mut problems = built.problems;
    let loaded = built.snapshot.map(|s| gateway::load(s, config.limits.clone(), &mut problems));
    for report in built.reports.iter().filter(|r| !r.skipped.is_empty()) {
        tracing::warn!(
            "api {}: {} of {} operations are no tools; `drawbridge check` tells why",
            report.api,
            report.skipped.len(),
            report.operations
        );
    }
    let exit = told(&problems);
    match loaded.filter(|_| !problems.iter().any(Problem::is_error)) {
        Some(loaded) => {
            let live = Arc::new(Live::new(loaded));
            Ok(Ready {
                config,
                origin,
                embedded,
                session_key,
                ports,
                live,
                demo,
                files: built.files,
                hangup,
                fixed,
            })
        }
        None => Err(exit),
    }
}

fn told(problems: &[Problem]) -> Exit {
    problems.iter().for_each(|p| eprintln!("{p}"));
    Exit::Findings
}

/// Command-line addresses over configured ones; free ports for port 0.
fn settle(config: &mut Config, addresses: &Addresses, ports: &mut Ports) -> Result<(), Exit> {
    if let (Some(address), Some(first)) = (addresses.listen, config.listeners.first_mut()) {
        first.address = address;
    }
    config.admin = addresses.admin.or(config.admin);
    let all = config.listeners.iter_mut().map(|l| &mut l.address).chain(&mut config.admin);
    for address in all {
        match ports.bind(*address) {
            Ok(settled) => *address = settled,
            Err(e) => {
                complain(&format!("{e}; choose another with --listen or --admin"));
                return Err(Exit::Unreachable);
            }
        }
    }
    Ok(())
}

/// What is running, for people.
pub fn banner(ready: &Ready) -> String {
    let loaded = ready.live.load();
    let mut out = format!("Drawbridge {}\n\n", env!("CARGO_PKG_VERSION"));
    for server in &loaded.snapshot.servers {
        let (read, write) = server.counts();
        out.push_str(&format!(
            "  MCP server   {}   {} tools: {read} only read, {write} change data\n",
            url(&ready.config, &server.path),
            read + write
        ));
    }
    for listener in ready.config.listeners.iter().skip(1) {
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        out.push_str(&format!("  also on      {scheme}://{}\n", listener.address));
    }
    if let Some(demo) = ready.demo {
        out.push_str(&format!("  Example API  http://{demo}   an online bookshop\n"));
    }
    if let Some(admin) = ready.config.admin {
        out.push_str(&format!("  Admin        http://{admin}   /livez /readyz /status /metrics\n"));
    }
    out
}

/// The URL of a server's endpoint, as a client on this machine reaches it.
pub fn url(config: &Config, path: &str) -> String {
    let Some(listener) = config.listeners.first() else { return path.to_owned() };
    let scheme = if listener.tls.is_some() { "https" } else { "http" };
    let mut address = listener.address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{scheme}://{address}{path}")
}
