//! Certificates made for one test, and both ends of TLS over them.

use super::http::{Connection, Socket};
use super::temp::Temp;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate for 127.0.0.1 and localhost that is its own authority.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Identity {
    pub fn new() -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Identity { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// Writes both files beside the configuration.
    pub fn write(&self, dir: &Temp) {
        dir.write("tls.crt", &self.certificate);
        dir.write("tls.key", &self.key);
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM")
    }

    /// The server's end, which offers these protocols.
    pub fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM");
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![self.der()], key)
            .expect("a certificate and its key");
        config.alpn_protocols = bytes(protocols);
        TlsAcceptor::from(Arc::new(config))
    }

    /// The client's end, which trusts this certificate alone.
    pub fn client(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = bytes(protocols);
        Arc::new(config)
    }

    pub fn connector(&self, protocols: &[&str]) -> TlsConnector {
        TlsConnector::from(self.client(protocols))
    }
}

fn bytes(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols.iter().map(|p| p.as_bytes().to_vec()).collect()
}

impl Socket for StreamOwned<ClientConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

pub fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

/// An HTTP/1.1 connection over TLS, and the protocol that was agreed on.
pub fn connect(
    address: SocketAddr,
    identity: &Identity,
    protocols: &[&str],
) -> (Connection, Option<String>) {
    let tls = ClientConnection::new(identity.client(protocols), name()).expect("a client");
    let socket = TcpStream::connect(address).expect("the listener takes connections");
    let mut stream = StreamOwned::new(tls, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    }
    let agreed = stream.conn.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned());
    (Connection::over(Box::new(stream)), agreed)
}
