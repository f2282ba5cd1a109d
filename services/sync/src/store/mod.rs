//! The store port: repos, their record index, the commits set aside during a resync, the journal of events,
//! the state of channels, and how far each source was read. All of one transaction is durable, or none.
//!
//! A backend gives a [`Transaction`] to the one writer and snapshots of what is committed to everybody else.
//! Calls block; the hands run them on threads of their own.

mod memory;
pub mod value;

pub use memory::Memory;

use crate::effects::Effects;
use crate::event::Kind;
use crate::identity::{Found, Identity};
use crate::repo::{Name, Repo, RepoId};
use nexus_atproto::{Cid, Did, RepoCommit};
use nexus_model::{Seq, Timestamp};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Durable state of the sync service.
pub trait Store: Send + Sync {
    /// Opens the writer's transaction. There is one writer; a second call while a transaction is open waits.
    ///
    /// # Errors
    /// If the backend fails. The same holds for every method here.
    fn begin(&self) -> Result<Box<dyn Transaction + '_>>;

    /// A tracked repo.
    fn repo(&self, did: &Did) -> Result<Option<Repo>>;

    /// At most `limit` repos that wait for a fetch that may begin at `now`, the most urgent first.
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Repo>>;

    /// At most `limit` tracked repos after `after`, in the order of their numbers.
    fn repos(&self, after: RepoId, limit: usize) -> Result<Vec<Repo>>;

    /// How much is stored.
    fn counts(&self) -> Result<Counts>;

    /// How many records of a repo are indexed.
    fn record_count(&self, repo: RepoId) -> Result<u64>;

    /// The collections of a repo that have indexed records.
    fn collections(&self, repo: RepoId) -> Result<Vec<String>>;

    /// At most `limit` indexed records of a collection after the key `after`, in the order of their keys'
    /// bytes.
    fn records(&self, repo: RepoId, collection: &str, after: &str, limit: usize) -> Result<Vec<(String, Cid)>>;

    /// The newest position of the journal. It never goes back, whatever is dropped.
    fn last(&self) -> Result<Seq>;

    /// The oldest position that can be read after.
    fn oldest(&self) -> Result<Seq>;

    /// At most `limit` events after `after`, in order.
    fn events(&self, after: Seq, limit: usize) -> Result<Vec<StoredEvent>>;

    /// At most `limit` events of one account after `after`, in order.
    fn events_of(&self, did: &Did, after: Seq, limit: usize) -> Result<Vec<StoredEvent>>;

    /// What a channel stored last, if ever.
    fn channel(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// The names of all channels that stored something, in the order of their bytes.
    fn channels(&self) -> Result<Vec<String>>;

    /// How far a source was read, if ever: what a source is called and counts is the caller's business.
    fn cursor(&self, source: &str) -> Result<Option<String>>;

    /// What was found when an identity was last looked up.
    fn identity(&self, did: &Did) -> Result<Option<Identity>>;
}

/// The writer's view: everything committed, and the open group on top of it.
pub trait Transaction {
    /// A tracked repo.
    ///
    /// # Errors
    /// If the backend fails; the group must then be dropped. The same holds for every method here.
    fn repo(&self, did: &Did) -> Result<Option<Repo>>;

    /// The commits that were set aside for a repo, in the order of arrival, as far as `most_bytes` of their stored
    /// forms go.
    fn buffered(&self, repo: RepoId, most_bytes: usize) -> Result<SetAside>;

    /// Writes what a decision about the repo of `did` changes.
    fn apply(&mut self, did: &Did, effects: &Effects, now: Timestamp) -> Result<()>;

    /// Remembers what a channel has settled.
    fn put_channel(&mut self, name: &str, settled: &[u8]) -> Result<()>;

    /// Forgets a channel.
    fn drop_channel(&mut self, name: &str) -> Result<()>;

    /// Remembers how far a source was read.
    fn put_cursor(&mut self, source: &str, cursor: &str) -> Result<()>;

