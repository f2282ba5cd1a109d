//! The open group of the one writer.

use super::{
    SyncStore, codec,
    recent::{Changes, Row, Tail},
    rows::Rows,
};
use crate::{Group, Result};
use nexus_atproto::Did;
use nexus_model::{Seq, Timestamp};
use nexus_sync::{
    effects::{BufferChange, Effects, FORGOTTEN, IndexChange, RowChange, WholeIndex},
    event::{Event, Kind},
    identity::Found,
    repo::{Name, Repo, RepoId},
    store::{self, Counts, SetAside, StoredEvent, Transaction, value},
};
use rusqlite::{OptionalExtension, params};
use std::{
    cell::RefCell,
    collections::HashMap,
    mem,
    sync::{Arc, MutexGuard, PoisonError},
};

/// How many numbers of accounts are kept at hand, at some 100 bytes each. Who writes more often than so many others is
/// found here; anybody else costs a look into an index.
const MAX_NUMBERS: usize = 16_384;

/// Numbers of accounts and collections that the writer has met lately.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    accounts: HashMap<Did, i64>,
    collections: HashMap<String, i64>,
}

/// What the row of totals says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) counts: Counts,
    pub(super) last: Seq,
    pub(super) oldest: Seq,
}

/// Reads the row of totals.
pub(super) fn totals(connection: &rusqlite::Connection) -> Result<Totals> {
    let sql = "SELECT repos, records, events, event_bytes, buffered, last, oldest FROM totals";
    let row = connection.prepare_cached(sql)?.query_row([], |row| {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let (repos, records, events, event_bytes) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let counts = Counts { repos, records, events, event_bytes, buffered: number(4)? };
        Ok(Totals { counts, last: Seq::new(number(5)?), oldest: Seq::new(number(6)?) })
    })?;
    Ok(row)
}

/// The open group.
pub(super) struct Draft<'a> {
    store: &'a SyncStore,
    group: Group<'a>,
    numbers: MutexGuard<'a, Numbers>,
    before: Totals,
    totals: Totals,
    rows: RefCell<Rows>,
    events: Tail,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was removed that might have had content.
    Adding,
    Removing,
    Committed,
}

impl<'a> Draft<'a> {
    pub(super) fn begin(store: &'a SyncStore) -> Result<Self> {
        let group = store.database.group()?;
        let totals = totals(&group)?;
        let numbers = store.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, events) = (RefCell::default(), Tail::default());
        Ok(Self { store, group, numbers, before: totals, totals, rows, events, stage: Stage::Adding })
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<u64> {
        Ok(self.group.prepare_cached(sql)?.execute(params)? as u64)
    }

    fn number(&self, sql: &str, name: &str) -> Result<Option<i64>> {
        Ok(self.group.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?)
    }

    /// The number of an account, given now if there is none yet.
    fn account(&mut self, did: &Did) -> Result<i64> {
        if let Some(number) = self.numbers.accounts.get(did) {
            return Ok(*number);
        }
        let number = match self.number("SELECT n FROM accounts WHERE did = ?1", did.as_str())? {
            Some(number) => number,
            None => {
                self.run("INSERT INTO accounts (did) VALUES (?1)", [did.as_str()])?;
                self.group.last_insert_rowid()
            }
        };
        if self.numbers.accounts.len() >= MAX_NUMBERS {
            self.numbers.accounts.clear();
        }
        self.numbers.accounts.insert(did.clone(), number);
        Ok(number)
    }

    /// The number of a collection, given now if there is none yet.
    fn collection(&mut self, name: &str) -> Result<i64> {
        if let Some(number) = self.numbers.collections.get(name) {
            return Ok(*number);
        }
        let number = match self.number("SELECT n FROM collections WHERE name = ?1", name)? {
            Some(number) => number,
            None => {
                self.run("INSERT INTO collections (name) VALUES (?1)", [name])?;
                self.group.last_insert_rowid()
            }
        };
        if self.numbers.collections.len() >= MAX_NUMBERS {
            self.numbers.collections.clear();
        }
        self.numbers.collections.insert(name.to_owned(), number);
        Ok(number)
    }

    /// A repo as it is in this group.
    fn row(&self, did: &Did) -> Result<Row> {
        if let Some(row) = self.rows.borrow().now(did) {
            return Ok(row);
        }
        let row = self.store.recent.row(did, || super::port::repo(&self.group, did))?;
        self.rows.borrow_mut().met(did, &row);
        Ok(row)
    }

