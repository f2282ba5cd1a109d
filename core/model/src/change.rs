//! The common shape of a journal row. Every service writes its own rows; each can be read as a [`Change`],
//! and so every delivery works for every source.

use crate::{Seq, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{fmt, sync::Arc};

/// One thing that happened to one record, as a reader of the journal meets it.
///
/// `author/collection/key` names the record in all four worlds: a public key and a path, a DID with an NSID
/// and a record key, a pubkey with a kind and a `d` tag or id, a user with a model and an id.
#[derive(Clone, Debug)]
pub struct Change {
    /// Where it stands in the journal.
    pub seq: Seq,
    /// The network it came from.
    pub source: Source,
    /// Whose record it is.
    pub author: Arc<str>,
    /// Which of the author's collections.
    pub collection: Arc<str>,
    /// Which record in the collection.
    pub key: Arc<str>,
    /// What happened.
    pub action: Action,
    /// CID, event id, hash or revision of the record, where the source has one.
    pub version: Option<Arc<str>>,
    /// The record as JSON. `None` for a delete, or when a newer change has replaced it.
    pub value: Option<Arc<RawValue>>,
    /// The record before, where the service keeps it.
    pub before: Option<Arc<RawValue>>,
    /// False for history that was read later, true for what came as it happened.
    pub live: bool,
    /// When it was handled.
    pub time: Timestamp,
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The record is new.
    Create,
    /// The record replaced an older one.
    Update,
    /// The record is gone.
    Delete,
}

impl Action {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The network that a change came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A Pubky homeserver.
    Pubky,
    /// The AT Protocol.
    Atproto,
    /// A Nostr client or relay.
    Nostr,
    /// An app's own data, by the app's name.
    App(Arc<str>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pubky => f.write_str("pubky"),
            Self::Atproto => f.write_str("atproto"),
            Self::Nostr => f.write_str("nostr"),
            Self::App(name) => write!(f, "app:{name}"),
        }
    }
}
