//! The relay's port over the file and its index.

use super::{
    SqliteStorage,
    draft::Draft,
    failed,
    index::{EXPIRY, Snapshot, age},
    jobs::JobsQuestion,
    known::job_of,
    query::{CountQuestion, IdsQuestion, PageQuestion, PlacesQuestion},
    readers::{AtOnce, Budget},
    rows::{self, number, position},
    standing,
    write::Writer,
};
use crate::{Error, Result};
use nexus_model::{Seq, Verified};
use nexus_nostr::{EventId, Filter, Kind, PublicKey, Seconds, nip::nip45::HyperLogLog};
use nexus_relay::{
    market::{Counter, Job, JobQuery, Mark, Standing, Tally},
    ports::{
        Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, RemovalReason, Scope, StorageAdapter,
        StorageError, StoredEvent, Viewer,
    },
};
use rusqlite::Connection;
use std::sync::Arc;

type Answer<T> = std::result::Result<T, StorageError>;

/// How many events are removed in one transaction.
const REMOVE_AT_ONCE: usize = 500;

impl SqliteStorage {
    /// Asks what one look at a snapshot can tell.
    async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &Snapshot) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        self.readers.ask(AtOnce::new(read), Budget::Unlimited).await
    }

    /// Removes events in portions, if `concerned` still agrees, and gives their number.
    async fn remove(
        &self,
        places: Vec<u64>,
        reason: RemovalReason,
        concerned: impl Fn(Option<Seconds>, &nexus_nostr::Event) -> bool + Clone + Send + 'static,
    ) -> Answer<u64> {
        let mut removed = 0;
        for portion in places.chunks(REMOVE_AT_ONCE) {
            let (portion, concerned) = (portion.to_vec(), concerned.clone());
            let work = move |writer: &mut Writer<'_>| writer.remove_all(&portion, reason, concerned);
            removed += self.queue.write(REMOVE_AT_ONCE, work).await?;
        }
        Ok(removed)
    }
}

