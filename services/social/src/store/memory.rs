//! A store in memory: for tests, and the obvious model that every other store is compared with.
//!
//! A transaction works on a copy of all tables, so a group costs as much as is stored. Not for production.

mod tables;

use self::tables::Tables;
use super::{Error, Result, State, Store, Stored, StoredChange, Transaction, value};
use crate::{
    effects::{Effects, RetryRow, SourceCursor, SourceLog},
    notification::{Notification, Notified},
    query::{Page, Position, ScoreRange},
    row::{HostRow, Tag},
};
use nexus_model::{Seq, Timestamp};
use nexus_pubky::{HashId, PubkyId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Everything in memory, gone with the process.
#[derive(Debug, Default)]
pub struct Memory {
    committed: RwLock<Arc<Tables>>,
    writer: Mutex<()>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn snapshot(&self) -> Arc<Tables> {
        // Tables are replaced whole: a poisoned lock still holds the last committed ones.
        Arc::clone(&self.committed.read().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Group<'a> {
    store: &'a Memory,
    draft: Arc<Tables>,
    _writer: MutexGuard<'a, ()>,
}

impl Transaction for Group<'_> {
    fn state(&self) -> &dyn State {
        &*self.draft
    }

    fn apply(&mut self, effects: &Effects) -> Result<()> {
        Arc::make_mut(&mut self.draft).apply(effects);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<Seq> {
        let last = self.draft.last;
        *self.store.committed.write().unwrap_or_else(PoisonError::into_inner) = self.draft;
        Ok(last)
    }
}

fn page<T: Clone>(all: impl Iterator<Item = T>, page: Page) -> Vec<T> {
    all.skip(page.skip).take(page.limit).collect()
}

impl Store for Memory {
    fn begin(&self) -> Result<Box<dyn Transaction + '_>> {
        let writer = self.writer.lock().map_err(|_| Error::Damaged("a writer panicked".into()))?;
        Ok(Box::new(Group { store: self, draft: self.snapshot(), _writer: writer }))
    }

    fn load(&self, sink: &mut dyn FnMut(Stored)) -> Result<Seq> {
        let tables = self.snapshot();
        tables.load(sink);
        Ok(tables.last)
    }

    fn last(&self) -> Result<Seq> {
        Ok(self.snapshot().last)
    }

    fn oldest(&self) -> Result<Seq> {
        let tables = self.snapshot();
        Ok(tables.changes.first_key_value().map_or(tables.last, |(seq, _)| Seq::new(seq.get() - 1)))
    }

    fn changes(&self, after: Seq, limit: usize) -> Result<Vec<StoredChange>> {
        let tables = self.snapshot();
        let rows = tables.changes.range(after.next()..).take(limit);
        let mut changes: Vec<_> = rows.map(|(seq, row)| StoredChange::new(*seq, row)).collect();
        for change in &mut changes {
            change.value = value::of_change(&*tables, change)?;
        }
        Ok(changes)
    }

    fn expire_changes(&self, before: Timestamp) -> Result<u64> {
        let _writer = self.writer.lock().map_err(|_| Error::Damaged("a writer panicked".into()))?;
        let mut tables = Tables::clone(&self.snapshot());
        let keep =
            tables.changes.iter().find(|(_, row)| row.time >= before).map_or(tables.last.next(), |(seq, _)| *seq);
        let kept = tables.changes.split_off(&keep);
        let dropped = std::mem::replace(&mut tables.changes, kept).len();
        *self.committed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tables);
        Ok(dropped as u64)
    }

    fn notifications(
        &self,
        receiver: &PubkyId,
        range: ScoreRange,
        after: Option<&Position>,
        part: Page,
    ) -> Result<Vec<Notification>> {
        let tables = self.snapshot();
        let mine = tables.notifications.values().filter(|n| n.receiver == *receiver);
        let mut found: Vec<_> = mine.filter(|n| range.contains(n.time.millis())).cloned().collect();
        let is_after = |n: &Notified, after: &Position| {
            (n.time.millis(), n.body.to_json().as_str()) < (after.score, &*after.member)
        };
        found.retain(|n| after.is_none_or(|after| is_after(n, after)));
        found.sort_by_cached_key(|n| std::cmp::Reverse((n.time, n.body.to_json())));
        let shown = found.into_iter().map(|n| Notification { timestamp: n.time, body: n.body });
        Ok(page(shown, part))
    }

    fn log(&self, cursor: u64, limit: usize) -> Result<Vec<String>> {
        let skip = usize::try_from(cursor).unwrap_or(usize::MAX);
        Ok(page(self.snapshot().log.iter().cloned(), Page { skip, limit }))
    }

    fn log_length(&self) -> Result<u64> {
        Ok(self.snapshot().log.len() as u64)
    }

    fn cursor(&self, log: &SourceLog) -> Result<Option<u64>> {
        State::cursor(&*self.snapshot(), log)
    }

    fn cursors(&self) -> Result<Vec<SourceCursor>> {
        let tables = self.snapshot();
        Ok(tables.cursors.iter().map(|(log, cursor)| SourceCursor { log: log.clone(), cursor: *cursor }).collect())
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RetryRow>> {
        let due = self.snapshot().retries_by_due().into_iter();
        Ok(due.filter(|row| row.due <= now).take(limit).collect())
    }

    fn retries(&self, part: Page) -> Result<Vec<RetryRow>> {
        Ok(page(self.snapshot().retries_by_due().into_iter(), part))
    }

    fn dead_letters(&self, part: Page) -> Result<Vec<RetryRow>> {
        Ok(page(self.snapshot().dead.iter().rev().cloned(), part))
    }

    fn tag(&self, tagger: &PubkyId, id: &HashId) -> Result<Option<Tag>> {
        Ok(self.snapshot().tag_of_any_app(tagger, id))
    }

    fn hosts(&self, before: Timestamp, limit: usize) -> Result<Vec<HostRow>> {
        let tables = self.snapshot();
        Ok(tables.hosts.values().filter(|host| host.resolved_at < before).take(limit).cloned().collect())
    }

    fn unresolved(&self, before: Timestamp, after: Option<&PubkyId>, limit: usize) -> Result<Vec<PubkyId>> {
        let tables = self.snapshot();
        Ok(tables.unresolved(before).filter(|id| after.is_none_or(|after| id > after)).take(limit).collect())
    }

    fn load_notifications(&self, sink: &mut dyn FnMut(Notified)) -> Result<()> {
        let tables = self.snapshot();
        let mut all: Vec<_> = tables.notifications.values().cloned().collect();
        all.sort_by_cached_key(|n| (n.receiver, n.time, n.body.to_json()));
        all.into_iter().for_each(sink);
        Ok(())
    }
}
