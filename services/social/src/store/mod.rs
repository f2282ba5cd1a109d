//! The store port: where rows, journal, notifications, event log, retry queue and source cursors are kept.
//!
//! A backend gives a [`Transaction`] to the one writer and snapshots of what is committed to everybody else.
//! Decisions are made *inside* the transaction and read through it, so the uncommitted group is seen without
//! a second copy of the state; dropping a transaction discards the group.
//!
//! Calls block. The hands run them on threads of their own.

use crate::{
    effects::{ChangeRow, Effects, RetryRow, SourceCursor, SourceLog},
    notification::{Notification, Notified},
    query::{Page, Position, ScoreRange},
    row::{
        Bookmark, ContentHash, Edge, FileKey, FileRow, HostRow, Label, PostKey, PostRow, ResourceRow, Tag, Target,
        UserEdge, UserRow,
    },
};
use nexus_model::{Action, Seq, Timestamp};
use nexus_pubky::{HashId, PubkyId, ResourceId};
use std::sync::Arc;

mod edge;
mod memory;
pub mod value;

pub use edge::{EdgeKey, sort_by_time};
pub use memory::Memory;

/// Durable state of the social service.
pub trait Store: Send + Sync {
    /// Opens the writer's transaction. There is one writer; a second call while a transaction is open waits.
    ///
    /// # Errors
    /// If the backend fails.
    fn begin(&self) -> Result<Box<dyn Transaction + '_>>;

    /// Hands every stored row to `sink`, what it names before it: hosts, users, posts, files, resources, edges,
    /// trust; those of a sort in any order. Gives the journal position that the rows stand for.
    ///
    /// # Errors
    /// If the backend fails or a row can't be read: damage to own data is never passed over.
    fn load(&self, sink: &mut dyn FnMut(Stored)) -> Result<Seq>;

    /// The newest journal position.
    ///
    /// # Errors
    /// If the backend fails.
    fn last(&self) -> Result<Seq>;

    /// The oldest position that can be read after.
    ///
    /// # Errors
    /// If the backend fails.
    fn oldest(&self) -> Result<Seq>;

    /// At most `limit` journal rows after `after`, in order.
    ///
    /// # Errors
    /// If the backend fails.
    fn changes(&self, after: Seq, limit: usize) -> Result<Vec<StoredChange>>;

    /// Drops journal rows handled before `time`. Gives how many were dropped.
    ///
    /// # Errors
    /// If the backend fails.
    fn expire_changes(&self, before: Timestamp) -> Result<u64>;

    /// A receiver's notifications with a time in `range`, newest first, those of one time by their JSON, the last
    /// first. With `after`, those after that one: its time, and its body as JSON.
    ///
    /// # Errors
    /// If the backend fails.
    fn notifications(
        &self,
        receiver: &PubkyId,
        range: ScoreRange,
        after: Option<&Position>,
        page: Page,
    ) -> Result<Vec<Notification>>;

    /// At most `limit` lines of the event log from offset `cursor` on.
    ///
    /// # Errors
    /// If the backend fails.
    fn log(&self, cursor: u64, limit: usize) -> Result<Vec<String>>;

    /// How many lines the event log has: the offset after the last one.
    ///
    /// # Errors
    /// If the backend fails.
    fn log_length(&self) -> Result<u64>;

    /// How far a source has been read, if ever.
    ///
    /// # Errors
    /// If the backend fails.
    fn cursor(&self, log: &SourceLog) -> Result<Option<u64>>;

    /// Every source cursor.
    ///
    /// # Errors
    /// If the backend fails.
    fn cursors(&self) -> Result<Vec<SourceCursor>>;

    /// At most `limit` retries due at `now`, the longest overdue first.
    ///
    /// # Errors
    /// If the backend fails.
    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RetryRow>>;

    /// A page of the retry queue, the next due first.
    ///
    /// # Errors
    /// If the backend fails.
    fn retries(&self, page: Page) -> Result<Vec<RetryRow>>;

    /// A page of what was given up, the latest first.
    ///
    /// # Errors
    /// If the backend fails.
    fn dead_letters(&self, page: Page) -> Result<Vec<RetryRow>>;

    /// A committed tag record by its tagger and id, whatever app it belongs to: that of `pubky.app` if there is
    /// one, else the first in the order of the apps' names.
    ///
    /// # Errors
    /// If the backend fails.
    fn tag(&self, tagger: &PubkyId, id: &HashId) -> Result<Option<Tag>>;

    /// Where users live, by user; those resolved before `before` only.
    ///
    /// # Errors
    /// If the backend fails.
    fn hosts(&self, before: Timestamp, limit: usize) -> Result<Vec<HostRow>>;

    /// At most `limit` users after `after` in the order of their keys whose homeserver is unknown or was last
    /// resolved before `before`. Deleted users are left out.
    ///
    /// # Errors
    /// If the backend fails.
    fn unresolved(&self, before: Timestamp, after: Option<&PubkyId>, limit: usize) -> Result<Vec<PubkyId>>;

    /// Hands every notification to `sink`, each receiver's by time.
    ///
    /// # Errors
    /// If the backend fails.
    fn load_notifications(&self, sink: &mut dyn FnMut(Notified)) -> Result<()>;
}

