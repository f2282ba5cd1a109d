//! API keys: known by their hash only, so that neither memory dumps nor comparison times give one away.

use crate::{Error, config::ApiKeyConfig};
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};

/// SHA-256 of a secret. Comparing hashes in ordinary time tells nothing about the secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of `secret`.
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// The hash that a configured key has.
    pub(crate) fn configured(config: &ApiKeyConfig) -> Result<Self, Error> {
        let refuse = |reason| Error::ApiKey { name: config.name.clone(), reason };
        match (&config.key, &config.sha256) {
            (Some(key), None) if !key.is_empty() => Ok(Self::of(key)),
            (None, Some(text)) => {
                let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or_else(|| refuse("sha256 is not 64 hexadecimal digits"))
            }
            _ => Err(refuse("give either key or sha256")),
        }
    }
}

/// The secret that a request shows as `authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// The API key that a request shows, by `x-api-key` or as a bearer.
pub(crate) fn presented(headers: &HeaderMap) -> Option<SecretHash> {
    let named = headers.get("x-api-key").and_then(|value| value.to_str().ok());
    named.or_else(|| bearer(headers)).map(SecretHash::of)
}
