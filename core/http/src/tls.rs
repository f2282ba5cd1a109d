//! TLS by rustls. Certificate files are looked at now and then; a changed pair that is valid replaces the old
//! one for new connections, a broken one is reported and the old one stays.

use crate::{Error, TlsFiles};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fs,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::TlsAcceptor;

/// How a listener proves who it is.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: Option<Certificate>,
}

/// A certificate that can be replaced while connections are accepted.
#[derive(Clone)]
pub(crate) struct Certificate {
    files: TlsFiles,
    current: Arc<Current>,
}

/// Which HTTP is offered, best first.
fn offered() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

#[derive(Debug)]
struct Current(RwLock<(Pem, Arc<CertifiedKey>)>);

#[derive(Debug, PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone())
    }
}

impl Tls {
    /// Reads the files.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let pem = Pem::read(&files)?;
        let key = Arc::new(pem.certified(&files, &provider)?);
        let current = Arc::new(Current(RwLock::new((pem, key))));
        let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = versions.map_err(|error| broken(&files.cert, &error))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = offered();
        Ok(Self { acceptor: Arc::new(config).into(), certificate: Some(Certificate { files, current }) })
    }

    /// What `config` proves, for as long as the listener lives.
    pub(crate) fn fixed(mut config: ServerConfig) -> Self {
        config.alpn_protocols = offered();
        Self { acceptor: Arc::new(config).into(), certificate: None }
    }

    /// What shakes hands with new connections.
    pub(crate) const fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// What is to be looked at for changes.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }
}

impl Certificate {
    pub(crate) const fn reload_secs(&self) -> u64 {
        self.files.reload_secs
    }

    /// Takes over changed files. Blocks on the file system.
    pub(crate) fn reload(&self) {
        match self.try_reload() {
            Ok(true) => tracing::info!(cert = %self.files.cert.display(), "took over a new certificate"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "kept the old certificate"),
        }
    }

    fn try_reload(&self) -> Result<bool, Error> {
        let pem = Pem::read(&self.files)?;
        if self.current.0.read().unwrap_or_else(PoisonError::into_inner).0 == pem {
            return Ok(false);
        }
        let key = Arc::new(pem.certified(&self.files, &ring::default_provider())?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = (pem, key);
        Ok(true)
    }
}

impl Pem {
    fn read(files: &TlsFiles) -> Result<Self, Error> {
        let read = |path: &Path| fs::read(path).map_err(|error| broken(path, &error));
        Ok(Self { cert: read(&files.cert)?, key: read(&files.key)? })
    }

    fn certified(&self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.map_err(|error| broken(&files.cert, &error))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| broken(&files.key, &error))?;
        CertifiedKey::from_der(chain, key, provider).map_err(|error| broken(&files.cert, &error))
    }
}

fn broken(file: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Tls { file: file.into(), reason: reason.to_string() }
}
