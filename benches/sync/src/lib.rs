//! A synthetic AT Protocol network on loopback: a PLC directory, one PDS and one relay in one process, with
//! repos and firehose commits that were signed beforehand. Any sync service can be pointed at it over the wire.
//!
//! Repos are built with the crate `shrike` and not with our own codec: a fault there must not hide here.
//! Nothing is written to disk, and nobody can write records: it replays.

mod frames;
mod network;
mod repos;
mod serve;

pub use network::{Network, Size};
pub use serve::Server;

/// Why a network couldn't be built or served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A repo couldn't be written or signed.
    #[error("a repo can't be built: {0}")]
    Repo(#[from] shrike::repo::RepoError),
    /// An identifier is malformed.
    #[error("an identifier is malformed: {0}")]
    Syntax(#[from] shrike::syntax::SyntaxError),
    /// A key couldn't be made.
    #[error("a key can't be made: {0}")]
    Key(#[from] shrike::crypto::CryptoError),
    /// A value couldn't be encoded.
    #[error("a value can't be encoded: {0}")]
    Cbor(#[from] shrike::cbor::CborError),
    /// A CAR couldn't be written.
    #[error("a CAR can't be written: {0}")]
    Car(#[from] shrike::car::CarError),
    /// The port couldn't be opened.
    #[error("can't listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A worker that signs has died.
    #[error("a signing worker died")]
    Worker,
}
