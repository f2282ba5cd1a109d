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
    /// Questions of the API that fail from now on.
    pub(crate) questions: AtomicU32,
}

impl Failing {
    pub(crate) fn over(inner: Arc<Memory>) -> Self {
        Self { inner, begins: AtomicU32::new(0), reads: AtomicU32::new(0), questions: AtomicU32::new(0) }
    }
}

fn sulk(left: &AtomicU32) -> store::Result<()> {
    let failed = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
    failed.map_or(Ok(()), |_| Err(store::Error::Backend("the disk sulks".into())))
}

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty $(, unless $left:ident)?;)*) => {
        impl Store for Failing {
            fn begin(&self) -> store::Result<Box<dyn Transaction + '_>> {
                sulk(&self.begins)?;
                self.inner.begin()
            }

            $(fn $name(&self, $($argument: $type),*) -> store::Result<$result> {
                $(sulk(&self.$left)?;)?
                self.inner.$name($($argument),*)
            })*
        }
    };
}

passed_on! {
    load(sink: &mut dyn FnMut(Stored)) -> Seq;
    last() -> Seq;
    oldest() -> Seq;
    changes(after: Seq, limit: usize) -> Vec<StoredChange>;
    expire_changes(before: Timestamp) -> u64;
    due(now: Timestamp, limit: usize) -> Vec<RetryRow>, unless reads;
    unresolved(before: Timestamp, after: Option<&PubkyId>, limit: usize) -> Vec<PubkyId>, unless reads;
    notifications(receiver: &PubkyId, range: ScoreRange, after: Option<&Position>, page: Page) -> Vec<Notification>,
        unless questions;
    log(cursor: u64, limit: usize) -> Vec<String>, unless questions;
    log_length() -> u64;
    cursor(log: &SourceLog) -> Option<u64>;
    cursors() -> Vec<SourceCursor>;
    retries(page: Page) -> Vec<RetryRow>;
    dead_letters(page: Page) -> Vec<RetryRow>;
    tag(tagger: &PubkyId, id: &HashId) -> Option<Tag>, unless questions;
    hosts(before: Timestamp, limit: usize) -> Vec<HostRow>;
    load_notifications(sink: &mut dyn FnMut(Notified)) -> ();
}
