//! What one handled event does: decided purely, committed in one transaction, applied by every reader.

use crate::{
    notification::Notified,
    row::{ContentHash, Edge, FileKey, FileRow, HostRow, PostKey, PostRow, ResourceRow, UserRow},
};
use nexus_model::{Action, Timestamp};
use nexus_pubky::{PubkyId, ResourceId};
use std::sync::Arc;

/// Everything that one event changes. Applying the same effects twice changes nothing more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// What readers of the journal see of it. Each takes a `seq` of its own at the commit, in this order.
    pub changes: Vec<ChangeRow>,
    /// Objects and edges, in the order in which they are applied.
    pub rows: Vec<RowChange>,
    /// Entries of notification lists.
    pub notifications: Vec<Notified>,
    /// Lines for `GET /v0/events`, without a line end.
    pub log: Vec<String>,
    /// What is to be tried again, and what no longer is.
    pub retries: Vec<RetryChange>,
    /// How far sources have been read.
    pub cursors: Vec<SourceCursor>,
}

/// One change of a stored row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// A user is new or changed.
    PutUser(UserRow),
    /// A user that nothing points at is gone.
    RemoveUser(PubkyId),
    /// A post is new, edited or has become a tombstone.
    PutPost(PostRow),
    /// A post is gone.
    RemovePost(PostKey),
    /// A file is new or changed.
    PutFile(FileRow),
    /// A file is gone.
    RemoveFile(FileKey),
    /// A resource is new.
    PutResource(ResourceRow),
    /// A resource has lost its last tag.
    RemoveResource(ResourceId),
    /// An edge is new, or its time or id has changed.
    PutEdge(Edge),
    /// An edge is gone. It is given whole, so that readers needn't look it up.
    RemoveEdge(Edge),
    /// A user lives somewhere.
    PutHost(HostRow),
    /// Where the user lives is no longer known.
    RemoveHost(PubkyId),
    /// Trust scores were computed anew: users that are not named have none.
    SetTrust(Arc<[(PubkyId, f64)]>),
}

/// A journal row: which record changed and how. The value is looked up in the object row when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Whose record it is; the receiver of a notification.
    pub author: PubkyId,
    /// The collection: `profile`, `posts`, `follows`, `mutes`, `bookmarks`, `tags`, `files`, `notifications`.
    pub collection: &'static str,
    /// The record's key in the collection; for universal tags `<app>/<id>`.
    pub key: Arc<str>,
    /// What happened.
    pub action: Action,
    /// Hash of the record's bytes.
    pub version: Option<ContentHash>,
    /// False for what was read from history.
    pub live: bool,
    /// When it was handled.
    pub time: Timestamp,
}

/// How far a source has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCursor {
    /// Which log.
    pub log: SourceLog,
    /// The position after the last handled event.
    pub cursor: u64,
}

/// A log that is read with a cursor of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceLog {
    /// The whole log of a homeserver, by its key or base URL.
    Homeserver(Arc<str>),
    /// One user's part of a homeserver's log.
    User {
        /// Key or base URL.
        homeserver: Arc<str>,
        /// The user.
        user: PubkyId,
    },
}

/// What happens to an entry of the retry queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryChange {
    /// Try again when it is due, or when what it waits for arrives. Replaces an entry for the same URI.
    Put(RetryRow),
    /// Done, or not worth another try.
    Remove(Arc<str>),
    /// Given up: kept where the operator can list and retry it.
    Bury(RetryRow),
    /// What entries for these URIs waited for has arrived: all that wait for `on` become due.
    Release {
        /// The URI that has arrived.
        on: Arc<str>,
        /// When they are tried next.
        due: Timestamp,
    },
    /// Dead letters go back into the queue with their attempts forgotten: all of them, or the one for a URI.
    Revive {
        /// Which one, if not all.
        uri: Option<Arc<str>>,
        /// When they are tried next.
        due: Timestamp,
    },
}

/// An event that couldn't be handled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryRow {
    /// The record's URI. There is one entry for each.
    pub uri: Arc<str>,
    /// What was to be done.
    pub operation: Operation,
    /// The homeserver it came from, by key or base URL.
    pub homeserver: Arc<str>,
    /// How often it was tried again.
    pub attempts: u32,
    /// When it is tried next.
    pub due: Timestamp,
    /// Why it is here.
    pub reason: RetryReason,
    /// The last failure, for the operator.
    pub error: String,
}

/// Why an event waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryReason {
    /// What it points at is not indexed yet: the URI it waits for. The timer is only the fallback.
    Dependency(Arc<str>),
    /// A failure that may pass.
    Transient,
}

/// An event's verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The record is new or changed.
    Put,
    /// The record is gone.
    Delete,
}

impl Operation {
    /// The word in event logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "PUT",
            Self::Delete => "DEL",
        }
    }
}
