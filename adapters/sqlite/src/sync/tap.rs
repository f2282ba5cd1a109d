//! Taking over the database of a Tap, or of the `nexus` that it was: tracked repos, their record index, events that
//! were not settled, and how far each relay was read. The file is only read.
//!
//! Commits that Tap had set aside are not taken over: their repos are fetched again instead, as they would have been.

use super::SyncStore;
use crate::{Error, Result};
use nexus_atproto::{Cid, Did, Handle, RecordPath};
use nexus_model::Timestamp;
use nexus_sync::{
    effects::{Effects, IndexChange, RowChange},
    event::{Event, Kind},
    repo::{Head, Name, Origin, Repo, Retry, State, Status},
    store::{self, Store as _},
};
use rusqlite::{Connection, OpenFlags, Row, params};
use std::path::Path;

/// Rows that are written together.
const PORTION: i64 = 10_000;

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Tracked repos.
    pub repos: usize,
    /// Records of their indexes.
    pub records: usize,
    /// Events that were not settled.
    pub events: usize,
    /// Rows that can't be what a Tap wrote, and were left out.
    pub skipped: usize,
}

/// Takes over the file at `path`. `cursor_name` gives the name of a relay's cursor. What the store knows already is
/// overwritten, so that an import that was cut short can be done again; only its events come twice then.
///
/// # Errors
/// If the file can't be read or is not a Tap's, or the store can't be written.
pub fn import(
    store: &SyncStore,
    path: &Path,
    now: Timestamp,
    cursor_name: impl Fn(&str) -> String,
) -> store::Result<Taken> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(Error::from)?;
    let mut import = Import { store, tap: &connection, now, taken: Taken::default() };
    import.repos()?;
    import.events()?;
    import.cursors(cursor_name)?;
    Ok(import.taken)
}

struct Import<'a> {
    store: &'a SyncStore,
    tap: &'a Connection,
    now: Timestamp,
    taken: Taken,
}

impl Import<'_> {
    fn repos(&mut self) -> store::Result<()> {
        let sql = "SELECT did, state, status, handle, rev, prev_data, error_msg, retry_count, retry_after, \
                   EXISTS (SELECT 1 FROM resync_buffers b WHERE b.did = r.did) FROM repos r WHERE did > ?1 \
                   ORDER BY did LIMIT ?2";
        let mut after = String::new();
        loop {
            let page = self.page(sql, &after, |row| Ok((row.get::<_, String>(0)?, repo(row)?)))?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (did, repo) in page {
                match repo {
                    Some(repo) => self.repo(&did, repo)?,
                    None => self.taken.skipped += 1,
                }
            }
        }
    }

    fn page<T>(&self, sql: &str, after: &str, read: impl Fn(&Row<'_>) -> Result<T>) -> store::Result<Vec<T>> {
        Ok(super::port::all(self.tap, sql, params![after, PORTION], read)?)
    }

    fn repo(&mut self, did: &str, repo: Repo) -> store::Result<()> {
        let account = repo.did.clone();
        self.apply(&account, Effects { repo: RowChange::Put(Box::new(repo)), ..Effects::default() })?;
        self.taken.repos += 1;
        let sql = "SELECT collection, rkey, cid FROM repo_records WHERE did = ?1 AND (collection, rkey) > (?2, ?3) \
                   ORDER BY collection, rkey LIMIT ?4";
        let (mut collection, mut rkey) = (String::new(), String::new());
        loop {
            let cells = params![did, collection, rkey, PORTION];
            let page: Vec<(String, String, String)> =
                super::port::all(self.tap, sql, cells, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let Some(last) = page.last() else { return Ok(()) };
            (collection, rkey) = (last.0.clone(), last.1.clone());
            let count = page.len();
            let records: Vec<IndexChange> = page.iter().filter_map(record).collect();
            self.taken.records += records.len();
            self.taken.skipped += count - records.len();
            self.apply(&account, Effects { records, ..Effects::default() })?;
        }
    }

    /// In the order of their ids; they get new ones.
    fn events(&mut self) -> store::Result<()> {
        let sql = "SELECT id, did, live, data FROM outbox_buffers WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut after = 0_i64;
        loop {
            let page = super::port::all(self.tap, sql, params![after, PORTION], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?, row.get::<_, String>(3)?))
            })?;
            let Some((last, ..)) = page.last() else { return Ok(()) };
            after = *last;
            let mut transaction = self.store.begin()?;
            for (_, did, live, data) in page {
                let Some(event) = event(&did, live, &data) else {
                    self.taken.skipped += 1;
                    continue;
                };
                let did = event.did.clone();
                transaction.apply(&did, &Effects { events: vec![event], ..Effects::default() }, self.now)?;
                self.taken.events += 1;
            }
            transaction.commit()?;
        }
    }

    fn cursors(&self, name: impl Fn(&str) -> String) -> store::Result<()> {
        let sql = "SELECT url, cursor FROM firehose_cursors";
        let all: Vec<(String, i64)> = super::port::all(self.tap, sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut transaction = self.store.begin()?;
        for (url, cursor) in all {
            transaction.put_cursor(&name(url.trim_end_matches('/')), &cursor.to_string())?;
        }
        transaction.commit().map(drop)
    }

    fn apply(&self, did: &Did, mut effects: Effects) -> store::Result<()> {
        let mut transaction = self.store.begin()?;
        if let (RowChange::Put(repo), Some(known)) = (&mut effects.repo, transaction.repo(did)?) {
            repo.id = known.id;
        }
        transaction.apply(did, &effects, self.now)?;
        transaction.commit().map(drop)
    }
}