impl StorageAdapter for SqliteStorage {
    async fn store_batch(&self, events: Vec<PreparedEvent>) -> Answer<Vec<Outcome>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let drafts: Vec<Draft> = events.into_iter().map(Draft::new).collect();
        let weight = drafts.len();
        self.queue.write(weight, move |writer| drafts.iter().map(|draft| writer.store(draft)).collect()).await
    }

    async fn query(&self, filters: &[Filter], scope: &Scope) -> Answer<Page> {
        self.query_within(filters, scope, usize::MAX).await
    }

    async fn query_within(&self, filters: &[Filter], scope: &Scope, bytes: usize) -> Answer<Page> {
        let question = PageQuestion::new(filters, scope, Arc::clone(&self.core.near), bytes);
        self.readers.ask(question, budget(scope)).await
    }

    async fn count(
        &self,
        filters: &[Filter],
        cap: u64,
        registers: Option<HyperLogLog>,
        scope: &Scope,
    ) -> Answer<Count> {
        self.readers.ask(CountQuestion::new(filters, cap, registers, scope), budget(scope)).await
    }

    async fn ids(&self, filter: &Filter, cap: usize, scope: &Scope) -> Answer<Vec<(Seconds, EventId)>> {
        let max = filter.limit().map_or(cap, |limit| limit.min(cap));
        self.readers.ask(IdsQuestion::new(filter, max, scope), budget(scope)).await
    }

    async fn get_event(&self, id: &EventId) -> Answer<Option<StoredEvent>> {
        let id = *id;
        self.ask(move |connection, index| match index.find(&id)? {
            Some(seq) => Ok(rows::with(connection, seq, |_, json| stored(seq, json))?.filter(|found| found.id == id)),
            None => Ok(None),
        })
        .await
    }

    async fn event_exists(&self, id: &EventId) -> Answer<bool> {
        let found = self.core.index.snapshot().find(id);
        found.map(|seq| seq.is_some()).map_err(|error| failed(&Arc::new(error)))
    }

    async fn delete_event(&self, id: &EventId) -> Answer<bool> {
        let id = *id;
        let place = self.core.index.snapshot().find(&id).map_err(|error| failed(&Arc::new(error)))?;
        let places = place.into_iter().collect();
        Ok(self.remove(places, RemovalReason::Banned, move |_, event| event.id == id).await? > 0)
    }

    async fn delete_by_filter(&self, filter: &Filter) -> Answer<u64> {
        let max = filter.limit().unwrap_or(usize::MAX);
        let places = self.readers.ask(PlacesQuestion::new(filter, max), Budget::Unlimited).await?;
        self.remove(places, RemovalReason::Banned, |_, _| true).await
    }

    async fn sweep_expired(&self, now: Seconds, max: usize) -> Answer<u64> {
        let places = self.ask(move |_, index| expired(index, now, max)).await?;
        let is_over = move |expires_at: Option<Seconds>, _: &_| expires_at.is_some_and(|end| end <= now);
        let removed = self.remove(places, RemovalReason::Expired, is_over).await?;
        let purged = self.core.index.take_purged(max);
        self.queue.write(1, move |writer| writer.forget_gone(&purged)).await?;
        self.readers.scrub();
        Ok(removed)
    }

    async fn last_seq(&self) -> Answer<Seq> {
        Ok(Seq::new(self.core.index.snapshot().last()))
    }

    async fn events_after(&self, seq: Seq, max: usize) -> Answer<Vec<Entry>> {
        let at_hand = self.core.tail().after(seq, max);
        match at_hand {
            Some(entries) => Ok(entries),
            None => self.ask(move |connection, _| entries(connection, seq, max)).await,
        }
    }

    async fn records(&self, kind: RecordKind) -> Answer<Vec<Record>> {
        self.ask(move |connection, _| {
            let mut statement =
                connection.prepare_cached("SELECT key, value FROM record WHERE kind = ? ORDER BY key")?;
            let read = |row: &rusqlite::Row<'_>| Ok(Record { key: row.get(0)?, value: row.get(1)? });
            Ok(statement.query_map((kind.as_str(),), read)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn put_record(&self, kind: RecordKind, key: &str, value: Option<&str>) -> Answer<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        let put = move |writer: &mut Writer<'_>| match value {
            Some(value) => writer.run("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", (kind.as_str(), key, value)),
            None => writer.run("DELETE FROM record WHERE kind = ? AND key = ?", (kind.as_str(), key)),
        };
        self.queue.write(1, put).await
    }

    async fn job(&self, id: &EventId) -> Answer<Option<Job>> {
        let id = *id;
        self.ask(move |connection, _| job_of(connection, &id)).await
    }

    async fn jobs(&self, query: &JobQuery) -> Answer<Vec<Job>> {
        self.readers.ask(JobsQuestion::new(query), Budget::Usual).await
    }

    async fn put_jobs(&self, jobs: Vec<Job>) -> Answer<()> {
        self.queue.write(jobs.len(), move |writer| jobs.iter().try_for_each(|job| writer.write_job(job))).await
    }

    async fn market_events(&self, seq: Seq, max: usize) -> Answer<Vec<(Seq, PreparedEvent)>> {
        self.ask(move |connection, _| market_events(connection, seq, max)).await
    }

    async fn tallies(&self, day: i64) -> Answer<Vec<Tally>> {
        self.ask(move |connection, _| tallies(connection, day)).await
    }

    async fn bytes(&self) -> Answer<u64> {
        let core = self.core.clone();
        let size = move |_: &Connection, _: &Snapshot| Ok(core.database.size()? + core.index.size()?);
        self.ask(size).await
    }

    async fn standing(&self, provider: &PublicKey) -> Answer<Standing> {
        let provider = *provider;
        self.ask(move |connection, _| standing::read(connection, &provider)).await
    }

    async fn put_standings(&self, marks: Vec<Mark>) -> Answer<()> {
        self.queue.write(marks.len(), move |writer| writer.replace_standings(marks)).await
    }

    async fn drop_removals(&self, upto: Seq, max: usize) -> Answer<u64> {
        let sql = "DELETE FROM removal WHERE seq IN (SELECT seq FROM removal WHERE seq <= ? ORDER BY seq LIMIT ?)";
        let bounds = (number(upto.get()), number(max as u64));
        let dropped = self.queue.write(1, move |writer| writer.run_counted(sql, bounds)).await?;
        self.core.tail().forget(upto);
        Ok(dropped)
    }
}

fn budget(scope: &Scope) -> Budget {
    if scope.viewer == Viewer::Operator { Budget::Unlimited } else { Budget::Usual }
}

fn stored(seq: u64, json: &str) -> Result<StoredEvent> {
    let event = rows::parse(json)?;
    Ok(StoredEvent { seq: Seq::new(seq), id: event.id, created_at: event.created_at, json: json.into() })
}

/// Where at most `max` events are that have expired by `now`.
fn expired(index: &Snapshot, now: Seconds, max: usize) -> Result<Vec<u64>> {
    let mut walk = index.walk([EXPIRY], (age(now), u64::MAX))?;
    let mut places = Vec::new();
    while places.len() < max
        && let Some(entry) = walk.next()?
    {
        places.push(entry.seq());
    }
    Ok(places)
}

/// Creations and removals, merged by position.
fn entries(connection: &Connection, after: Seq, max: usize) -> Result<Vec<Entry>> {
    let sql = "SELECT seq, json, NULL, NULL FROM event WHERE seq > ?1 \
               UNION ALL SELECT seq, NULL, id, reason FROM removal WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((number(after.get()), number(max as u64)))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = position(row.get(0)?);
        entries.push(match row.get::<_, Option<String>>(1)? {
            Some(json) => {
                let event = Arc::new(rows::parse(&json)?);
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

fn market_events(connection: &Connection, after: Seq, max: usize) -> Result<Vec<(Seq, PreparedEvent)>> {
    // Canonical JSON has the kind before anything that its author chose.
    let sql = "SELECT seq, json, received_at, expires_at FROM \
               (SELECT *, CAST(substr(json, instr(json, ',\"kind\":') + 8, 5) AS INTEGER) AS kind FROM event) \
               WHERE seq > ? AND (kind BETWEEN 5000 AND 7000 OR kind = 5) ORDER BY seq LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((number(after.get()), number(max as u64)))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let event = Verified::by_operator(rows::parse(&row.get::<_, String>(1)?)?);
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
