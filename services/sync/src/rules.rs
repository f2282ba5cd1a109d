//! What the operator wants: which repos are tracked, and which of their collections are sent on.

use crate::event::Dialect;
use nexus_atproto::{Did, Legacy, Nsid};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// The operator's wishes.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Which repos are tracked without being asked for.
    pub network: Network,
    /// Which collections are sent on and indexed.
    pub collections: Collections,
    /// Repos that are never tracked.
    pub excluded: HashSet<Did>,
    /// What a commit that doesn't say which tree was before it is worth.
    pub legacy: Legacy,
    /// Whose names the events bear.
    pub dialect: Dialect,
    /// Which kinds of events are told that the originals don't have.
    pub extras: Extras,
}

/// Kinds of events that the originals don't have. Their clients refuse kinds that they don't know, so none is told
/// unless it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// `account`: an account is in use or not.
    pub account: bool,
    /// `resync_error`: a repo can't be fetched.
    pub resync_error: bool,
}

/// Which repos are tracked without being asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// None.
    #[default]
    Asked,
    /// Those with a record in this collection.
    Signal(Nsid),
    /// All.
    Full,
}

/// Filters of collections. None at all let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collections(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    Exactly(String),
    StartsWith(String),
}

impl Collections {
    /// Reads filters: a name lets that collection through, one that ends in `*` all that begin so.
    pub fn new<'t>(filters: impl IntoIterator<Item = &'t str>) -> Self {
        let filters = filters.into_iter().map(str::trim).filter(|filter| !filter.is_empty());
        let pattern = |filter: &str| match filter.strip_suffix('*') {
            Some(start) => Pattern::StartsWith(start.to_owned()),
            None => Pattern::Exactly(filter.to_owned()),
        };
        let mut patterns: Vec<_> = filters.map(pattern).collect();
        patterns.sort();
        patterns.dedup();
        Self(patterns)
    }

    /// True if records of `collection` are wanted.
    pub fn wants(&self, collection: &str) -> bool {
        let fits = |pattern: &Pattern| match pattern {
            Pattern::Exactly(name) => name == collection,
            Pattern::StartsWith(start) => collection.starts_with(start),
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }

    /// A short text that changes when, and only when, the filters do, however they are written: for a store
    /// to remember which filters its index was made by.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for pattern in &self.0 {
            match pattern {
                Pattern::Exactly(name) => hash.update([b"=", name.as_bytes(), b"\n"].concat()),
                Pattern::StartsWith(start) => hash.update([b"^", start.as_bytes(), b"\n"].concat()),
            }
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Rules {
    /// True if a repo that nobody asked for is to be tracked, because a commit touches `collections`.
    pub fn is_signalled<'c>(&self, did: &Did, mut collections: impl Iterator<Item = &'c str>) -> bool {
        let wanted = match &self.network {
            Network::Asked => false,
            Network::Signal(signal) => collections.any(|collection| collection == signal.as_str()),
            Network::Full => true,
        };
        wanted && !self.excluded.contains(did)
    }
}
