//! What can go wrong before a request arrives.

use std::{net::SocketAddr, path::PathBuf};

/// Why a server can't start or a setting can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate or key file can't be used.
    #[error("can't use {}: {reason}", file.display())]
    Tls {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// An API key's hash isn't 64 hexadecimal digits, or neither key nor hash is given.
    #[error("api key {name}: {reason}")]
    ApiKey {
        /// The key's name.
        name: String,
        /// Why.
        reason: &'static str,
    },
}