    fn row_number(&self, did: &Did) -> Result<Option<i64>> {
        Ok(self.row(did)?.map(|repo| codec::cell(repo.id.0)))
    }

    /// A row that is there is written once, at the end of the group.
    fn put_repo(&mut self, repo: &Repo) -> Result<()> {
        self.row(&repo.did)?;
        if repo.id != RepoId::default() {
            self.rows.get_mut().change(repo.clone());
            return Ok(());
        }
        let account = self.account(&repo.did)?;
        codec::write_repo(&self.group, repo, account)?;
        let id = RepoId(self.group.last_insert_rowid().cast_unsigned());
        self.rows.get_mut().written(&repo.did, Some(Repo { id, ..repo.clone() }));
        self.totals.counts.repos += 1;
        Ok(())
    }

    fn remove_repo(&mut self, did: &Did) -> Result<()> {
        let Some(repo) = self.row_number(did)? else { return Ok(()) };
        self.totals.counts.records -= self.run("DELETE FROM records WHERE repo = ?1", [repo])?;
        self.totals.counts.buffered -= self.run("DELETE FROM buffers WHERE repo = ?1", [repo])?;
        self.totals.counts.repos -= self.run("DELETE FROM repos WHERE n = ?1", [repo])?;
        self.rows.get_mut().written(did, None);
        self.stage = Stage::Removing;
        Ok(())
    }

    fn index(&mut self, repo: i64, change: &IndexChange) -> Result<()> {
        let (collection, rkey) = (self.collection(change.path.collection())?, change.path.rkey());
        let Some(cid) = &change.cid else {
            let sql = "DELETE FROM records WHERE repo = ?1 AND collection = ?2 AND rkey = ?3";
            self.totals.counts.records -= self.run(sql, params![repo, collection, rkey])?;
            return Ok(());
        };
        let cells = params![repo, collection, rkey, codec::cid_cell(cid)];
        let added = self.run("INSERT OR IGNORE INTO records VALUES (?1, ?2, ?3, ?4)", cells)?;
        self.totals.counts.records += added;
        if added == 0 {
            self.run("UPDATE records SET cid = ?4 WHERE repo = ?1 AND collection = ?2 AND rkey = ?3", cells)?;
        }
        Ok(())
    }

    fn buffer(&mut self, repo: i64, change: &BufferChange) -> Result<()> {
        match change {
            BufferChange::Keep => {}
            BufferChange::Append(commit) => {
                let cells = params![repo, value::encode(commit)];
                self.totals.counts.buffered += self.run("INSERT INTO buffers (repo, body) VALUES (?1, ?2)", cells)?;
            }
            BufferChange::Clear => {
                let gone = self.run("DELETE FROM buffers WHERE repo = ?1", [repo])?;
                self.totals.counts.buffered -= gone;
                self.stage = if gone > 0 { Stage::Removing } else { self.stage };
            }
        }
        Ok(())
    }

    fn append(&mut self, event: &Event, now: Timestamp) -> Result<()> {
        let account = self.account(&event.did)?;
        self.totals.last = self.totals.last.next();
        let seq = codec::cell(self.totals.last.get());
        let cells = params![seq, account, event.kind == Kind::Live, now.millis(), &*event.body];
        self.totals.counts.events += self.run("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5)", cells)?;
        self.totals.counts.event_bytes += event.body.len() as u64;
        let (did, body) = (event.did.to_shared(), Arc::clone(&event.body));
        self.events.push(StoredEvent { seq: self.totals.last, did, kind: event.kind, time: now, body });
        Ok(())
    }

    fn apply_effects(&mut self, did: &Did, effects: &Effects, now: Timestamp) -> Result<()> {
        match &effects.repo {
            RowChange::Keep => {}
            RowChange::Put(repo) => self.put_repo(repo)?,
            RowChange::Remove(did) => self.remove_repo(did)?,
        }
        let touches_repo =
            !effects.records.is_empty() || effects.buffer != BufferChange::Keep || effects.index != WholeIndex::Keep;
        if touches_repo && let Some(repo) = self.row_number(did)? {
            if effects.index == WholeIndex::Forget {
                let cells = params![repo, codec::cid_cell(&FORGOTTEN)];
                self.run("UPDATE records SET cid = ?2 WHERE repo = ?1", cells)?;
            }
            effects.records.iter().try_for_each(|change| self.index(repo, change))?;
            self.buffer(repo, &effects.buffer)?;
        }
        effects.events.iter().try_for_each(|event| self.append(event, now))
    }

