//! The port, over the tables.

use super::{SocialStore, load, session::Session};
use crate::Group;
use nexus_model::{Action, Seq, Timestamp};
use nexus_pubky::{HashId, PubkyId};
use nexus_social::{
    effects::{Effects, RetryRow, SourceCursor, SourceLog},
    notification::{Notification, Notified},
    query::{Page, Position, ScoreRange},
    row::{HostRow, Tag},
    store::{Result, State, Store, Stored, StoredChange, Transaction, value},
};
use rusqlite::{Connection, params};
use std::ops::Deref;

/// The newest position of the journal, whether kept or expired.
const LAST: &str = "SELECT coalesce((SELECT max(seq) FROM changes), (SELECT seq FROM expired))";

/// Journal rows that are dropped in one group, so that the writer is never kept waiting for long.
const EXPIRED_AT_ONCE: u64 = 20_000;

impl SocialStore {
    /// Drops the oldest journal rows that were handled before `before`, as many as one group may.
    fn expire_some(&self, before: Timestamp) -> crate::Result<u64> {
        let session = Session::of_writer(self.database.group()?, self.keys());
        let sql = "WITH oldest AS (SELECT seq, time FROM changes ORDER BY seq LIMIT ?2) \
                   SELECT coalesce((SELECT min(seq) - 1 FROM oldest WHERE time >= ?1), (SELECT max(seq) FROM oldest))";
        let params = params![before.millis(), EXPIRED_AT_ONCE.cast_signed()];
        let Some(last) = session.one(sql, params, |c| c.int_or_null(0))?.flatten() else { return Ok(0) };
        let dropped = session.run("DELETE FROM changes WHERE seq <= ?1", [last])?;
        session.run("UPDATE expired SET seq = ?1", [last])?;
        session.commit()?;
        Ok(dropped as u64)
    }

    fn session<T>(&self, read: impl FnOnce(&Session<'_, &Connection>) -> crate::Result<T>) -> Result<T> {
        Ok(self.database.read(|connection| read(&Session::of_reader(connection)))?)
    }
}

impl<C: Deref<Target = Connection>> Session<'_, C> {
    fn last_seq(&self) -> crate::Result<Seq> {
        Ok(Seq::new(self.one(LAST, [], |c| c.count(0))?.unwrap_or_default()))
    }

    fn changes_after(&self, after: Seq, limit: usize) -> crate::Result<Vec<StoredChange>> {
        let sql = "SELECT c.seq, k.id, c.collection, c.key, c.action, c.version, c.live, c.time \
                   FROM changes c JOIN keys k ON k.n = c.author WHERE c.seq > ?1 ORDER BY c.seq LIMIT ?2";
        let after = i64::try_from(after.get()).unwrap_or(i64::MAX);
        self.all(sql, params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |c| {
            Ok(StoredChange {
                seq: Seq::new(c.count(0)?),
                author: c.user(1)?,
                collection: c.collection(2)?.into(),
                key: c.str(3)?.into(),
                action: c.action(4)?,
                version: c.hash(5)?,
                live: c.flag(6)?,
                time: c.time(7)?,
                value: None,
            })
        })
    }

    fn unresolved(&self, before: Timestamp, after: &str, limit: usize) -> crate::Result<Vec<PubkyId>> {
        let sql = "SELECT k.id FROM keys k JOIN users u ON u.user = k.n LEFT JOIN hosts h ON h.user = k.n \
                   WHERE k.id > ?1 AND u.state <> 2 AND (h.user IS NULL OR h.resolved_at < ?2) \
                   ORDER BY k.id LIMIT ?3";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, params![after, before.millis(), limit], |c| c.user(0))
    }
}

