//! TLS with raw public keys (RFC 7250), as Pubky homeservers speak it: the server proves that it holds the
//! private half of the very key that it was looked up by. No authority, no name, no date.

use nexus_pubky::PubkyId;
use pkarr::PublicKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
};
use std::sync::Arc;

/// What precedes the 32 bytes of an ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 10.1).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A client that talks to the holder of `key` only.
pub(crate) fn config(key: PubkyId) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let key = PublicKey::try_from(key.as_str()).map_err(|error| Error::General(error.to_string()))?;
    let expected = [&ED25519[..], key.as_bytes()].concat();
    let verifier = Arc::new(HoldsKey { expected, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

#[derive(Debug)]
struct HoldsKey {
    expected: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for HoldsKey {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_the_key = intermediates.is_empty() && shown.as_ref() == self.expected;
        is_the_key.then(ServerCertVerified::assertion).ok_or(CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _shown: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("raw public keys need TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(shown.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkarr::Keypair;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    /// One handshake between a server that holds `held` and a client that expects `expected`.
    async fn talk(held: &Keypair, expected: &Keypair) -> std::io::Result<String> {
        let (here, there) = tokio::io::duplex(4096);
        let acceptor = TlsAcceptor::from(Arc::new(held.to_rpk_rustls_server_config()));
        let server = tokio::spawn(async move {
            let mut stream = acceptor.accept(there).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await
        });
        let key = expected.public_key().to_z32();
        let client = TlsConnector::from(Arc::new(config(key.parse().unwrap()).unwrap()));
        let mut text = String::new();
        client.connect(ServerName::try_from(key).unwrap(), here).await?.read_to_string(&mut text).await?;
        server.await.unwrap()?;
        Ok(text)
    }

    #[tokio::test]
    async fn only_the_holder_of_the_key_is_talked_to() {
        let (one, other) = (Keypair::from_secret_key(&[1; 32]), Keypair::from_secret_key(&[2; 32]));
        assert_eq!(talk(&one, &one).await.unwrap(), "hello");
        assert!(talk(&other, &one).await.is_err());
    }
}
