//! The read side of a journal: reading pages after a position, learning that there is more, and keeping
//! a reader's cursor. Only a store's `commit` appends; nothing here writes changes.
//!
//! Each service stores its journal where it keeps its truth and implements [`Journal`] over it. What reads
//! it (published indexes, live sessions, channels, webhooks, full text, replicas) is the same for all.

use futures_util::future::BoxFuture;
use nexus_model::{Change, Seq};
use std::sync::Arc;

mod head;

pub use head::{Head, HeadWatch};

/// The read side of a journal.
pub trait Journal: Send + Sync {
    /// The oldest position from which nothing is missing: reading after any earlier one is
    /// [`Error::Expired`].
    fn oldest(&self) -> BoxFuture<'_, Result<Seq>>;

    /// The position of the newest change, [`Seq::START`] if there is none.
    fn last(&self) -> BoxFuture<'_, Result<Seq>>;

    /// At most `limit` changes after `after`, in order.
    ///
    /// # Errors
    /// [`Error::Expired`] if changes after `after` are no longer kept.
    fn read(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Page>>;

    /// Tells when there is more to read.
    fn watch(&self) -> HeadWatch;
}

/// Consecutive changes from a journal.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The changes, in the order of their `seq`.
    pub changes: Vec<Arc<Change>>,
    /// Where to go on reading. It passes over positions that hold nothing for a reader.
    pub next: Seq,
}

/// What can go wrong when a journal is read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The reader was away for longer than the journal keeps changes. It must read the state again.
    #[error("changes after {after} are no longer kept, the oldest position is {oldest}")]
    Expired {
        /// Where the reader wanted to go on.
        after: Seq,
        /// The oldest position that can be read after.
        oldest: Seq,
    },
    /// The backend failed.
    #[error("the journal can't be read")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// True if the same read may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Backend(_))
    }
}

/// A journal's result.
pub type Result<T> = std::result::Result<T, Error>;