impl Store for SocialStore {
    fn begin(&self) -> Result<Box<dyn Transaction + '_>> {
        let session = Session::of_writer(self.database.group()?, self.keys());
        let last = session.last_seq()?;
        Ok(Box::new(Draft { store: self, session, last, removes: false }))
    }

    fn load(&self, sink: &mut dyn FnMut(Stored)) -> Result<Seq> {
        let read = |rows| {
            self.session(|session| {
                session.load(rows)?;
                session.last_seq()
            })
        };
        load::rows(sink, read)
    }

    fn last(&self) -> Result<Seq> {
        self.session(|session| session.last_seq())
    }

    fn oldest(&self) -> Result<Seq> {
        self.session(|session| {
            let expired = session.one("SELECT seq FROM expired", [], |c| c.count(0))?;
            Ok(Seq::new(expired.unwrap_or_default()))
        })
    }

    fn changes(&self, after: Seq, limit: usize) -> Result<Vec<StoredChange>> {
        self.database.read(|connection| {
            let session = Session::of_reader(connection);
            let mut changes = session.changes_after(after, limit)?;
            for change in &mut changes {
                change.value = value::of_change(&session, change)?;
            }
            Ok(changes)
        })
    }

    fn expire_changes(&self, before: Timestamp) -> Result<u64> {
        let mut dropped = 0;
        loop {
            let step = self.expire_some(before)?;
            dropped += step;
            if step < EXPIRED_AT_ONCE {
                self.database.scrub()?;
                return Ok(dropped);
            }
        }
    }

    fn notifications(
        &self,
        receiver: &PubkyId,
        range: ScoreRange,
        after: Option<&Position>,
        page: Page,
    ) -> Result<Vec<Notification>> {
        let found = self.session(|session| session.notification_page(receiver, range, after, page))?;
        Ok(found.into_iter().map(|n| Notification { timestamp: n.time, body: n.body }).collect())
    }

    fn log(&self, cursor: u64, limit: usize) -> Result<Vec<String>> {
        let (cursor, limit) = (i64::try_from(cursor).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
        self.session(|session| {
            session.all("SELECT line FROM log WHERE n > ?1 ORDER BY n LIMIT ?2", params![cursor, limit], |c| c.text(0))
        })
    }

    fn log_length(&self) -> Result<u64> {
        let length = self.session(|session| session.one("SELECT max(n) FROM log", [], |c| c.int_or_null(0)))?;
        Ok(length.flatten().map_or(0, i64::cast_unsigned))
    }

    fn cursor(&self, log: &SourceLog) -> Result<Option<u64>> {
        self.session(|session| session.cursor_of(log))
    }

    fn cursors(&self) -> Result<Vec<SourceCursor>> {
        self.session(|session| session.every_cursor())
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RetryRow>> {
        self.session(|session| session.retries_due(now, Page { skip: 0, limit }))
    }

    fn retries(&self, page: Page) -> Result<Vec<RetryRow>> {
        self.session(|session| session.retries_due(Timestamp::from_millis(i64::MAX), page))
    }

    fn dead_letters(&self, page: Page) -> Result<Vec<RetryRow>> {
        self.session(|session| session.dead_page(page))
    }

    fn tag(&self, tagger: &PubkyId, id: &HashId) -> Result<Option<Tag>> {
        self.session(|session| session.tag_of_any_app(tagger, id))
    }

    fn hosts(&self, before: Timestamp, limit: usize) -> Result<Vec<HostRow>> {
        let sql = "SELECT k.id, h.homeserver, h.resolved_at, h.stale FROM hosts h JOIN keys k ON k.n = h.user \
                   WHERE h.resolved_at < ?1 ORDER BY k.id LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.session(|session| {
            session.all(sql, params![before.millis(), limit], |c| super::load::host_row(c, 1, c.user(0)?))
        })
    }

    fn unresolved(&self, before: Timestamp, after: Option<&PubkyId>, limit: usize) -> Result<Vec<PubkyId>> {
        self.session(|session| session.unresolved(before, after.map_or("", PubkyId::as_str), limit))
    }

    fn load_notifications(&self, sink: &mut dyn FnMut(Notified)) -> Result<()> {
        self.session(|session| session.each_notification(sink))
    }
}

/// The open group.
struct Draft<'a> {
    store: &'a SocialStore,
    session: Session<'a, Group<'a>>,
    last: Seq,
    /// Whether content was replaced or removed.
    removes: bool,
}

impl Transaction for Draft<'_> {
    fn state(&self) -> &dyn State {
        &self.session
    }

    fn apply(&mut self, effects: &Effects) -> Result<()> {
        self.removes |= effects.changes.iter().any(|change| change.action != Action::Create);
        Ok(self.session.apply_effects(effects, &mut self.last)?)
    }

    fn commit(self: Box<Self>) -> Result<Seq> {
        self.session.commit()?;
        if self.removes {
            self.store.database.content_removed();
        }
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_model::Timestamp;
    use nexus_social::writer::Writer;
    use nexus_social_suite::{self as suite, Op, World};
    use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    /// Lets the next `count` commits fail, as they do on a full disk.
    fn fail_commits(store: &SocialStore, count: u32) {
        let left = Arc::new(AtomicU32::new(count));
        let veto = move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        store.database.with_writer(|connection| connection.commit_hook(Some(veto))).expect("a hook");
    }

    /// Lets every clearing of the WAL fail, as it does on a full disk.
    fn fail_checkpoints(store: &SocialStore) {
        let judge = |context: AuthContext<'_>| match context.action {
            AuthAction::Pragma { pragma_name: "wal_checkpoint", .. } => Authorization::Deny,
            _ => Authorization::Allow,
        };
        store.database.with_writer(|connection| connection.authorizer(Some(judge))).expect("a hook");
    }

    #[test]
    fn what_is_durable_is_told_though_the_wal_cannot_be_cleared() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SocialStore::open(&folder.path().join("a")).expect("the store works");
        fail_checkpoints(&store);
        let (writer, mut world) = (Writer::new(Arc::new(World::policy())), World::new());
        let group = [[0, 0, 0, 0, 1], [3, 0, 1, 0, 133], [3, 0, 1, 0, 139]].map(|op| world.happen(Op(op)));
        let mut told = 0;
        let run = writer.run(&store, &group, Timestamp::from_millis(1), |committed| told += committed.effects.len());
        assert_eq!((run.expect("it is durable").len(), told), (3, 3));
        assert!(store.scrub().is_err(), "it stays due, and the next one who asks is told");
    }

    #[test]
    fn a_failed_commit_keeps_nothing_tells_nobody_and_can_be_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SocialStore::open(&folder.path().join("a")).expect("the store works");
        let writer = Writer::new(Arc::new(World::policy()));
        let mut world = World::new();
        let group: Vec<_> = (0..8).map(|who| world.happen(Op([0, who, 1, 1, 1]))).collect();
        let now = Timestamp::from_millis(1);
        fail_commits(&store, 2);
        for _ in 0..2 {
            let error =
                writer.run(&store, &group, now, |_| panic!("nothing was committed")).expect_err("the disk is full");
            assert!(matches!(error, nexus_social::store::Error::Backend(_)));
            assert_eq!((suite::rows(&store), store.last().expect("the store works")), (vec![], Seq::START));
        }
        let mut told = 0;
        writer.run(&store, &group, now, |committed| told += committed.effects.len()).expect("the store works");
        assert_eq!((told, suite::rows(&store).len(), store.last().expect("the store works")), (6, 6, Seq::new(6)));
        assert_eq!(store.check().expect("the store works"), Vec::<String>::new());
    }
}
