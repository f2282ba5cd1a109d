//! Decisions as one batch: D1 has no interactive transactions, so all that is read is read first, the same rules
//! decide, and what they decided is written on the condition that nobody else wrote meanwhile.

use crate::{
    d1::{Statement, escaped},
    snapshot::{Snapshot, address},
};
use nexus_model::Seq;
use nexus_nostr::{
    Event, EventId, PublicKey, Seconds,
    nip::{nip09::Address, nip50, nip59},
};
use nexus_relay::{
    decide::{Decision, Effects, Row, Tombstone, decide},
    market::{self, Counter, Job, Mark, Standing, Tally},
    ports::{Outcome, PreparedEvent, RemovalReason, StorageError},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The condition, and the first statement of each batch.
const MOVE: &str = "UPDATE journal SET last = CASE WHEN last = ?1->>'$.from' THEN ?1->>'$.to' END";
const OUTLAST: &str = "INSERT OR REPLACE INTO expired_address SELECT kind, pubkey, d, created_at FROM event \
    WHERE seq IN (SELECT value FROM json_each(?1)) AND d IS NOT NULL";
const UNWORD: &str = "DELETE FROM words WHERE rowid IN (SELECT value FROM json_each(?1))";
const UNTAG: &str = "DELETE FROM tag WHERE seq IN (SELECT value FROM json_each(?1))";
const REMOVE: &str = "DELETE FROM event WHERE seq IN (SELECT value FROM json_each(?1))";
const NOTE: &str = "INSERT INTO removal SELECT value->>0, value->>1, value->>2 FROM json_each(?1)";
const INSERT: &str = "INSERT INTO event SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, \
    value->>6, value->>7, value->>8 FROM json_each(?1)";
const TAG: &str = "INSERT OR IGNORE INTO tag SELECT value->>0, value->>1, value->>2, value->>3, value->>4 \
    FROM json_each(?1)";
const WORD: &str = "INSERT INTO words (rowid, text) SELECT value->>0, value->>1 FROM json_each(?1)";
const BURY: &str = "INSERT OR IGNORE INTO deleted_event SELECT value->>0, value->>1 FROM json_each(?1)";
const BURY_ADDRESS: &str = "INSERT INTO deleted_address SELECT value->>'$.at.kind', value->>'$.at.pubkey', \
    value->>'$.at.d', value->>'$.until' FROM json_each(?1) WHERE true \
    ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
const VANISH: &str = "INSERT INTO vanished SELECT value->>0, value->>1 FROM json_each(?1) WHERE true \
    ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
const FORGET_PROVIDERS: &str = "DELETE FROM job_provider WHERE id IN (SELECT value FROM json_each(?1))";
const FORGET_JOB: &str = "DELETE FROM job WHERE id IN (SELECT value FROM json_each(?1))";
const JOB: &str = "INSERT INTO job SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?1)";
const PROVIDER: &str = "INSERT INTO job_provider SELECT value->>0, value->>1, value->>2 FROM json_each(?1)";
const COUNT: &str = "INSERT INTO tally SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?1) WHERE true \
    ON CONFLICT DO UPDATE SET amount = CASE WHEN counter GLOB 'customers_*' OR counter GLOB 'providers_*' \
    THEN max(amount, excluded.amount) ELSE amount + excluded.amount END";
const FORGET_STANDING: &str = "DELETE FROM standing WHERE pubkey IN (SELECT value FROM json_each(?1))";
const STAND: &str = "INSERT INTO standing SELECT value->>0, value->>1, value->>2 FROM json_each(?1) WHERE true \
    ON CONFLICT DO UPDATE SET amount = CASE measure WHEN 'last_seen' THEN max(amount, excluded.amount) \
    ELSE amount + excluded.amount END";

/// Changes on top of a snapshot, not yet written.
#[derive(Debug)]
pub(crate) struct Plan {
    from: Seq,
    known: Snapshot,
    gone: HashSet<Seq>,
    /// Those of them that have expired.
    expired: Vec<Seq>,
    removals: Vec<(Seq, EventId, RemovalReason)>,
    inserted: BTreeMap<Seq, PreparedEvent>,
    buried: Vec<(EventId, PublicKey)>,
    buried_addresses: Vec<(Address, Seconds)>,
    vanished: Vec<(PublicKey, Seconds)>,
    /// `None` for those that are forgotten.
    jobs: BTreeMap<EventId, Option<Job>>,
    tallies: BTreeMap<(i64, u16, Counter), u64>,
    /// What is added to how providers' jobs went.
    standings: BTreeMap<PublicKey, Standing>,
    /// Providers of whom nothing is known any more, but what is added after.
    forgotten: BTreeSet<PublicKey>,
}

impl Plan {
    /// No changes on top of `known`.
    pub(crate) fn new(known: Snapshot) -> Self {
        Self {
            from: known.last,
            known,
            gone: HashSet::new(),
            expired: Vec::new(),
            removals: Vec::new(),
            inserted: BTreeMap::new(),
            buried: Vec::new(),
            buried_addresses: Vec::new(),
            vanished: Vec::new(),
            jobs: BTreeMap::new(),
            tallies: BTreeMap::new(),
            standings: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        }
    }

    /// No changes on top of a store whose journal stands at `last`.
    pub(crate) fn at(last: Seq) -> Self {
        Self::new(Snapshot::at(last))
    }

    /// True if there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.from == self.known.last && self.jobs.is_empty()
    }

    /// Decides about one event, on top of those before it.
    pub(crate) fn store(&mut self, prepared: &PreparedEvent) -> Outcome {
        let Ok(decision) = decide(&self.known, prepared);
        match decision {
            Decision::Leave(outcome) => outcome,
            Decision::Store(effects) => {
                self.apply(prepared.event(), effects);
                Outcome::Stored(self.insert(prepared))
            }
        }
    }

    /// Removes the event at a position, once.
    pub(crate) fn remove(&mut self, seq: Seq, id: EventId, reason: RemovalReason) {
        if self.gone.insert(seq) {
            self.inserted.remove(&seq);
            self.known.remove(&id);
            self.expired.extend((reason == RemovalReason::Expired).then_some(seq));
            let at = self.advance();
            self.removals.push((at, id, reason));
        }
    }

    /// Writes a job over that of the same request.
    pub(crate) fn put_job(&mut self, job: Job) {
        self.known.jobs.insert(job.id, job.clone());
        self.jobs.insert(job.id, Some(job));
    }

    fn advance(&mut self) -> Seq {
        self.known.last = self.known.last.next();
        self.known.last
    }

    fn insert(&mut self, prepared: &PreparedEvent) -> Seq {
        let seq = self.advance();
        self.known.insert(Row { seq, event: prepared.event().clone() });
        self.inserted.insert(seq, prepared.clone());
        seq
    }

    fn apply(&mut self, event: &Event, effects: Effects) {
        for (row, reason) in effects.removed {
            self.remove(row.seq, row.event.id, reason);
        }
        for tombstone in effects.tombstones {
            self.bury(tombstone);
        }
        for job in effects.jobs {
            self.put_job(job);
        }
        effects.tallies.into_iter().for_each(|tally| self.count(tally));
        self.mark(effects.marks);
        if let Some((author, until)) = effects.vanished {
            self.vanish(&event.id, author, until);
        }
    }

    /// Adds to what the market counted.
    pub(crate) fn count(&mut self, Tally { day, kind, counter, amount }: Tally) {
        let known = self.tallies.entry((day, kind.get(), counter)).or_default();
        *known = counter.joined(*known, amount);
    }

    fn mark(&mut self, marks: Vec<Mark>) {
        for mark in marks {
            self.standings.entry(mark.provider).or_default().add(mark.measure, mark.amount);
        }
    }

    fn bury(&mut self, tombstone: Tombstone) {
        match tombstone {
            Tombstone::Event { id, author } => {
                self.known.delete(id, author);
                self.buried.push((id, author));
            }
            Tombstone::Address { address, until } => {
                self.known.delete_address(address.clone(), until);
                self.buried_addresses.push((address, until));
            }
        }
    }

    /// What is stored goes, and what was to be stored together with the request.
    fn vanish(&mut self, request: &EventId, author: PublicKey, until: Seconds) {
        self.known.vanish(author, until);
        self.vanished.push((author, until));
        let concerned = |event: &Event| {
            event.created_at <= until
                && (event.pubkey == author || event.kind.is_gift_wrap() && nip59::is_recipient(event, &author))
        };
        let new = self.inserted.iter().filter(|(_, prepared)| concerned(prepared.event()));
        let new = new.map(|(seq, prepared)| (*seq, prepared.event().id));
        let victims: Vec<_> = self.known.victims(request).iter().copied().chain(new).collect();
        for (seq, id) in victims {
            self.remove(seq, id, RemovalReason::Vanished);
        }
        self.forget_jobs(&author);
    }

    fn forget_jobs(&mut self, author: &PublicKey) {
        let asked = |job: &Job| job.request.as_ref().is_some_and(|request| request.customer == *author);
        let concerned = |job: &&Job| asked(job) || job.providers.contains_key(author);
        let jobs: Vec<Job> = self.known.jobs.values().filter(concerned).cloned().collect();
        for mut job in jobs {
            if asked(&job) {
                self.mark(market::marks(Some(&job), None));
                self.known.jobs.remove(&job.id);
                self.jobs.insert(job.id, None);
            } else {
                job.forget_provider(author);
                self.put_job(job);
            }
        }
        self.standings.remove(author);
        self.forgotten.insert(*author);
    }

    /// The batch that writes everything, or nothing if the journal has moved.
    pub(crate) fn statements(&self) -> Result<Vec<Statement>, StorageError> {
        let condition = json!({ "from": self.from.get(), "to": self.known.last.get() });
        let mut batch = vec![Statement::new(MOVE, &condition)];
        self.removing(&mut batch)?;
        self.inserting(&mut batch)?;
        self.remembering(&mut batch)?;
        self.working(&mut batch)?;
        Ok(batch)
    }

    fn removing(&self, batch: &mut Vec<Statement>) -> Result<(), StorageError> {
        let stored = self.gone.iter().map(|seq| seq.get()).filter(|seq| *seq <= self.from.get());
        let stored: Vec<u64> = stored.collect();
        batch.extend(Statement::over(OUTLAST, self.expired.iter().map(|seq| seq.get()))?);
        for sql in [UNWORD, UNTAG, REMOVE] {
            batch.extend(Statement::over(sql, &stored)?);
        }
        let removals = self.removals.iter().map(|(seq, id, reason)| (seq.get(), id, *reason as i64));
        batch.extend(Statement::over(NOTE, removals)?);
        Ok(())
    }

    fn inserting(&self, batch: &mut Vec<Statement>) -> Result<(), StorageError> {
        batch.extend(Statement::over(INSERT, self.inserted.iter().map(columns))?);
        let tags = self.inserted.iter().flat_map(|(seq, prepared)| tags(*seq, prepared.event()));
        batch.extend(Statement::over(TAG, tags)?);
        let words = self.inserted.iter().filter_map(|(seq, prepared)| {
            let text = nip50::searchable(prepared.event())?;
            Some((seq.get(), nip50::words(&text).join(" ")))
        });
        batch.extend(Statement::over(WORD, words)?);
        Ok(())
    }

    fn remembering(&self, batch: &mut Vec<Statement>) -> Result<(), StorageError> {
        batch.extend(Statement::over(BURY, &self.buried)?);
        let addresses = self.buried_addresses.iter().map(|(at, until)| json!({ "at": address(at), "until": until }));
        batch.extend(Statement::over(BURY_ADDRESS, addresses)?);
        batch.extend(Statement::over(VANISH, &self.vanished)?);
        Ok(())
    }

    fn working(&self, batch: &mut Vec<Statement>) -> Result<(), StorageError> {
        batch.extend(Statement::over(FORGET_PROVIDERS, self.jobs.keys())?);
        batch.extend(Statement::over(FORGET_JOB, self.jobs.keys())?);
        let kept: Vec<&Job> = self.jobs.values().flatten().collect();
        let rows: Result<Vec<Value>, _> = kept.iter().map(|job| job_columns(job)).collect();
        batch.extend(Statement::over(JOB, rows?)?);
        let providers = kept.iter().flat_map(|job| {
            let created_at = job.request.as_ref().map(|request| request.created_at);
            job.providers.keys().map(move |provider| (provider, job.id, created_at))
        });
        batch.extend(Statement::over(PROVIDER, providers)?);
        let tallies = self.tallies.iter().map(|((day, kind, counter), amount)| {
            (day, kind, counter.name(), i64::try_from(*amount).unwrap_or(i64::MAX / 2))
        });
        batch.extend(Statement::over(COUNT, tallies)?);
        batch.extend(Statement::over(FORGET_STANDING, &self.forgotten)?);
        let marks = self.standings.iter().flat_map(|(provider, standing)| standing.marks(*provider));
        batch.extend(stand(marks)?);
        Ok(())
    }
}