/// A row, or `None` if its DID is none.
fn repo(row: &Row<'_>) -> Result<Option<Repo>> {
    let text = |column| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    let Ok(did) = text(0)?.parse::<Did>() else { return Ok(None) };
    let (rev, data) = (text(4)?.parse(), text(5)?.parse());
    let head = rev.ok().zip(data.ok()).map(|(rev, data)| Head { rev, data });
    let is_interrupted: bool = row.get(9)?;
    let state = match (&*text(1)?, head, is_interrupted) {
        ("active", Some(_), false) => State::Active,
        ("pending", ..) => State::Pending,
        ("error", ..) => State::Error,
        // Whatever else it was at, fetching it again brings it up to date.
        _ => State::Desynchronized,
    };
    let name = match (&*text(3)?, Handle::parse(&text(3)?)) {
        ("", _) => Name::Unknown,
        (Handle::INVALID, _) | (_, Err(_)) => Name::Invalid,
        (_, Ok(handle)) => Name::Handle(handle),
    };
    let (retries, retry_after): (u32, i64) = (row.get(7)?, row.get(8)?);
    let retry = if retry_after > 0 { Retry::At(Timestamp::from_millis(retry_after * 1_000)) } else { Retry::Now };
    let status = Status::from_name(&text(2)?).unwrap_or(Status::Active);
    let error = text(6)?;
    // Who asked for it is not written down; what somebody waits for is only fetched earlier.
    Ok(Some(Repo { state, status, name, head, error, retries, retry, ..Repo::new(did, Origin::Asked) }))
}

fn record((collection, rkey, cid): &(String, String, String)) -> Option<IndexChange> {
    let path: RecordPath = format!("{collection}/{rkey}").parse().ok()?;
    let cid: Cid = cid.parse().ok()?;
    Some(IndexChange { path, cid: Some(cid) })
}

/// An event without its old id, which stands first in its text.
fn event(did: &str, live: bool, data: &str) -> Option<Event> {
    let rest = data.strip_prefix("{\"id\":")?;
    let (id, body) = rest.split_once(',')?;
    let is_whole = id.bytes().all(|byte| byte.is_ascii_digit()) && body.starts_with("\"type\":\"");
    let kind = if live { Kind::Live } else { Kind::Historical };
    is_whole.then(|| Some(Event { did: did.parse().ok()?, kind, body: body.into() }))?
}
