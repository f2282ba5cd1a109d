//! A store that fails now and then, over the one in memory.

use nexus_model::{Seq, Timestamp};
use nexus_pubky::{HashId, PubkyId};
use nexus_social::{
    effects::{RetryRow, SourceCursor, SourceLog},
    notification::{Notification, Notified},
    query::{Page, Position, ScoreRange},
    row::{HostRow, Tag},
    store::{self, Memory, Store, Stored, StoredChange, Transaction},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

/// A store that fails for a while, as a full or busy disk lets it.
pub(crate) struct Failing {
    inner: Arc<Memory>,
    /// Transactions that fail from now on.
    pub(crate) begins: AtomicU32,
    /// Looks for what is due, and for whom to look up, that fail from now on.
    pub(crate) reads: AtomicU32,
}

impl Failing {
    pub(crate) fn over(inner: Arc<Memory>) -> Self {
        Self { inner, begins: AtomicU32::new(0), reads: AtomicU32::new(0) }
    }
}

fn sulk(left: &AtomicU32) -> store::Result<()> {
    let failed = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
    failed.map_or(Ok(()), |_| Err(store::Error::Backend("the disk sulks".into())))
}

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Store for Failing {
            fn begin(&self) -> store::Result<Box<dyn Transaction + '_>> {
                sulk(&self.begins)?;
                self.inner.begin()
            }

            fn due(&self, now: Timestamp, limit: usize) -> store::Result<Vec<RetryRow>> {
                sulk(&self.reads)?;
                self.inner.due(now, limit)
            }

            fn unresolved(
                &self,
                before: Timestamp,
                after: Option<&PubkyId>,
                limit: usize,
            ) -> store::Result<Vec<PubkyId>> {
                sulk(&self.reads)?;
                self.inner.unresolved(before, after, limit)
            }

            $(fn $name(&self, $($argument: $type),*) -> store::Result<$result> { self.inner.$name($($argument),*) })*
        }
    };
}

passed_on! {
    load(sink: &mut dyn FnMut(Stored)) -> Seq;
    last() -> Seq;
    oldest() -> Seq;
    changes(after: Seq, limit: usize) -> Vec<StoredChange>;
    expire_changes(before: Timestamp) -> u64;
    notifications(receiver: &PubkyId, range: ScoreRange, after: Option<&Position>, page: Page) -> Vec<Notification>;
    log(cursor: u64, limit: usize) -> Vec<String>;
    log_length() -> u64;
    cursor(log: &SourceLog) -> Option<u64>;
    cursors() -> Vec<SourceCursor>;
    retries(page: Page) -> Vec<RetryRow>;
    dead_letters(page: Page) -> Vec<RetryRow>;
    tag(tagger: &PubkyId, id: &HashId) -> Option<Tag>;
    hosts(before: Timestamp, limit: usize) -> Vec<HostRow>;
    load_notifications(sink: &mut dyn FnMut(Notified)) -> ();
}