    /// The name stays as it is known; of an account that is not known yet there is none.
    fn write_document(&mut self, did: &Did, document: &Found, fetched: Timestamp) -> Result<()> {
        let account = self.account(did)?;
        let (found, answer) = codec::found_cells(document)?;
        let sql = "INSERT INTO identities VALUES (?1, ?2, ?3, ?4, 0, NULL, 0) \
                   ON CONFLICT (account) DO UPDATE SET found = ?2, answer = ?3, fetched = ?4";
        self.run(sql, params![account, found, answer, fetched.millis()])?;
        Ok(())
    }

    fn read_name(&self, did: &Did) -> Result<Name> {
        let sql = "SELECT i.name, i.handle FROM accounts a JOIN identities i ON i.account = a.n WHERE a.did = ?1";
        let name =
            super::port::first(&self.group, sql, [did.as_str()], |row| codec::name_of(row.get(0)?, row.get(1)?))?;
        Ok(name.unwrap_or(Name::Unknown))
    }

    fn write_name(&mut self, did: &Did, name: &Name, verified: Timestamp) -> Result<()> {
        let account = self.account(did)?;
        let (name, handle) = codec::name_cells(name);
        let sql = "UPDATE identities SET name = ?2, handle = ?3, verified = ?4 WHERE account = ?1";
        self.run(sql, params![account, name, handle, verified.millis()])?;
        Ok(())
    }

