//! TLS, and certificates that change.

use crate::{Running, builder, client, site};
use axum::{Router, http::Version, routing::get};
use nexus_http::{ConnectionLimits, Server, TlsFiles};
use rustls::pki_types::ServerName;
use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;

pub(crate) const ONE: (&str, &str) = (include_str!("../fixtures/one.crt"), include_str!("../fixtures/one.key"));
const TWO: (&str, &str) = (include_str!("../fixtures/two.crt"), include_str!("../fixtures/two.key"));

pub(crate) fn write(folder: &Path, (cert, key): (&str, &str)) -> TlsFiles {
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem"), reload_secs: 1 };
    fs::write(&files.cert, cert).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// A connection that speaks one of `protocols`, whatever certificate is shown.
pub(crate) async fn connect(address: SocketAddr, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(address).await.unwrap();
    connector.connect(ServerName::IpAddress(address.ip().into()), tcp).await.unwrap()
}

/// The certificate that the server shows now.
async fn shown(address: SocketAddr) -> Vec<u8> {
    let tls = connect(address, &[]).await;
    tls.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn answers_over_tls_in_both_versions_of_http() {
    let client = client();
    let folder = tempfile::tempdir().unwrap();
    let port = Running::with(site(hello()), ConnectionLimits::default(), Some(write(folder.path(), ONE))).await;
    let answer = client.get(&port.url).send().await.unwrap();
    assert_eq!((answer.version(), answer.text().await.unwrap().as_str()), (Version::HTTP_2, "hello"));
    let old = builder().http1_only().build().unwrap();
    assert_eq!(old.get(&port.url).send().await.unwrap().version(), Version::HTTP_11);
}

#[tokio::test]
async fn a_changed_certificate_is_taken_over_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = write(folder.path(), ONE);
    let port = Running::with(site(hello()), ConnectionLimits::default(), Some(files.clone())).await;
    assert_eq!(shown(port.address).await, der(ONE.0));
    fs::write(&files.cert, "not a certificate").unwrap();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(shown(port.address).await, der(ONE.0));
    write(folder.path(), TWO);
    let changed = async {
        while shown(port.address).await != der(TWO.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), changed).await.expect("the new certificate is shown");
}

#[tokio::test]
async fn who_never_shakes_hands_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let limits = ConnectionLimits { header_timeout_secs: 1, ..ConnectionLimits::default() };
    let port = Running::with(site(hello()), limits, Some(write(folder.path(), ONE))).await;
    let stream = TcpStream::connect(port.address).await.unwrap();
    timeout(Duration::from_secs(20), stream.readable()).await.unwrap().unwrap();
    assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 0, "closed without a word");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (cert, key) in [("", ONE.1), (ONE.0, ""), (ONE.0, TWO.1)] {
        let files = write(folder.path(), (cert, key));
        let error = Server::bind(([127, 0, 0, 1], 0).into(), ConnectionLimits::default(), Some(files)).await.err();
        assert!(error.unwrap().to_string().starts_with("can't use "));
    }
}

/// A verifier for these tests, which look at the certificate themselves.
#[derive(Debug)]
struct Anything(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
