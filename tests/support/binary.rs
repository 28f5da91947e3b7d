//! The real binary: started on free ports, watched, and killed at the end.

use super::http::Connection;
use super::temp::Temp;
use super::{DEADLINE, until};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;

/// A running `drawbridge`.
pub struct Binary {
    child: Child,
    /// The MCP listener.
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// What was printed for people before the service began.
    pub banner: String,
    /// Everything printed after the banner, stdout and stderr.
    log: Arc<Mutex<String>>,
    pub dir: Arc<Temp>,
}

/// How to start one.
#[derive(Clone)]
pub struct Setup {
    args: Vec<String>,
    env: Vec<(String, String)>,
    dir: Arc<Temp>,
}

/// `drawbridge ARGS`, run to its end in a directory.
pub fn run(dir: &Path, args: &[&str]) -> Output {
    command(dir).args(args).output().expect("the binary runs")
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawbridge"));
    command.current_dir(dir).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

impl Setup {
    /// The demo: no arguments but the ports.
    pub fn demo() -> Self {
        Setup { args: Vec::new(), env: Vec::new(), dir: Arc::new(Temp::new()) }
    }

    /// `serve` of a configuration; its files lie beside it.
    pub fn serve(config: &str) -> Self {
        let setup = Setup { args: vec!["serve".into()], ..Setup::demo() };
        setup.dir.write("drawbridge.yaml", config);
        setup
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.dir.write(name, content);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it serves. A free port is found by the binary
    /// and used a moment later; another process may take it between, so one
    /// failure to start is forgiven.
    pub fn start(&self) -> Binary {
        self.start_with(|_| ())
    }

    /// The same, doing something as soon as the banner is there: the process has
    /// read its files and is not ready yet.
    pub fn start_with(&self, at_banner: impl Fn(&Binary)) -> Binary {
        self.try_start(&at_banner).unwrap_or_else(|e| panic!("{e}"))
    }

    fn try_start(&self, at_banner: &dyn Fn(&Binary)) -> Result<Binary, String> {
        let mut child = command(self.dir.path())
            .args(&self.args)
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .envs(self.env.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("the binary does not start: {e}"))?;
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("a pipe");
        let kept = log.clone();
        std::thread::spawn(move || keep(stderr, &kept));
        let lines = lines(child.stdout.take().expect("a pipe"));
        let mut binary = Binary {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            admin: SocketAddr::from(([0, 0, 0, 0], 0)),
            banner: String::new(),
            log,
            dir: self.dir.clone(),
        };
        binary.read_banner(&lines)?;
        at_banner(&binary);
        let kept = binary.log.clone();
        std::thread::spawn(move || {
            lines.iter().for_each(|line| kept.lock().unwrap().push_str(&(line + "\n")))
        });
        binary.wait_ready()?;
        Ok(binary)
    }
}

fn keep(mut stderr: impl Read, kept: &Mutex<String>) {
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut piece) {
        kept.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..n]));
    }
}

fn lines(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// `  MCP server   http://127.0.0.1:4711/mcp   ...` -> the address.
fn address(line: &str, what: &str) -> Option<SocketAddr> {
    let url = line.trim().strip_prefix(what)?.split_whitespace().next()?;
    url.split_once("://")?.1.split('/').next()?.parse().ok()
}

impl Binary {
    fn read_banner(&mut self, lines: &Receiver<String>) -> Result<(), String> {
        let mut found = 0;
        while found < 2 {
            let Ok(line) = lines.recv_timeout(DEADLINE) else {
                return Err(format!("no banner but: {}{}", self.banner, self.log()));
            };
            if let (Some(at), 0) = (address(&line, "MCP server"), found) {
                (self.address, found) = (at, 1);
            }
            if let Some(at) = address(&line, "Admin") {
                (self.admin, found) = (at, 2);
            }
            self.banner.push_str(&(line + "\n"));
        }
        // The demo goes on to tell how to try it.
        while self.banner.contains("Example API") && !self.banner.contains("Ctrl-C") {
            let Ok(line) = lines.recv_timeout(DEADLINE) else { return Err("half a banner".into()) };
            self.banner.push_str(&(line + "\n"));
        }
        Ok(())
    }

    fn wait_ready(&mut self) -> Result<(), String> {
        let start = Instant::now();
        let open = |at| TcpStream::connect(at).is_ok();
        while !(open(self.admin)
            && open(self.address)
            && self.admin_get("/readyz").0 == 200
            && self.takes_hangup())
        {
            if start.elapsed() > DEADLINE / 2 || self.has_ended().is_some() {
                return Err(format!("not ready: {}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether the process handles SIGHUP by now, where the system tells: what
    /// watches files may begin a moment after the listeners.
    fn takes_hangup(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_none_or(|mask| mask & (1 << (Signal::HUP.as_raw() - 1)) != 0)
    }

    /// What the process logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a word in the log.
    pub fn wait_log(&self, word: &str) {
        until(&format!("`{word}` in the log"), || self.log().contains(word).then_some(()));
    }

    pub fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the process takes signals");
    }

    /// Takes changed files into use, and waits until that happened.
    pub fn reload(&self) {
        let before = self.metric("drawbridge_snapshot_generation");
        self.signal(Signal::HUP);
        until("a reload", || {
            (self.metric("drawbridge_snapshot_generation") > before).then_some(())
        });
    }

    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process can be waited for")
    }

    pub fn wait_end(&mut self) -> ExitStatus {
        until("the end of the process", || self.has_ended())
    }

    /// A page of the admin listener: status and text.
    pub fn admin_get(&self, path: &str) -> (u16, String) {
        let mut connection = Connection::open(self.admin);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.admin);
        connection.send(request.as_bytes());
        match connection.try_response() {
            Some(response) => (response.status, response.text()),
            None => (0, String::new()),
        }
    }

    /// The value of one series; zero when it is not there.
    pub fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.admin_get("/metrics");
        let line = text.lines().find_map(|l| l.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    pub fn wait_metric(&self, series: &str, want: f64) {
        until(&format!("{series} {want}"), || (self.metric(series) == want).then_some(()));
    }

    /// Resident memory in bytes: now, and the most it was.
    pub fn memory(&self) -> (usize, usize) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process tells of itself");
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("a field");
            let kib = line.trim().trim_end_matches(" kB");
            kib.parse::<usize>().expect("a number") << 10
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Time of the processor that it took, in ticks of 10 ms.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("the process tells of itself");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
        let ticks = |n: usize| fields[n].parse::<u64>().expect("a number");
        Duration::from_millis((ticks(12) + ticks(13)) * 10)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the process ---\n{}---", self.log());
        }
    }
}
