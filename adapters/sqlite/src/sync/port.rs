//! The port, over the tables.

use super::{SyncStore, codec, draft};
use crate::Result;
use nexus_atproto::{Cid, Did};
use nexus_model::{Seq, Timestamp};
use nexus_sync::{
    identity::Identity,
    repo::{Repo, RepoId},
    store::{self, Counts, Store, StoredEvent, Transaction},
};
use rusqlite::{Connection, Params, Row, params};

/// Every row.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// The first row, if any.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// A tracked repo.
pub(super) fn repo(connection: &Connection, did: &Did) -> Result<Option<Repo>> {
    let sql = select(codec::REPO, "repos r JOIN accounts a ON a.n = r.account WHERE a.did = ?1");
    first(connection, &sql, [did.as_str()], codec::repo)
}

fn select(columns: &str, rest: &str) -> String {
    format!("SELECT {columns} FROM {rest}")
}

impl SyncStore {
    fn ask<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> store::Result<T> {
        Ok(self.database.read(read)?)
    }
}

impl Store for SyncStore {
    fn begin(&self) -> store::Result<Box<dyn Transaction + '_>> {
        Ok(Box::new(draft::Draft::begin(self)?))
    }

    fn repo(&self, did: &Did) -> store::Result<Option<Repo>> {
        let row = self.recent.row(did, || self.ask(|connection| repo(connection, did)))?;
        Ok(row.as_deref().cloned())
    }

    fn due(&self, now: Timestamp, limit: usize) -> store::Result<Vec<Repo>> {
        let rest = "repos r JOIN accounts a ON a.n = r.account WHERE r.urgency = ?1 AND r.retry_at <= ?2 \
                    ORDER BY r.retry_at, r.n LIMIT ?3";
        let sql = select(codec::REPO, rest);
        self.ask(|connection| {
            let mut due = Vec::new();
            for urgency in 0..=3 {
                let left = codec::limit(limit - due.len());
                due.extend(all(connection, &sql, params![urgency, now.millis(), left], codec::repo)?);
            }
            Ok(due)
        })
    }

    fn repos(&self, after: RepoId, limit: usize) -> store::Result<Vec<Repo>> {
        let rest = "repos r JOIN accounts a ON a.n = r.account WHERE r.n > ?1 ORDER BY r.n LIMIT ?2";
        let cells = [codec::cell(after.0), codec::limit(limit)];
        self.ask(|connection| all(connection, &select(codec::REPO, rest), cells, codec::repo))
    }

    fn counts(&self) -> store::Result<Counts> {
        self.ask(|connection| Ok(draft::totals(connection)?.counts))
    }

    fn record_count(&self, repo: RepoId) -> store::Result<u64> {
        let sql = "SELECT count(*) FROM records WHERE repo = ?1";
        let count =
            self.ask(|connection| first(connection, sql, [codec::cell(repo.0)], |row| Ok(row.get::<_, i64>(0)?)))?;
        Ok(count.unwrap_or_default().cast_unsigned())
    }

    fn collections(&self, repo: RepoId) -> store::Result<Vec<String>> {
        // One step in the index for each collection, however many records it has.
        let sql = "WITH RECURSIVE own(n) AS (SELECT min(collection) FROM records WHERE repo = ?1 UNION ALL \
                   SELECT (SELECT min(collection) FROM records WHERE repo = ?1 AND collection > own.n) FROM own \
                   WHERE own.n IS NOT NULL) SELECT c.name FROM own JOIN collections c ON c.n = own.n";
        self.ask(|connection| all(connection, sql, [codec::cell(repo.0)], |row| Ok(row.get(0)?)))
    }

    fn records(&self, repo: RepoId, collection: &str, after: &str, limit: usize) -> store::Result<Vec<(String, Cid)>> {
        let sql = "SELECT rkey, cid FROM records WHERE repo = ?1 AND collection = \
                   (SELECT n FROM collections WHERE name = ?2) AND rkey > ?3 ORDER BY rkey LIMIT ?4";
        let cells = params![codec::cell(repo.0), collection, after, codec::limit(limit)];
        self.ask(|connection| {
            all(connection, sql, cells, |row| {
                let cid = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                Ok((row.get(0)?, codec::cid_of(cid)?))
            })
        })
    }

    fn last(&self) -> store::Result<Seq> {
        match self.recent.last() {
            Some(last) => Ok(last),
            None => self.ask(|connection| Ok(draft::totals(connection)?.last)),
        }
    }

    fn oldest(&self) -> store::Result<Seq> {
        self.ask(|connection| Ok(draft::totals(connection)?.oldest))
    }

    fn events(&self, after: Seq, limit: usize) -> store::Result<Vec<StoredEvent>> {
        if let Some(events) = self.recent.events(after, limit) {
            return Ok(events);
        }
        let rest = "events e JOIN accounts a ON a.n = e.account WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2";
        let cells = [codec::cell(after.get()), codec::limit(limit)];
        self.ask(|connection| all(connection, &select(codec::EVENT, rest), cells, codec::event))
    }

    fn events_of(&self, did: &Did, after: Seq, limit: usize) -> store::Result<Vec<StoredEvent>> {
        let rest =
            "accounts a JOIN events e ON e.account = a.n WHERE a.did = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?3";
        let cells = params![did.as_str(), codec::cell(after.get()), codec::limit(limit)];
        self.ask(|connection| all(connection, &select(codec::EVENT, rest), cells, codec::event))
    }

    fn channel(&self, name: &str) -> store::Result<Option<Vec<u8>>> {
        let sql = "SELECT settled FROM channels WHERE name = ?1";
        self.ask(|connection| first(connection, sql, [name], |row| Ok(row.get(0)?)))
    }

    fn channels(&self) -> store::Result<Vec<String>> {
        let sql = "SELECT name FROM channels ORDER BY name";
        self.ask(|connection| all(connection, sql, [], |row| Ok(row.get(0)?)))
    }

    fn cursor(&self, source: &str) -> store::Result<Option<String>> {
        let sql = "SELECT cursor FROM cursors WHERE source = ?1";
        self.ask(|connection| first(connection, sql, [source], |row| Ok(row.get(0)?)))
    }

    fn identity(&self, did: &Did) -> store::Result<Option<Identity>> {
        let sql = "SELECT i.found, i.answer, i.fetched, i.name, i.handle, i.verified FROM accounts a \
                   JOIN identities i ON i.account = a.n WHERE a.did = ?1";
        self.ask(|connection| first(connection, sql, [did.as_str()], |row| codec::identity(row, did)))
    }
}
