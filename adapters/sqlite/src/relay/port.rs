//! The relay's port over the file.

use super::{
    SqliteStorage, failed,
    known::{Stored, event, job, position},
    optional, query,
    write::Writer,
};
use crate::{Error, Result};
use nexus_model::{Seq, Verified};
use nexus_nostr::{EventId, Filter, Kind, Seconds, nip::nip45::HyperLogLog};
use nexus_relay::{
    decide::Known,
    market::{Counter, Job, JobQuery, Tally},
    ports::{
        Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, RemovalReason, Scope, StorageAdapter,
        StorageError, StoredEvent,
    },
};
use rusqlite::Connection;
use std::sync::Arc;

type Answer<T> = std::result::Result<T, StorageError>;

impl SqliteStorage {
    fn ask<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Answer<T> {
        self.database.read(read).map_err(failed)
    }

    /// Runs `write` in a group and commits it. Content that was removed is cleared from the log too.
    fn write<T>(&self, write: impl FnOnce(&mut Writer<'_>) -> Result<T>) -> Answer<T> {
        let commit = || {
            let group = self.database.group()?;
            let mut writer = Writer::new(&group)?;
            let result = write(&mut writer)?;
            let removed = writer.finish()?;
            group.commit()?;
            if removed > 0 {
                self.database.content_removed()?;
            }
            Ok(result)
        };
        commit().map_err(failed)
    }
}

impl StorageAdapter for SqliteStorage {
    async fn store_batch(&self, events: Vec<PreparedEvent>) -> Answer<Vec<Outcome>> {
        self.write(|writer| events.iter().map(|event| writer.store(event)).collect())
    }

    async fn query(&self, filters: &[Filter], scope: &Scope) -> Answer<Page> {
        self.ask(|connection| query::page(connection, filters, scope))
    }

    async fn count(
        &self,
        filters: &[Filter],
        cap: u64,
        registers: Option<HyperLogLog>,
        scope: &Scope,
    ) -> Answer<Count> {
        self.ask(|connection| query::count(connection, filters, cap, registers, scope))
    }

    async fn ids(&self, filter: &Filter, cap: usize, scope: &Scope) -> Answer<Vec<(Seconds, EventId)>> {
        let max = filter.limit().map_or(cap, |limit| limit.min(cap));
        self.ask(|connection| query::ids(connection, filter, max, scope))
    }

    async fn get_event(&self, id: &EventId) -> Answer<Option<StoredEvent>> {
        self.ask(|connection| {
            let sql = "SELECT seq, created_at, json FROM event WHERE id = ?";
            let found = connection.prepare_cached(sql)?.query_row((id.as_bytes(),), |row| {
                let json: String = row.get(2)?;
                let (seq, created_at) = (position(row.get(0)?), Seconds::new(row.get(1)?));
                Ok(StoredEvent { seq, id: *id, created_at, json: json.into() })
            });
            optional(found)
        })
    }

    async fn event_exists(&self, id: &EventId) -> Answer<bool> {
        self.ask(|connection| {
            let found = connection.prepare_cached("SELECT 1 FROM event WHERE id = ?")?.exists((id.as_bytes(),))?;
            Ok(found)
        })
    }

    async fn delete_event(&self, id: &EventId) -> Answer<bool> {
        let sql = "SELECT seq, json FROM event WHERE id = ?";
        self.write(|writer| Ok(writer.remove_selected(sql, (id.as_bytes(),), RemovalReason::Banned)? > 0))
    }

    async fn delete_by_filter(&self, filter: &Filter) -> Answer<u64> {
        let max = filter.limit().unwrap_or(usize::MAX);
        let found = self.ask(|connection| query::ids(connection, filter, max, &Scope::operator()))?;
        let sql = "SELECT seq, json FROM event WHERE id = ?";
        self.write(|writer| {
            let remove =
                |(_, id): &(Seconds, EventId)| writer.remove_selected(sql, (id.as_bytes(),), RemovalReason::Banned);
            found.iter().map(remove).sum()
        })
    }

    async fn sweep_expired(&self, now: Seconds, max: usize) -> Answer<u64> {
        let sql = "SELECT seq, json FROM event WHERE expires_at <= ? ORDER BY expires_at LIMIT ?";
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        if !self.ask(|connection| is_due(connection, now))? {
            return Ok(0);
        }
        self.write(|writer| writer.remove_selected(sql, (now.get(), max), RemovalReason::Expired))
    }

    async fn last_seq(&self) -> Answer<Seq> {
        self.ask(|connection| {
            Ok(connection.prepare_cached("SELECT last FROM journal")?.query_row([], |row| row.get(0).map(position))?)
        })
    }

    async fn events_after(&self, seq: Seq, max: usize) -> Answer<Vec<Entry>> {
        self.ask(|connection| entries(connection, seq, max))
    }