/// The statements that add to how providers' jobs went.
fn stand(marks: impl IntoIterator<Item = Mark>) -> Result<Vec<Statement>, StorageError> {
    let rows = marks.into_iter().map(|mark| (mark.provider, mark.measure.name(), mark.amount));
    Statement::over(STAND, rows)
}

/// The batch that writes how all providers' jobs went, in place of what is known.
pub(crate) fn replace_standings(marks: Vec<Mark>) -> Result<Vec<Statement>, StorageError> {
    let forget = Statement::new("DELETE FROM standing", &Value::Null);
    Ok(std::iter::once(forget).chain(stand(marks)?).collect())
}

fn columns((seq, prepared): (&Seq, &PreparedEvent)) -> Value {
    let event = prepared.event();
    json!([
        seq.get(),
        event.id,
        event.pubkey,
        event.kind,
        event.created_at,
        prepared.received_at(),
        prepared.expires_at(),
        event.version_key().map(escaped),
        event.to_json(),
    ])
}

fn tags(seq: Seq, event: &Event) -> impl Iterator<Item = Value> + '_ {
    event.tags.indexed().map(move |(name, value)| {
        json!([char::from(name.letter()).to_string(), escaped(value), event.created_at, event.id, seq.get()])
    })
}

fn job_columns(job: &Job) -> Result<Value, StorageError> {
    let json = serde_json::to_string(job).map_err(|_| StorageError::Damaged("a job is no JSON"))?;
    let request = job.request.as_ref();
    let (created_at, customer) = (request.map(|request| request.created_at), request.map(|request| request.customer));
    Ok(json!([job.id, created_at, customer, json]))
}
