//! Nostr as bytes and rules: events, filters and messages are read in one pass and written in one canonical
//! form, ids and signatures are checked, and [`nip`] says what each NIP makes of an event.
//!
//! No I/O, no clock, no storage, and no policy: what a relay accepts from whom is decided in `services/relay`.
//! Builds for wasm32, where the feature `k256` replaces `secp256k1`.

mod error;
mod event;
mod filter;
mod hex;
mod id;
mod json;
mod kind;
mod message;
pub mod nip;
mod reason;
mod seconds;
mod signature;
mod tags;

pub use error::Error;
pub use event::Event;
pub use filter::{Filter, TagCondition, TagName};
pub use id::{EventId, PublicKey, Signature};
pub use kind::{Kind, KindClass};
pub use message::{Ask, ClientMessage, CountAnswer, EoseHint, RelayMessage, Reply, Unreadable};
pub use reason::{Prefix, Reason};
pub use seconds::Seconds;
#[cfg(feature = "k256")]
pub use signature::K256;
#[cfg(feature = "secp256k1")]
pub use signature::{KnownPoints, Secp256k1, SigningKey};
pub use signature::{SignatureScheme, Signed};
pub use tags::{Tag, Tags};

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