    /// Forgets how far a source was read.
    fn drop_cursor(&mut self, source: &str) -> Result<()>;

    /// Remembers what was found when a document was fetched. What is known of the name stays as it is.
    fn put_document(&mut self, did: &Did, document: &Found, fetched: Timestamp) -> Result<()>;

    /// What an account was last found to be called.
    fn name(&self, did: &Did) -> Result<Name>;

    /// Remembers what an account is called, and when that was verified. Nothing, if it has had no document yet.
    fn put_name(&mut self, did: &Did, name: &Name, verified: Timestamp) -> Result<()>;

    /// Drops at most `limit` of the oldest events: those up to `through` that were written before `before`.
    /// Gives how many.
    fn expire(&mut self, through: Seq, before: Timestamp, limit: usize) -> Result<usize>;

    /// Makes the group durable and gives the newest position of the journal.
    fn commit(self: Box<Self>) -> Result<Seq>;
}

/// An event in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Where it stands, and its id.
    pub seq: Seq,
    /// Whose.
    pub did: Arc<str>,
    /// How it stands to others of the same account.
    pub kind: Kind,
    /// When it was appended.
    pub time: Timestamp,
    /// Everything after the id: see [`crate::event::with_id`].
    pub body: Arc<str>,
}

/// Commits that were set aside, the first ones at least.
#[derive(Clone, Debug, PartialEq)]
pub struct SetAside {
    /// In the order of arrival.
    pub commits: Vec<Arc<RepoCommit>>,
    /// Whether these are all.
    pub extent: Extent,
    bytes_left: usize,
}

/// Whether something was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It was.
    Whole,
    /// There is more.
    Cut,
}

impl SetAside {
    /// None so far, and room for so many bytes of stored forms.
    pub const fn within(most_bytes: usize) -> Self {
        Self { commits: Vec::new(), extent: Extent::Whole, bytes_left: most_bytes }
    }

    /// Takes the next one in its stored form, if there is room for it; if there is none, the rest needn't be read.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is no such form.
    pub fn take(&mut self, stored: &str) -> Result<ControlFlow<()>> {
        let Some(left) = self.bytes_left.checked_sub(stored.len()) else {
            self.extent = Extent::Cut;
            return Ok(ControlFlow::Break(()));
        };
        self.bytes_left = left;
        self.commits.push(Arc::new(value::decode(stored)?));
        Ok(ControlFlow::Continue(()))
    }
}

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tracked repos.
    pub repos: u64,
    /// Indexed records.
    pub records: u64,
    /// Events in the journal.
    pub events: u64,
    /// Bytes of their texts.
    pub event_bytes: u64,
    /// Commits set aside.
    pub buffered: u64,
}

/// Damage to the program's own data, or a backend that fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backend failed; the same call may succeed later.
    #[error("the store can't be used")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored is not what was written. The program stops.
    #[error("stored data is damaged: {what}")]
    Damaged {
        /// Where and how.
        what: String,
    },
}

impl Error {
    /// True if the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Backend(_))
    }
}

/// The port's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The index of one repo, for a resync to compare with.
#[derive(Debug)]
pub struct KnownRecords<'s, S: ?Sized> {
    store: &'s S,
    repo: RepoId,
}

impl<'s, S: Store + ?Sized> KnownRecords<'s, S> {
    /// The index of `repo`.
    pub const fn new(store: &'s S, repo: RepoId) -> Self {
        Self { store, repo }
    }
}

impl<S: Store + ?Sized> crate::resync::Known for KnownRecords<'_, S> {
    type Error = Error;

    fn collections(&mut self) -> Result<Vec<String>> {
        self.store.collections(self.repo)
    }

    fn records(&mut self, collection: &str, after: &str, limit: usize) -> Result<Vec<(String, Cid)>> {
        self.store.records(self.repo, collection, after, limit)
    }
}