    /// Reads what is set aside for a repo, in the order of arrival, until there is no room for more.
    fn read_buffers(&self, repo: RepoId, aside: &mut SetAside) -> store::Result<()> {
        let sql = "SELECT body FROM buffers WHERE repo = ?1 ORDER BY n";
        let mut statement = self.group.prepare_cached(sql).map_err(crate::Error::from)?;
        let mut rows = statement.query([codec::cell(repo.0)]).map_err(crate::Error::from)?;
        while let Some(row) = rows.next().map_err(crate::Error::from)? {
            let body = row.get_ref(0).map_err(crate::Error::from)?.as_str();
            if aside.take(body.map_err(rusqlite::Error::from).map_err(crate::Error::from)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn drop_events(&mut self, through: Seq, before: Timestamp, limit: usize) -> Result<usize> {
        let sql = "SELECT seq, time, octet_length(body) FROM events ORDER BY seq LIMIT ?1";
        let oldest: Vec<(i64, i64, u64)> = super::port::all(&self.group, sql, [codec::limit(limit)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
        })?;
        let (mut newest, mut bytes) = (None, 0);
        for (seq, time, length) in oldest {
            if seq > codec::cell(through.get()) || time >= before.millis() {
                break;
            }
            (newest, bytes) = (Some(seq), bytes + length);
        }
        let Some(newest) = newest else { return Ok(0) };
        let gone = self.run("DELETE FROM events WHERE seq <= ?1", [newest])?;
        self.totals.counts.events -= gone;
        self.totals.counts.event_bytes -= bytes;
        self.totals.oldest = Seq::new(newest.cast_unsigned());
        self.stage = Stage::Removing;
        Ok(gone as usize)
    }

    fn write_rows(&mut self) -> Result<()> {
        let rows = mem::take(self.rows.get_mut());
        for (before, now) in rows.unwritten() {
            if differ_in_head_alone(before, now) {
                codec::write_head(&self.group, now)?;
            } else {
                let account = self.account(&now.did)?;
                codec::write_repo(&self.group, now, account)?;
            }
        }
        *self.rows.get_mut() = rows;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.write_rows()?;
        if self.totals == self.before {
            return Ok(());
        }
        let Totals { counts, last, oldest } = self.totals;
        let Counts { repos, records, events, event_bytes, buffered } = counts;
        let sql = "UPDATE totals SET repos = ?1, records = ?2, events = ?3, event_bytes = ?4, buffered = ?5, \
                   last = ?6, oldest = ?7";
        let all = [repos, records, events, event_bytes, buffered, last.get(), oldest.get()];
        self.run(sql, all.map(codec::cell))?;
        Ok(())
    }
}

fn differ_in_head_alone(before: Option<&Repo>, now: &Repo) -> bool {
    before.is_some_and(|before| Repo { head: now.head, ..before.clone() } == *now)
}

impl Transaction for Draft<'_> {
    fn repo(&self, did: &Did) -> store::Result<Option<Repo>> {
        Ok(self.row(did)?.as_deref().cloned())
    }

    fn buffered(&self, repo: RepoId, most_bytes: usize) -> store::Result<SetAside> {
        let mut aside = SetAside::within(most_bytes);
        self.read_buffers(repo, &mut aside)?;
        Ok(aside)
    }

    fn apply(&mut self, did: &Did, effects: &Effects, now: Timestamp) -> store::Result<()> {
        Ok(self.apply_effects(did, effects, now)?)
    }

    fn put_channel(&mut self, name: &str, settled: &[u8]) -> store::Result<()> {
        self.run("INSERT OR REPLACE INTO channels VALUES (?1, ?2)", params![name, settled])?;
        Ok(())
    }

    fn drop_channel(&mut self, name: &str) -> store::Result<()> {
        self.run("DELETE FROM channels WHERE name = ?1", [name])?;
        Ok(())
    }

    fn drop_cursor(&mut self, source: &str) -> store::Result<()> {
        self.run("DELETE FROM cursors WHERE source = ?1", [source])?;
        Ok(())
    }

    fn put_cursor(&mut self, source: &str, cursor: &str) -> store::Result<()> {
        self.run("INSERT OR REPLACE INTO cursors VALUES (?1, ?2)", [source, cursor])?;
        Ok(())
    }

    fn put_document(&mut self, did: &Did, document: &Found, fetched: Timestamp) -> store::Result<()> {
        Ok(self.write_document(did, document, fetched)?)
    }

    fn name(&self, did: &Did) -> store::Result<Name> {
        Ok(self.read_name(did)?)
    }

    fn put_name(&mut self, did: &Did, name: &Name, verified: Timestamp) -> store::Result<()> {
        Ok(self.write_name(did, name, verified)?)
    }

    fn expire(&mut self, through: Seq, before: Timestamp, limit: usize) -> store::Result<usize> {
        Ok(self.drop_events(through, before, limit)?)
    }

    fn commit(mut self: Box<Self>) -> store::Result<Seq> {
        self.finish()?;
        let removes = self.stage == Stage::Removing;
        let (store, last) = (self.store, self.totals.last);
        let rows = self.rows.get_mut().changed();
        let changes = Changes { rows, events: mem::take(&mut self.events), oldest: self.totals.oldest };
        store.recent.commit(changes, || self.group.execute_batch("COMMIT").map_err(crate::Error::from))?;
        self.stage = Stage::Committed;
        drop(self);
        if removes {
            store.database.remember_removal();
        }
        store.database.clear_log();
        Ok(last)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.stage != Stage::Committed {
            // Numbers that were given in this group are not given.
            *self.numbers = Numbers::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_sync::store::Store as _;
    use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
    use std::time::{Duration, Instant};

    fn no_checkpoint(asked: AuthContext<'_>) -> Authorization {
        match asked.action {
            AuthAction::Pragma { pragma_name: "wal_checkpoint", .. } => Authorization::Deny,
            _ => Authorization::Allow,
        }
    }

    fn allow_checkpoints(store: &SyncStore, hook: Option<fn(AuthContext<'_>) -> Authorization>) {
        store.database.with_writer(|writer| writer.authorizer(hook)).unwrap();
    }

    #[test]
    fn a_commit_is_durable_even_if_the_log_cannot_be_cleared_which_later_ones_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sync.db");
        let store = SyncStore::open(&file).unwrap();
        let did: Did = "did:plc:a".parse().unwrap();
        let event = Event { did: did.clone(), kind: Kind::Live, body: "gone".into() };
        let mut transaction = store.begin().unwrap();
        let effects = Effects { events: vec![event], ..Effects::default() };
        transaction.apply(&did, &effects, Timestamp::from_millis(1)).unwrap();
        transaction.commit().unwrap();
        allow_checkpoints(&store, Some(no_checkpoint));
        let mut transaction = store.begin().unwrap();
        assert_eq!(transaction.expire(Seq::new(1), Timestamp::from_millis(2), 10).unwrap(), 1);
        assert_eq!(transaction.commit().unwrap(), Seq::new(1));
        assert!(store.events(Seq::START, 10).unwrap().is_empty());
        allow_checkpoints(&store, None);
        let log = || std::fs::metadata(file.with_extension("db-wal")).unwrap().len();
        assert!(log() > 0);
        let begun = Instant::now();
        while log() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the log is never cleared");
            store.begin().unwrap().commit().unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
