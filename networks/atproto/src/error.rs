//! Why input from the AT Protocol was refused: a reason to count and a short description to log.

use std::borrow::Cow;
use std::fmt;

/// Input that doesn't hold. It says nothing about our own data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Error {
    reason: Reason,
    detail: Cow<'static, str>,
}

impl Error {
    pub(crate) fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// A place that keeps blocks ([`crate::Blocks`]) could not give one back.
    pub fn storage(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::Storage, detail)
    }

    /// What kind of rule was broken: a closed set, fit for a metric's label.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// True if the signing key may have changed since it was looked up, so that a fresh one is worth a try.
    pub const fn may_be_stale_key(&self) -> bool {
        matches!(self.reason, Reason::Signature)
    }
}

/// The kinds of rules that input can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A DID, handle, NSID, record key, TID or time is not well formed.
    Syntax,
    /// CBOR is malformed, or not DAG-CBOR.
    Cbor,
    /// A record is outside the data model.
    Record,
    /// A CAR is malformed, too large, or a block doesn't have its hash.
    Car,
    /// A firehose message lacks something or contradicts itself.
    Frame,
    /// A limit of the protocol is exceeded.
    Limit,
    /// A revision lies in the future.
    FutureRev,
    /// The signed commit object is malformed, or not the one that was announced.
    Commit,
    /// The signature is malformed or not by the account's key.
    Signature,
    /// A search tree is malformed, or a part of it is missing.
    Tree,
    /// The operations don't lead from the previous tree to the new one.
    Inversion,
    /// A DID document or a key in it is malformed.
    Identity,
    /// Blocks that were set aside could not be read back.
    Storage,
}

impl Reason {
    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Cbor => "cbor",
            Self::Record => "record",
            Self::Car => "car",
            Self::Frame => "frame",
            Self::Limit => "limit",
            Self::FutureRev => "future_rev",
            Self::Commit => "commit",
            Self::Signature => "signature",
            Self::Tree => "tree",
            Self::Inversion => "inversion",
            Self::Identity => "identity",
            Self::Storage => "storage",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;
