//! The relay's store over D1.

use crate::{
    d1::{D1, Row, Statement, escaped, unescaped},
    plan::{Plan, replace_standings},
    query::{Columns, Query},
    snapshot::{Questions, Snapshot, event, position, seq},
};
use nexus_model::{Seq, Verified};
use nexus_nostr::{EventId, Filter, Kind, PublicKey, Seconds, nip::nip45::HyperLogLog};
use nexus_relay::{
    market::{Counter, Job, JobQuery, Mark, Measure, Standing, Tally},
    ports::{
        Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, RemovalReason, Scope, StorageAdapter,
        StorageError, StoredEvent,
    },
};
use serde_json::{Value, json};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

type Answer<T> = Result<T, StorageError>;

/// How often a write is tried that others overtake.
const ATTEMPTS: usize = 8;
/// How many jobs are looked at in one go.
const JOBS: usize = 200;

/// The relay's store in a D1 database that has the tables of [`SCHEMA`](crate::SCHEMA).
#[derive(Clone, Debug)]
pub struct D1Storage<D>(D);

impl<D: D1> D1Storage<D> {
    /// The store in this database.
    pub const fn new(database: D) -> Self {
        Self(database)
    }

    /// When the next event expires: then [`StorageAdapter::sweep_expired`] has something to do.
    ///
    /// # Errors
    /// If D1 fails.
    pub async fn next_expiry(&self) -> Answer<Option<Seconds>> {
        let sql = "SELECT CAST(min(expires_at) AS TEXT) AS next FROM event WHERE expires_at IS NOT NULL";
        let rows = self.ask(Statement::new(sql, &Value::Null)).await?;
        let next = rows.first().map(|row| row.optional_integer("next")).transpose()?.flatten();
        Ok(next.map(Seconds::new))
    }

    async fn ask(&self, statement: Statement) -> Answer<Vec<Row>> {
        let answers = self.0.batch(&[statement]).await?;
        answers.into_iter().next().ok_or(StorageError::Damaged("a batch answers each statement"))
    }

