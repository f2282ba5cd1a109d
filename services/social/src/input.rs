//! What the writer is asked to handle, and what it answers.

use crate::{
    effects::{Operation, RetryRow, SourceCursor},
    row::{ContentHash, FileRow, HostRow},
};
use nexus_model::Verified;
use nexus_pubky::{Address, PubkyId, Record};
use std::{path::PathBuf, sync::Arc};

/// One request to the writer, handled in the order of arrival.
#[derive(Debug)]
pub enum Input {
    /// An event of a homeserver's log, with its record already fetched and verified.
    Event(Box<Event>),
    /// An event that couldn't be fetched or verified now and may be later.
    Failed {
        /// Which record.
        address: Address,
        /// What was to be done.
        operation: Operation,
        /// Where it was told, by key or base URL.
        homeserver: Arc<str>,
        /// What went wrong, for the operator.
        error: String,
    },
    /// An event that will never be handled: unknown path, invalid record, gone, or not its homeserver's to tell.
    /// Only a retry entry ends that the same homeserver's event made.
    Dropped {
        /// The record's URI.
        uri: Arc<str>,
        /// Where it was told, by key or base URL.
        homeserver: Arc<str>,
    },
    /// A source has been read this far. It becomes durable with, and never before, everything sent earlier.
    Read(SourceCursor),
    /// pkarr told where a user lives. An unknown user becomes a stub; one who has moved is bound anew, and what
    /// was read of their log at the new homeserver before is read again.
    Hosted(HostRow),
    /// pkarr knows no homeserver of the user any more. (Another homeserver than before is [`Input::Hosted`].)
    HostDoubtful(PubkyId),
    /// The operator wants dead letters tried again: all of them, or the one for a URI.
    Revive(Option<Arc<str>>),
    /// The operator wants the entry of the retry queue for a URI tried now.
    Hurry(Arc<str>),
    /// The trust job has new scores.
    Trust(Arc<[(PubkyId, f64)]>),
}

/// A verified event.
#[derive(Debug)]
pub struct Event {
    /// Which record.
    pub address: Address,
    /// What became of it.
    pub action: EventAction,
    /// Where it was read, by key or base URL.
    pub homeserver: Arc<str>,
    /// False while a source is still reading history.
    pub live: bool,
}

/// What became of a record.
#[derive(Debug)]
pub enum EventAction {
    /// It is new or changed.
    Put {
        /// What it says now.
        record: Verified<Record>,
        /// Hash of the bytes as they were served.
        hash: ContentHash,
        /// For files: where the blob's bytes lie durably, ready to be kept or thrown away.
        blob: Option<PathBuf>,
    },
    /// It is gone.
    Delete,
}

/// What became of an input, told after it is durable and indexed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Committed.
    Done {
        /// Retries that waited for what this input brought; they can be fetched and sent again at once.
        freed: Vec<RetryRow>,
        /// Users named for the first time whose homeserver is worth looking up (auto-ingest).
        ingest: Vec<PubkyId>,
        /// Files that were deleted, or whose bytes were replaced: what is kept of these goes (invariant 11).
        orphans: Vec<FileRow>,
    },
    /// Nothing to change: a repeat, or a delete of something unknown.
    Unchanged,
    /// The operator's rules don't want it, or its owner may not do it. Counted by this reason.
    Refused(&'static str),
    /// It waits in the retry queue for another record.
    Waits {
        /// The URI it waits for.
        on: Arc<str>,
        /// Unknown users whose homeserver is worth looking up (auto-ingest).
        ingest: Vec<PubkyId>,
    },
    /// Given up after too many tries; it is among the dead letters.
    Buried,
}