/// The writer's view: everything committed, and the open group on top of it.
pub trait Transaction {
    /// What decisions may ask: everything committed, and what was applied since.
    fn state(&self) -> &dyn State;

    /// Writes what an event decided. Later reads of this transaction see it.
    ///
    /// # Errors
    /// If the backend fails; the group must then be dropped.
    fn apply(&mut self, effects: &Effects) -> Result<()>;

    /// Makes the group durable and gives the newest journal position.
    ///
    /// # Errors
    /// If the backend fails; nothing of the group is kept then.
    fn commit(self: Box<Self>) -> Result<Seq>;
}

/// What decisions may ask.
pub trait State {
    /// A user.
    ///
    /// # Errors
    /// If the backend fails. The same holds for every method here.
    fn user(&self, id: &PubkyId) -> Result<Option<UserRow>>;
    /// True if any edge, post, file or host names the user.
    fn is_referenced(&self, id: &PubkyId) -> Result<bool>;
    /// A post.
    fn post(&self, key: &PostKey) -> Result<Option<PostRow>>;
    /// A file.
    fn file(&self, key: &FileKey) -> Result<Option<FileRow>>;
    /// A resource.
    fn resource(&self, id: &ResourceId) -> Result<Option<ResourceRow>>;
    /// Where a user lives.
    fn host(&self, user: &PubkyId) -> Result<Option<HostRow>>;
    /// Whether `from` follows `to`.
    fn follow(&self, from: &PubkyId, to: &PubkyId) -> Result<Option<UserEdge>>;
    /// Whether `from` mutes `to`.
    fn mute(&self, from: &PubkyId, to: &PubkyId) -> Result<Option<UserEdge>>;
    /// A bookmark, by what it keeps.
    fn bookmark(&self, user: &PubkyId, post: &PostKey) -> Result<Option<Bookmark>>;
    /// A bookmark, by its id.
    fn bookmark_by_id(&self, user: &PubkyId, id: &HashId) -> Result<Option<Bookmark>>;
    /// A tag, by its tagger, app and id.
    fn tag(&self, tagger: &PubkyId, app: Option<&str>, id: &HashId) -> Result<Option<Tag>>;
    /// A tag, by what it says.
    fn tag_on(&self, tagger: &PubkyId, target: &Target, label: &Label, app: Option<&str>) -> Result<Option<Tag>>;
    /// The oldest tag on the same target besides this one.
    fn other_tag(&self, tag: &Tag) -> Result<Option<Tag>>;
    /// Edges that leave a post: what it answers, embeds and mentions.
    fn edges_from_post(&self, key: &PostKey) -> Result<Vec<Edge>>;
    /// Edges that arrive at a post: replies, reposts, tags and bookmarks, by time.
    fn edges_to_post(&self, key: &PostKey) -> Result<Vec<Edge>>;
    /// A notification, by its receiver and [key](crate::notification::NotificationBody::key).
    fn notification(&self, receiver: &PubkyId, key: &str) -> Result<Option<Notified>>;
    /// The retry entry for a URI.
    fn retry(&self, uri: &str) -> Result<Option<RetryRow>>;
    /// At most `limit` retries that wait for the record at `uri`, the next due first.
    fn waiting_for(&self, uri: &str, limit: usize) -> Result<Vec<RetryRow>>;
    /// How far a source has been read, if ever.
    fn cursor(&self, log: &SourceLog) -> Result<Option<u64>>;
}

/// A row as [`Store::load`] gives it.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the row of the same name")]
pub enum Stored {
    Host(HostRow),
    User(UserRow),
    Post(PostRow),
    File(FileRow),
    Resource(ResourceRow),
    Edge(Edge),
    Trust(PubkyId, f64),
}

/// A journal row as it is read back, with the value that its record has now.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredChange {
    /// Its position.
    pub seq: Seq,
    /// Whose record it is; the receiver of a notification.
    pub author: PubkyId,
    /// The collection.
    pub collection: Arc<str>,
    /// The key in the collection.
    pub key: Arc<str>,
    /// What happened.
    pub action: Action,
    /// Hash of the record's bytes.
    pub version: Option<ContentHash>,
    /// False for what was read from history.
    pub live: bool,
    /// When it was handled.
    pub time: Timestamp,
    /// The record as JSON, if it still is what this change made it.
    pub value: Option<String>,
}

impl StoredChange {
    /// The row at `seq`, its value not looked up yet.
    pub fn new(seq: Seq, row: &ChangeRow) -> Self {
        Self {
            seq,
            author: row.author,
            collection: row.collection.into(),
            key: Arc::clone(&row.key),
            action: row.action,
            version: row.version,
            live: row.live,
            time: row.time,
            value: None,
        }
    }
}

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The backend can't be used now. The group was discarded and may be tried again.
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Stored data can't be read. Nexus stops rather than work on.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// The store was written by a newer version.
    #[error("the store has schema version {found}, this program knows {known}: use a newer program")]
    TooNew {
        /// The version in the store.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
}

/// A store's result.
pub type Result<T> = std::result::Result<T, Error>;