    async fn records(&self, kind: RecordKind) -> Answer<Vec<Record>> {
        self.ask(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT key, value FROM record WHERE kind = ? ORDER BY key")?;
            let read = |row: &rusqlite::Row<'_>| Ok(Record { key: row.get(0)?, value: row.get(1)? });
            Ok(statement.query_map((kind.as_str(),), read)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    async fn put_record(&self, kind: RecordKind, key: &str, value: Option<&str>) -> Answer<()> {
        let put =
            || {
                let group = self.database.group()?;
                match value {
                    Some(value) => group
                        .prepare_cached("INSERT OR REPLACE INTO record VALUES (?, ?, ?)")?
                        .execute((kind.as_str(), key, value))?,
                    None => group
                        .prepare_cached("DELETE FROM record WHERE kind = ? AND key = ?")?
                        .execute((kind.as_str(), key))?,
                };
                group.commit()
            };
        put().map_err(failed)
    }

    async fn job(&self, id: &EventId) -> Answer<Option<Job>> {
        self.ask(|connection| Stored(connection).job(id))
    }

    async fn jobs(&self, query: &JobQuery) -> Answer<Vec<Job>> {
        self.ask(|connection| jobs(connection, query))
    }

    async fn put_jobs(&self, jobs: Vec<Job>) -> Answer<()> {
        self.write(|writer| jobs.iter().try_for_each(|job| writer.write_job(job)))
    }

    async fn market_events(&self, seq: Seq, max: usize) -> Answer<Vec<(Seq, PreparedEvent)>> {
        self.ask(|connection| market_events(connection, seq, max))
    }

    async fn tallies(&self, day: i64) -> Answer<Vec<Tally>> {
        self.ask(|connection| tallies(connection, day))
    }

    async fn drop_removals(&self, upto: Seq, max: usize) -> Answer<u64> {
        let sql = "DELETE FROM removal WHERE seq IN (SELECT seq FROM removal WHERE seq <= ? ORDER BY seq LIMIT ?)";
        let bounds = (number(upto.get()), number(max as u64));
        self.write(|writer| writer.run_counted(sql, bounds))
    }
}

fn is_due(connection: &Connection, now: Seconds) -> Result<bool> {
    Ok(connection.prepare_cached("SELECT 1 FROM event WHERE expires_at <= ? LIMIT 1")?.exists((now.get(),))?)
}

/// Creations and removals, merged by position.
fn entries(connection: &Connection, after: Seq, max: usize) -> Result<Vec<Entry>> {
    let sql = "SELECT seq, json, NULL, NULL FROM event WHERE seq > ?1 \
               UNION ALL SELECT seq, NULL, id, reason FROM removal WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let (after, max) = (i64::try_from(after.get()).unwrap_or(i64::MAX), i64::try_from(max).unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((after, max))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = position(row.get(0)?);
        entries.push(match row.get::<_, Option<String>>(1)? {
            Some(json) => {
                let event = Arc::new(event(&json)?);
                let stored = StoredEvent { seq, id: event.id, created_at: event.created_at, json: json.into() };
                Entry::Created { stored, event }
            }
            None => Entry::Removed { seq, id: EventId::from_bytes(row.get(2)?), reason: reason(row.get(3)?)? },
        });
    }
    Ok(entries)
}

fn reason(number: i64) -> Result<RemovalReason> {
    use RemovalReason::{Banned, Deleted, Expired, Replaced, Vanished};
    let reasons = [Replaced, Deleted, Expired, Vanished, Banned];
    let known = reasons.into_iter().find(|reason| *reason as i64 == number);
    known.ok_or_else(|| Error::Damaged(format!("removal reason {number}")))
}

fn jobs(connection: &Connection, query: &JobQuery) -> Result<Vec<Job>> {
    let sql = "SELECT json FROM job WHERE created_at IS NOT NULL AND created_at <= ? ORDER BY created_at DESC, id";
    let newest = [query.until, query.after.map(|(at, _)| at)].into_iter().flatten().min().unwrap_or(Seconds::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((newest.get(),))?;
    let mut found = Vec::new();
    while found.len() < query.limit
        && let Some(row) = rows.next()?
    {
        let job = job(&row.get::<_, String>(0)?)?;
        if query.since.is_some_and(|since| job.request.as_ref().is_some_and(|request| request.created_at < since)) {
            break;
        }
        if query.matches(&job) {
            found.push(job);
        }
    }
    Ok(found)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn market_events(connection: &Connection, after: Seq, max: usize) -> Result<Vec<(Seq, PreparedEvent)>> {
    let sql = "SELECT seq, json, received_at, expires_at FROM event \
               WHERE seq > ? AND (kind BETWEEN 5000 AND 7000 OR kind = 5) ORDER BY seq LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((number(after.get()), number(max as u64)))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let event = Verified::by_operator(event(&row.get::<_, String>(1)?)?);
        let expires_at = row.get::<_, Option<i64>>(3)?.map(Seconds::new);
        events.push((position(row.get(0)?), PreparedEvent::new(event, Seconds::new(row.get(2)?), expires_at)));
    }
    Ok(events)
}

fn tallies(connection: &Connection, day: i64) -> Result<Vec<Tally>> {
    let sql = "SELECT day, kind, counter, amount FROM tally WHERE day >= ? ORDER BY day, kind, counter";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((day,))?;
    let mut tallies = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(2)?;
        let counter = Counter::parse(&name).ok_or_else(|| Error::Damaged(format!("counter {name:?}")))?;
        let amount = row.get::<_, i64>(3)?.unsigned_abs();
        tallies.push(Tally { day: row.get(0)?, kind: Kind::new(row.get(1)?), counter, amount });
    }
    Ok(tallies)
}
