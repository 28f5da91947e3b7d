//! Listening sockets, bound before the proxy starts: so that port 0 can be told,
//! an address that cannot be had is an error and no panic, and nobody takes a
//! port between its being found and its being used.

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::server::{Fds, ListenFds, ShutdownWatch};
use pingora_core::services::Service;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

/// The sockets of one process.
#[derive(Default)]
pub struct Ports(Vec<(SocketAddr, TcpListener)>);

impl Ports {
    /// Binds an address; gives it with its port where that was 0.
    pub fn bind(&mut self, address: SocketAddr) -> Result<SocketAddr, String> {
        let bound = TcpListener::bind(address).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, socket))
        });
        let bound = bound.map_err(|e| format!("cannot listen on {address}: {e}"))?;
        let settled = bound.0;
        self.0.push(bound);
        Ok(settled)
    }

    /// The table in which Pingora looks for a socket before it binds one.
    pub(super) fn into_table(self) -> ListenFds {
        let mut table = Fds::new();
        for (address, socket) in self.0 {
            table.add(address.to_string(), socket.into_raw_fd());
        }
        Arc::new(Mutex::new(table))
    }
}

/// A service that listens on sockets that are there. Pingora's own table is for
/// sockets of a process that this one replaces.
pub(super) struct OnPorts<S> {
    pub service: S,
    pub table: ListenFds,
}

#[async_trait]
impl<S: Service> Service for OnPorts<S> {
    async fn start_service(
        &mut self,
        _: Option<ListenFds>,
        stop: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let table = Some(self.table.clone());
        self.service.start_service(table, stop, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }
}
