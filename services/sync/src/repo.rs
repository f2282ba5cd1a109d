//! A tracked repo: what is known of it and what is to be done with it.

use nexus_atproto::{Cid, Did, Handle, Tid};
use nexus_model::Timestamp;

/// The store's number for a tracked repo. Never used twice: a repo that is removed and added again is another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoId(pub u64);

/// One row for each tracked repo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// The store's number, 0 until it is stored.
    pub id: RepoId,
    /// Whose repo.
    pub did: Did,
    /// What is being done with it.
    pub state: State,
    /// Whether its account is in use.
    pub status: Status,
    /// What the account is called.
    pub name: Name,
    /// Revision and tree up to which events were made.
    pub head: Option<Head>,
    /// Who asked for it: what people wait for comes first.
    pub origin: Origin,
    /// How often it was claimed for a resync: an earlier claim is void.
    pub claims: u64,
    /// The last failure, empty if there was none since the last success.
    pub error: String,
    /// Failures in a row.
    pub retries: u32,
    /// When it may be tried again.
    pub retry: Retry,
}

/// What an account is called, as far as looking it up both ways has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Name {
    /// It was not looked up yet.
    #[default]
    Unknown,
    /// It has no handle that leads back to it.
    Invalid,
    /// This handle leads back to it.
    Handle(Handle),
}

impl Name {
    /// The text that consumers are told: they refuse an empty one.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown | Self::Invalid => Handle::INVALID,
            Self::Handle(handle) => handle.as_str(),
        }
    }
}

/// A revision of a repo and the root of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The revision.
    pub rev: Tid,
    /// The root of the tree.
    pub data: Cid,
}

/// What is being done with a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It waits for its first fetch.
    Pending,
    /// Something was missed: it waits to be fetched again.
    Desynchronized,
    /// The last fetch failed: it waits for the next try.
    Error,
    /// It is being fetched; commits are set aside.
    Resyncing,
    /// Commits are applied as they come.
    Active,
}

/// Whether an account is in use, as far as its servers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is.
    Active,
    /// Its server's operator took it down.
    Takendown,
    /// Its server's operator suspended it for a time.
    Suspended,
    /// Its owner set it aside.
    Deactivated,
    /// It is gone for good.
    Deleted,
}

/// How a repo came to be tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Somebody asked for it by name, and waits.
    Asked,
    /// It was found on the network.
    Found,
}

/// When a fetch may be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// Now.
    #[default]
    Now,
    /// At this moment.
    At(Timestamp),
    /// At this moment, or as soon as the account is heard of: its server says that there is nothing to fetch.
    WhenHeard(Timestamp),
}

macro_rules! names {
    ($type:ident, $($variant:ident = $name:literal),+) => {
        impl $type {
            /// The name on the wire and in stores.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The value of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

names!(
    State,
    Pending = "pending",
    Desynchronized = "desynchronized",
    Error = "error",
    Resyncing = "resyncing",
    Active = "active"
);

names!(
    Status,
    Active = "active",
    Takendown = "takendown",
    Suspended = "suspended",
    Deactivated = "deactivated",
    Deleted = "deleted"
);

impl Repo {
    /// A repo that was just found or asked for.
    pub fn new(did: Did, origin: Origin) -> Self {
        Self {
            id: RepoId::default(),
            did,
            state: State::Pending,
            status: Status::Active,
            name: Name::Unknown,
            head: None,
            origin,
            claims: 0,
            error: String::new(),
            retries: 0,
            retry: Retry::Now,
        }
    }

    /// True if it waits for a fetch that may begin at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let waits = matches!(self.state, State::Pending | State::Desynchronized | State::Error);
        waits && self.retry.at().is_none_or(|at| at <= now)
    }

    /// The order in which due repos are fetched, smallest first: what somebody asked for, what was missed or
    /// failed, what was found.
    pub fn urgency(&self) -> u8 {
        match (self.origin, self.state) {
            (Origin::Asked, State::Pending) => 0,
            (_, State::Desynchronized) => 1,
            (_, State::Error) => 2,
            _ => 3,
        }
    }

    /// Marks that something was missed.
    pub(crate) fn lose(&mut self) {
        self.state = State::Desynchronized;
        self.retry = Retry::Now;
    }
}

impl Retry {
    /// The moment, unless it is now.
    pub const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Now => None,
            Self::At(at) | Self::WhenHeard(at) => Some(at),
        }
    }
}