    /// Reads, plans, and writes unless someone else wrote meanwhile; then again.
    async fn write<T>(&self, questions: &[Statement], plan: impl Fn(&[Vec<Row>]) -> Answer<(Plan, T)>) -> Answer<T> {
        let mut overtaken = None;
        for _ in 0..ATTEMPTS {
            let (plan, result) = plan(&self.0.batch(questions).await?)?;
            if plan.is_empty() {
                return Ok(result);
            }
            match self.0.batch(&plan.statements()?).await {
                Ok(_) => return Ok(result),
                Err(error) if error.is_overtaken() => overtaken = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(overtaken.map_or(StorageError::TimedOut, StorageError::from))
    }

    /// Removes what `find` selects, each row as `remove` says.
    async fn remove(&self, find: Statement, remove: impl Fn(&mut Plan, &Row) -> Answer<()>) -> Answer<u64> {
        let questions = [Statement::new(Snapshot::POSITION, &Value::Null), find];
        let plan = |answers: &[Vec<Row>]| {
            let [last, found] = answers else { return Err(StorageError::Damaged("a batch answers each statement")) };
            let mut plan = Plan::at(position(last)?);
            for row in found {
                remove(&mut plan, row)?;
            }
            Ok((plan, found.len() as u64))
        };
        self.write(&questions, plan).await
    }

    /// At most `limit` events that match, in order, and whether there are more. A search may find more than it
    /// means: then more is asked for.
    async fn matching(&self, filter: &Filter, limit: usize, scope: &Scope) -> Answer<(Vec<StoredEvent>, bool)> {
        let mut asked = limit.saturating_add(1);
        loop {
            let rows = self.ask(Query::new(filter, scope).first(Columns::Event, asked)).await?;
            let is_all = rows.len() < asked;
            let mut found = rows.iter().map(|row| wanted(row, filter, scope)).filter_map(Result::transpose);
            let events: Vec<StoredEvent> = found.by_ref().take(limit).collect::<Answer<_>>()?;
            let more = found.next().transpose()?.is_some();
            if more || is_all {
                return Ok((events, more));
            }
            asked = asked.saturating_mul(4);
        }
    }

    /// Several filters, each event once: they can't be counted by the database alone.
    async fn count_events(&self, filters: &[Filter], cap: usize, scope: &Scope) -> Answer<BTreeMap<i64, PublicKey>> {
        let mut authors = BTreeMap::new();
        for filter in filters.iter().filter(|filter| !filter.is_impossible()) {
            if filter.search().is_some() {
                for found in self.matching(filter, cap, scope).await?.0 {
                    authors.insert(found.seq.get().cast_signed(), found.event()?.pubkey);
                }
            } else {
                let statement = Query::new(filter, scope).first(Columns::Author, cap);
                for row in self.ask(statement).await? {
                    authors.insert(row.integer("seq")?, row.parsed("pubkey")?);
                }
            }
        }
        Ok(authors)
    }
}

impl<D: D1> StorageAdapter for D1Storage<D> {
    async fn store_batch(&self, events: Vec<PreparedEvent>) -> Answer<Vec<Outcome>> {
        let plan = |answers: &[Vec<Row>]| {
            let mut plan = Plan::new(Snapshot::read(answers)?);
            let outcomes = events.iter().map(|event| plan.store(event)).collect();
            Ok((plan, outcomes))
        };
        self.write(&Questions::about(&events).statements(), plan).await
    }

    async fn query(&self, filters: &[Filter], scope: &Scope) -> Answer<Page> {
        let mut ordered = BTreeMap::new();
        let mut more = false;
        for filter in filters.iter().filter(|filter| !filter.is_impossible()) {
            let limit = filter.limit().unwrap_or(usize::MAX);
            let (found, has_more) = self.matching(filter, limit, scope).await?;
            more |= has_more;
            for (rank, found) in found.into_iter().enumerate() {
                let rank = if filter.search().is_some() { rank } else { usize::MAX };
                ordered.insert((rank, Reverse(found.created_at), found.id), found);
            }
        }
        let mut seen = HashSet::new();
        let events = ordered.into_values().filter(|found| seen.insert(found.id)).collect();
        Ok(Page { events, more, ..Page::default() })
    }

    async fn count(
        &self,
        filters: &[Filter],
        cap: u64,
        mut registers: Option<HyperLogLog>,
        scope: &Scope,
    ) -> Answer<Count> {
        let most = usize::try_from(cap).unwrap_or(usize::MAX).saturating_add(1);
        let (found, authors) = match filters {
            [filter] if filter.search().is_none() && !filter.is_impossible() => {
                let query = || Query::new(filter, scope);
                let mut batch = vec![query().count(most)];
                batch.extend(registers.is_some().then(|| query().authors(most)));
                let answers = self.0.batch(&batch).await?;
                let found = answers.first().and_then(|rows| rows.first()).map(|row| row.integer("count"));
                let authors = answers.get(1).into_iter().flatten().map(|row| row.parsed("pubkey"));
                (found.transpose()?.unwrap_or(0).unsigned_abs(), authors.collect::<Answer<Vec<PublicKey>>>()?)
            }
            _ => {
                let found = self.count_events(filters, most, scope).await?;
                (found.len() as u64, found.into_values().collect())
            }
        };
        if let Some(registers) = &mut registers {
            authors.iter().for_each(|author| registers.add(author));
        }
        Ok(Count { count: found.min(cap), capped: found > cap, registers })
    }

    async fn ids(&self, filter: &Filter, cap: usize, scope: &Scope) -> Answer<Vec<(Seconds, EventId)>> {
        let max = filter.limit().map_or(cap, |limit| limit.min(cap));
        if filter.is_impossible() {
            return Ok(Vec::new());
        }
        if filter.search().is_some() {
            let (found, _) = self.matching(filter, max, scope).await?;
            return Ok(found.iter().map(|found| (found.created_at, found.id)).collect());
        }
        let rows = self.ask(Query::new(filter, scope).first(Columns::Moment, max)).await?;
        rows.iter().map(|row| Ok((Seconds::new(row.integer("created_at")?), row.parsed("id")?))).collect()
    }

    async fn get_event(&self, id: &EventId) -> Answer<Option<StoredEvent>> {
        let rows = self.ask(Statement::new("SELECT seq, json FROM event WHERE id = ?1->>'$'", &json!(id))).await?;
        rows.first().map(stored).transpose()
    }

    async fn event_exists(&self, id: &EventId) -> Answer<bool> {
        Ok(!self.ask(Statement::new("SELECT seq FROM event WHERE id = ?1->>'$'", &json!(id))).await?.is_empty())
    }

    async fn delete_event(&self, id: &EventId) -> Answer<bool> {
        let find = Statement::new("SELECT seq, id FROM event WHERE id = ?1->>'$'", &json!(id));
        Ok(self.remove(find, ban).await? > 0)
    }

    async fn delete_by_filter(&self, filter: &Filter) -> Answer<u64> {
        let max = filter.limit().unwrap_or(usize::MAX);
        if filter.is_impossible() {
            return Ok(0);
        }
        let find = if filter.search().is_some() {
            let (found, _) = self.matching(filter, max, &Scope::operator()).await?;
            let ids: Vec<EventId> = found.iter().map(|found| found.id).collect();
            Query::new(&Filter::new().with_ids(ids), &Scope::operator()).first(Columns::Place, max)
        } else {
            Query::new(filter, &Scope::operator()).first(Columns::Place, max)
        };
        self.remove(find, ban).await
    }

    async fn sweep_expired(&self, now: Seconds, max: usize) -> Answer<u64> {
        let sql = "SELECT e.seq, e.id, coalesce(j.json, 'null') AS job FROM event e \
                   LEFT JOIN job j ON e.kind BETWEEN 5000 AND 5999 AND j.id = e.id \
                   WHERE e.expires_at <= ?1->>'$.now' ORDER BY e.expires_at LIMIT ?1->>'$.max'";
        let find = Statement::new(sql, &json!({ "now": now, "max": most(max) }));
        self.remove(find, expire).await
    }

    async fn last_seq(&self) -> Answer<Seq> {
        position(&self.ask(Statement::new(Snapshot::POSITION, &Value::Null)).await?)
    }

    async fn events_after(&self, after: Seq, max: usize) -> Answer<Vec<Entry>> {
        let bounds = json!({ "after": after.get(), "max": most(max) });
        let created = "SELECT seq, json FROM event WHERE seq > ?1->>'$.after' ORDER BY seq LIMIT ?1->>'$.max'";
        let removed = "SELECT seq, id, reason FROM removal WHERE seq > ?1->>'$.after' ORDER BY seq LIMIT ?1->>'$.max'";
        let answers = self.0.batch(&[Statement::new(created, &bounds), Statement::new(removed, &bounds)]).await?;
        let [created, removed] = answers.as_slice() else {
            return Err(StorageError::Damaged("a batch answers each statement"));
        };
        let entries = created.iter().map(creation).chain(removed.iter().map(removal));
        let mut entries = entries.collect::<Answer<Vec<Entry>>>()?;
        entries.sort_unstable_by_key(Entry::seq);
        entries.truncate(max);
        Ok(entries)
    }

    async fn records(&self, kind: RecordKind) -> Answer<Vec<Record>> {
        let sql = "SELECT key, value FROM record WHERE kind = ?1->>'$'";
        let rows = self.ask(Statement::new(sql, &json!(kind.as_str()))).await?;
        let read = |row: &Row| Ok(Record { key: unescaped(row.text("key")?)?, value: unescaped(row.text("value")?)? });
        let mut records = rows.iter().map(read).collect::<Answer<Vec<Record>>>()?;
        records.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(records)
    }

    async fn put_record(&self, kind: RecordKind, key: &str, value: Option<&str>) -> Answer<()> {
        let sql = match value {
            Some(_) => "INSERT OR REPLACE INTO record VALUES (?1->>0, ?1->>1, ?1->>2)",
            None => "DELETE FROM record WHERE kind = ?1->>0 AND key = ?1->>1",
        };
        let parameter = json!([kind.as_str(), escaped(key), value.map(escaped)]);
        self.ask(Statement::new(sql, &parameter)).await.map(drop)
    }

    async fn job(&self, id: &EventId) -> Answer<Option<Job>> {
        let rows = self.ask(Statement::new("SELECT json FROM job WHERE id = ?1->>'$'", &json!(id))).await?;
        rows.first().map(|row| row.json("json")).transpose()
    }

    async fn jobs(&self, query: &JobQuery) -> Answer<Vec<Job>> {
        let mut found = Vec::new();
        let mut after = query.after;
        loop {
            let rows = self.ask(job_page(query, after)).await?;
            let jobs = rows.iter().map(|row| row.json("json")).collect::<Answer<Vec<Job>>>()?;
            let last = jobs.last().and_then(|job| Some((job.request.as_ref()?.created_at, job.id)));
            let is_all = jobs.len() < JOBS;
            found.extend(jobs.into_iter().filter(|job| query.matches(job)).take(query.limit - found.len()));
            if is_all || found.len() == query.limit {
                return Ok(found);
            }
            after = last;
        }
    }

    async fn put_jobs(&self, jobs: Vec<Job>) -> Answer<()> {
        let plan = |answers: &[Vec<Row>]| {
            let last = answers.first().ok_or(StorageError::Damaged("a batch answers each statement"))?;
            let mut plan = Plan::at(position(last)?);
            jobs.iter().cloned().for_each(|job| plan.put_job(job));
            Ok((plan, ()))
        };
        self.write(&[Statement::new(Snapshot::POSITION, &Value::Null)], plan).await
    }

    async fn market_events(&self, after: Seq, max: usize) -> Answer<Vec<(Seq, PreparedEvent)>> {
        let sql = "SELECT seq, json, received_at, CAST(expires_at AS TEXT) AS expires_at FROM event \
                   WHERE seq > ?1->>'$.after' AND (kind BETWEEN 5000 AND 7000 OR kind = 5) \
                   ORDER BY seq LIMIT ?1->>'$.max'";
        let rows = self.ask(Statement::new(sql, &json!({ "after": after.get(), "max": most(max) }))).await?;
        let read = |row: &Row| {
            let received_at = Seconds::new(row.integer("received_at")?);
            let expires_at = row.optional_integer("expires_at")?.map(Seconds::new);
            Ok((seq(row)?, PreparedEvent::new(Verified::by_operator(event(row)?), received_at, expires_at)))
        };
        rows.iter().map(read).collect()
    }

    async fn tallies(&self, day: i64) -> Answer<Vec<Tally>> {
        let sql = "SELECT day, kind, counter, CAST(amount AS TEXT) AS amount FROM tally WHERE day >= ?1->>'$' \
                   ORDER BY day, kind, counter";
        let rows = self.ask(Statement::new(sql, &json!(day))).await?;
        let read = |row: &Row| {
            let kind = u16::try_from(row.integer("kind")?).map_err(|_| StorageError::Damaged("a kind"))?;
            let counter = Counter::parse(row.text("counter")?).ok_or(StorageError::Damaged("a counter"))?;
            let amount = row.integer("amount")?.unsigned_abs();
            Ok(Tally { day: row.integer("day")?, kind: Kind::new(kind), counter, amount })
        };
        rows.iter().map(read).collect()
    }

    async fn standing(&self, provider: &PublicKey) -> Answer<Standing> {
        let sql = "SELECT measure, CAST(amount AS TEXT) AS amount FROM standing WHERE pubkey = ?1->>'$'";
        let mut standing = Standing::default();
        for row in self.ask(Statement::new(sql, &json!(provider))).await? {
            let measure = Measure::parse(row.text("measure")?).ok_or(StorageError::Damaged("a measure"))?;
            standing.add(measure, row.integer("amount")?);
        }
        Ok(standing)
    }

    async fn put_standings(&self, marks: Vec<Mark>) -> Answer<()> {
        self.0.batch(&replace_standings(marks)?).await?;
        Ok(())
    }

    async fn drop_removals(&self, upto: Seq, max: usize) -> Answer<u64> {
        let sql = "DELETE FROM removal WHERE seq IN (SELECT seq FROM removal WHERE seq <= ?1->>'$.upto' \
                   ORDER BY seq LIMIT ?1->>'$.max') RETURNING seq";
        let rows = self.ask(Statement::new(sql, &json!({ "upto": upto.get(), "max": most(max) }))).await?;
        Ok(rows.len() as u64)
    }
}

/// A limit that is exact on its way through JSON and SQLite.
fn most(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

/// Removes the event of a row at the operator's wish.
fn ban(plan: &mut Plan, row: &Row) -> Answer<()> {
    plan.remove(seq(row)?, row.parsed("id")?, RemovalReason::Banned);
    Ok(())
}

/// Removes the event of a row that has expired, and counts its job if nobody did it.
fn expire(plan: &mut Plan, row: &Row) -> Answer<()> {
    plan.remove(seq(row)?, row.parsed("id")?, RemovalReason::Expired);
    let job: Option<Job> = row.json("job")?;
    job.as_ref().and_then(Tally::expired).into_iter().for_each(|tally| plan.count(tally));
    Ok(())
}

/// The event of a row, if it is what was meant and may be seen.
fn wanted(row: &Row, filter: &Filter, scope: &Scope) -> Answer<Option<StoredEvent>> {
    let event = event(row)?;
    if filter.matches(&event) && scope.allows(&event) { stored(row).map(Some) } else { Ok(None) }
}

fn stored(row: &Row) -> Answer<StoredEvent> {
    let event = event(row)?;
    Ok(StoredEvent { seq: seq(row)?, id: event.id, created_at: event.created_at, json: row.text("json")?.into() })
}

fn creation(row: &Row) -> Answer<Entry> {
    Ok(Entry::Created { stored: stored(row)?, event: Arc::new(event(row)?) })
}

fn removal(row: &Row) -> Answer<Entry> {
    use RemovalReason::{Banned, Deleted, Expired, Replaced, Vanished};
    let number = row.integer("reason")?;
    let reason = [Replaced, Deleted, Expired, Vanished, Banned].into_iter().find(|reason| *reason as i64 == number);
    let reason = reason.ok_or(StorageError::Damaged("a removal's reason"))?;
    Ok(Entry::Removed { seq: seq(row)?, id: row.parsed("id")?, reason })
}

/// The next jobs that may be asked for, whatever their kind and state; of a provider, whoever their customer is. They
/// are found by an index in the order in which they are wanted.
fn job_page(query: &JobQuery, after: Option<(Seconds, EventId)>) -> Statement {
    let (source, of_whom) = match (&query.provider, &query.customer) {
        (Some(_), _) => ("job_provider x CROSS JOIN job j ON j.id = x.id", "x.pubkey = ?1->>'$.whom' AND"),
        (None, Some(_)) => ("job x", "x.customer = ?1->>'$.whom' AND"),
        (None, None) => ("job x", ""),
    };
    let at = after.map_or(Seconds::MAX, |(at, _)| at);
    let sql = format!(
        "SELECT json FROM {source} WHERE {of_whom} x.created_at >= ?1->>'$.oldest' AND x.created_at <= ?1->>'$.newest' \
         AND (x.created_at < ?1->>'$.at' OR x.id > ?1->>'$.id') ORDER BY x.created_at DESC, x.id LIMIT ?1->>'$.max'"
    );
    let parameter = json!({
        "whom": query.provider.or(query.customer),
        "oldest": query.since.map_or(i64::MIN, Seconds::get),
        "newest": query.until.map_or(at, |until| until.min(at)),
        "at": at,
        "id": after.map_or_else(String::new, |(_, id)| id.to_string()),
        "max": JOBS,
    });
    Statement::new(sql, &parameter)
}
