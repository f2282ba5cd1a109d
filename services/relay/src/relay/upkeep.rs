//! The journal keeps removals for some days. A removal has no time of its own, so it is written down each day
//! where the journal stands; what lies before such a mark is at least as old as the mark.

use super::{Relay, SWEEP};
use crate::ports::{CacheAdapter, RecordKind, RuntimeAdapter, StorageAdapter, StorageError, WebSocketAdapter};
use nexus_model::Seq;
use nexus_nostr::Seconds;
use std::sync::Mutex;

const DAY: i64 = 86_400;

/// What is to be forgotten.
#[derive(Debug, Default)]
pub(super) struct Upkeep(Mutex<Due>);

#[derive(Clone, Copy, Debug, Default)]
struct Due {
    /// The day that was looked at last.
    day: Option<i64>,
    /// Up to where removals may go; `None` once they are gone.
    upto: Option<Seq>,
}

impl Upkeep {
    fn due(&self) -> Due {
        *self.0.lock().expect("no holder of this lock panics")
    }

    fn set(&self, due: Due) {
        *self.0.lock().expect("no holder of this lock panics") = due;
    }
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Marks the day, and forgets some removals if there are old ones.
    pub(super) async fn forget_removals(&self, now: Seconds) -> Result<(), StorageError> {
        let today = now.get() / DAY;
        let mut due = self.upkeep.due();
        if due.day != Some(today) {
            self.mark(today).await?;
            due = Due { day: Some(today), upto: self.old_mark(today).await? };
        }
        if let Some(upto) = due.upto
            && self.storage.drop_removals(upto, SWEEP).await? < SWEEP as u64
        {
            due.upto = None;
        }
        self.upkeep.set(due);
        Ok(())
    }

    /// Writes down where the journal stands, unless that was done earlier on the same day.
    async fn mark(&self, today: i64) -> Result<(), StorageError> {
        let marks = self.storage.records(RecordKind::JournalDay).await?;
        let key = format!("{today:010}");
        if marks.iter().any(|mark| mark.key == key) {
            return Ok(());
        }
        let last = self.storage.last_seq().await?.get().to_string();
        self.storage.put_record(RecordKind::JournalDay, &key, Some(&last)).await
    }

    /// Where the journal stood when the days began for which removals are kept. Older marks are dropped.
    async fn old_mark(&self, today: i64) -> Result<Option<Seq>, StorageError> {
        let oldest_kept = today - self.settings().limits.removal_days;
        let mut found = None;
        for mark in self.storage.records(RecordKind::JournalDay).await? {
            let day = mark.key.parse().unwrap_or(i64::MIN);
            if day <= oldest_kept {
                found = found.max(mark.value.parse().ok().map(Seq::new));
                self.storage.put_record(RecordKind::JournalDay, &mark.key, None).await?;
            }
        }
        Ok(found)
    }
}
