//! Decisions: what one input changes, given what is known of the repo. Pure: no store, no clock.
//!
//! The one writer asks them in the order of arrival, on the state that earlier ones of its open transaction
//! left. That one place decides about commits, statuses, and the end of a resync alike is what makes the
//! cut-over from history to live a single step.

mod account;
mod live;
mod resync;

pub use account::{Notice, account, add, exclude, name, reemit, remove, resync};
pub use live::{commit, doubt, state};
pub use resync::{Claim, Failure, batch, claim, fail, finish, is_stale, resume};

use crate::effects::Effects;

/// What a decision came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What was decided, for counters.
    pub outcome: Outcome,
    /// What it changes.
    pub effects: Effects,
}

/// What was decided about an input: a closed set, fit for a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It changed what consumers are told, or what is known of the repo.
    Applied,
    /// It is about a repo that is now tracked.
    Discovered,
    /// It was set aside until the resync is done.
    Buffered,
    /// Something before it is missing: the repo will be fetched again.
    Gap,
    /// It is known already.
    Replayed,
    /// The repo is not tracked.
    Untracked,
    /// The repo waits for a fetch, which will bring it.
    Superseded,
    /// It is about nothing that changed.
    Unchanged,
    /// It belongs to a resync that is no longer wanted.
    Void,
    /// What was fetched is older than what is known.
    Stale,
}

impl Outcome {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Discovered => "discovered",
            Self::Buffered => "buffered",
            Self::Gap => "gap",
            Self::Replayed => "replayed",
            Self::Untracked => "untracked",
            Self::Superseded => "superseded",
            Self::Unchanged => "unchanged",
            Self::Void => "void",
            Self::Stale => "stale",
        }
    }

    pub(crate) fn alone(self) -> Decision {
        Decision { outcome: self, effects: Effects::default() }
    }

    pub(crate) const fn with(self, effects: Effects) -> Decision {
        Decision { outcome: self, effects }
    }
}
