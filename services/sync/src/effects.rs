//! What a decision changes. Everything in one [`Effects`] is stored in one transaction, or not at all.

use crate::event::Event;
use crate::repo::Repo;
use nexus_atproto::{Cid, Codec, Did, RecordPath, RepoCommit};
use std::sync::Arc;

/// The changes that one input causes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// What becomes of the repo's row.
    pub repo: RowChange,
    /// What becomes of its record index, in order.
    pub records: Vec<IndexChange>,
    /// What becomes of its record index as a whole, before its changes.
    pub index: WholeIndex,
    /// What becomes of the commits that were set aside for it.
    pub buffer: BufferChange,
    /// What is told to consumers, in order.
    pub events: Vec<Event>,
}

/// What becomes of a repo's row.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RowChange {
    /// It stays.
    #[default]
    Keep,
    /// It is stored anew. A row without number gets one.
    Put(Box<Repo>),
    /// It goes, with its record index and its buffer. Events that are in the journal stay.
    Remove(Did),
}

/// Stands in an index for content that was forgotten: no record has it.
pub const FORGOTTEN: Cid = Cid::from_parts(Codec::DagCbor, [0; 32]);

/// What becomes of a repo's record index as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WholeIndex {
    /// It stays.
    #[default]
    Keep,
    /// Which records there are is remembered, what they hold becomes [`FORGOTTEN`]: the next resync tells all of
    /// them again.
    Forget,
}

/// A change of one record in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexChange {
    /// Which record.
    pub path: RecordPath,
    /// Its block, or `None` if it is gone.
    pub cid: Option<Cid>,
}

/// What becomes of the commits that were set aside during a resync.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum BufferChange {
    /// They stay.
    #[default]
    Keep,
    /// One more, without the records that nobody wants.
    Append(Arc<RepoCommit>),
    /// They go.
    Clear,
}

impl Effects {
    pub(crate) fn put(repo: Repo) -> Self {
        Self { repo: RowChange::Put(Box::new(repo)), ..Self::default() }
    }

    pub(crate) fn with_event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    pub(crate) fn with_events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// True if nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
