//! Why input from a Nostr client or relay was refused. The texts are what the sender is told after the
//! prefix `invalid:`, so they name the fault and repeat nothing of the content.

use crate::Prefix;

/// Why something isn't valid Nostr.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text isn't the JSON that Nostr allows.
    #[error("{problem} at byte {at}")]
    Json {
        /// Where, counted in bytes from the start of the text.
        at: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A member of an event, a filter or a message has a wrong shape.
    #[error("bad {0}")]
    Bad(&'static str),
    /// A member that must be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member is there twice.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// The kind is not a number from 0 to 65535.
    #[error("kind out of range")]
    KindOutOfRange,
    /// The id isn't the hash of the event.
    #[error("event id does not match")]
    IdMismatch,
    /// The public key isn't a point of the curve.
    #[error("bad pubkey")]
    NotAPoint,
    /// The signature isn't one of this key over this id.
    #[error("bad signature")]
    BadSignature,
    /// A filter has a member that this relay doesn't know. Ignoring it would widen the filter.
    #[error("unknown filter element '{0}'")]
    UnknownFilterElement(String),
    /// The first element of a message names no known message.
    #[error("unknown message type")]
    UnknownMessage,
    /// The call names no known method. (NIP-86)
    #[error("unknown method")]
    UnknownMethod,
    /// The event doesn't prove what an authentication must prove. (NIP-42, NIP-98)
    #[error("{0}")]
    NotAuthentic(&'static str),
    /// A negentropy message doesn't follow the protocol. (NIP-77)
    #[error("{0}")]
    Negentropy(String),
}

impl Error {
    /// The machine-readable prefix under which a client is told of this error.
    pub const fn prefix(&self) -> Prefix {
        match self {
            Self::UnknownFilterElement(_) | Self::UnknownMessage | Self::UnknownMethod => Prefix::Unsupported,
            Self::NotAuthentic(_) => Prefix::AuthRequired,
            _ => Prefix::Invalid,
        }
    }
}
