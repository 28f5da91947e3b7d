//! A real nginx in front of the product, on a Unix socket, and a client of it.

use crate::support::temp::Temp;
use crate::support::{DEADLINE, shown, until};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running nginx that passes every request to the gateway.
pub struct Nginx {
    child: Child,
    dir: Temp,
}

/// Debian keeps it out of the PATH of plain users.
const PROGRAMS: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

impl Nginx {
    /// Starts it; `None`, and a word about it, where it is not installed.
    pub fn start(gateway: SocketAddr) -> Option<Self> {
        let is_there = |program: &&str| Command::new(program).arg("-v").output().is_ok();
        let Some(program) = PROGRAMS.into_iter().find(is_there) else {
            // Not `eprintln`: the test passes, and its output would not be seen.
            let word = b"skipped: no nginx on the PATH, nothing was sent through it\n";
            std::io::stderr().write_all(word).expect("stderr is open");
            return None;
        };
        let dir = Temp::new();
        let socket = socket(&dir);
        let conf = dir.write("nginx.conf", configuration(&socket.display().to_string(), gateway));
        let prefix = format!("{}/", dir.path().display());
        let child = Command::new(program)
            .args(["-p", &prefix, "-c"])
            .arg(conf)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut nginx = Nginx { child, dir };
        until("nginx takes connections", || {
            let ended = nginx.child.try_wait().expect("nginx can be waited for");
            assert!(ended.is_none(), "nginx ended: {ended:?}");
            UnixStream::connect(&socket).ok()
        });
        Some(nginx)
    }

    /// Sends bytes on a new connection; returns all that comes until nginx closes
    /// it. nginx writes its log before it closes.
    pub fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut client = UnixStream::connect(socket(&self.dir)).expect("nginx takes connections");
        client.set_read_timeout(Some(DEADLINE)).expect("a socket option");
        client.set_write_timeout(Some(DEADLINE)).expect("a socket option");
        // nginx may refuse the bytes before it has them all.
        let _ = client.write_all(bytes);
        let mut answers = Vec::new();
        if let Err(e) = client.read_to_end(&mut answers) {
            let late = matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!late, "nginx keeps the connection: {}", shown(&answers));
        }
        answers
    }

    /// The same for one request that is answered: its status and its body.
    pub fn answer(&self, request: &[u8]) -> (u16, Vec<u8>) {
        let mut head = self.exchange(request);
        let end = head.windows(4).position(|w| w == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no header: {}", shown(&head)));
        let body = head.split_off(end + 4);
        let head = String::from_utf8(head).expect("a header is text");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|s| s.get(..3)?.parse().ok());
        (status.unwrap_or_else(|| panic!("a status line: {head}")), body)
    }

    /// The targets of the requests that it passed to the gateway, in the order in
    /// which they ended.
    pub fn passed(&self) -> Vec<String> {
        let log = std::fs::read(self.dir.path().join("access.log")).expect("the log of nginx");
        let log = String::from_utf8_lossy(&log);
        let lines = log.lines().filter_map(|line| line.split_once(" to "));
        lines.filter(|(_, to)| *to != "-").map(|(target, _)| target.to_owned()).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(dir: &Temp) -> PathBuf {
    dir.path().join("nginx.sock")
}

/// One process, so that its end is the end of all of it. A body that nginx waits
/// for and that does not come costs a second. nginx does not linger, so whoever
/// sees it close may read its log.
fn configuration(socket: &str, gateway: SocketAddr) -> String {
    format!(
        r#"
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    log_format passed '$request_uri to $upstream_addr';
    access_log access.log passed;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_header_timeout 1s;
    client_body_timeout 1s;
    keepalive_timeout 1s;
    lingering_close off;
    upstream gateway {{
        server {gateway};
        keepalive 4;
    }}
    server {{
        listen unix:{socket};
        location / {{
            proxy_pass http://gateway;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host localhost;
            proxy_request_buffering off;
            proxy_next_upstream off;
        }}
    }}
}}
"#
    )
}
