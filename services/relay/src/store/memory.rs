//! Everything in ordered maps behind one lock. Queries look at every event in order: slow, and obviously right.

use super::query;
use crate::{
    decide::{Decision, Effects, Known, Row, Tombstone, decide},
    market::{self, Counter, Job, JobQuery, Mark, Standing, Tally, is_of_the_market},
    ports::{
        Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, RemovalReason, Scope, StorageAdapter,
        StorageError, StoredEvent,
    },
};
use nexus_model::{Seq, Verified};
use nexus_nostr::{
    Event, EventId, Filter, Kind, PublicKey, Seconds,
    nip::{nip09::Address, nip45::HyperLogLog, nip59},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

/// A store that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStorage(Mutex<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    last: Seq,
    /// The newest first, of one second the lowest id first.
    pub(super) by_time: BTreeMap<(Reverse<Seconds>, EventId), Kept>,
    ids: HashMap<EventId, (Reverse<Seconds>, EventId)>,
    by_seq: BTreeMap<Seq, EventId>,
    versions: HashMap<Address, EventId>,
    removals: BTreeMap<Seq, (EventId, RemovalReason)>,
    deleters: HashMap<EventId, Vec<PublicKey>>,
    deleted: HashMap<Address, Seconds>,
    expired: HashMap<Address, Seconds>,
    vanished: HashMap<PublicKey, Seconds>,
    records: BTreeMap<(RecordKind, String), String>,
    jobs: HashMap<EventId, Job>,
    tallies: BTreeMap<(i64, Kind, Counter), u64>,
    standings: HashMap<PublicKey, Standing>,
}

/// An event with what the relay added to it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) stored: StoredEvent,
    pub(super) event: Arc<Event>,
    received_at: Seconds,
    pub(super) expires_at: Option<Seconds>,
}

impl MemoryStorage {
    /// What the market counted on `day` for requests of `kind`.
    pub fn tally(&self, day: i64, kind: Kind, counter: Counter) -> u64 {
        self.state().tallies.get(&(day, kind, counter)).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Known for State {
    type Error = Infallible;

    fn by_id(&self, id: &EventId) -> Result<Option<Row>, Infallible> {
        Ok(self.get(id).map(Kept::row))
    }

    fn version(&self, address: &Address) -> Result<Option<Row>, Infallible> {
        Ok(self.versions.get(address).and_then(|id| self.get(id)).map(Kept::row))
    }

    fn deleters(&self, id: &EventId) -> Result<Vec<PublicKey>, Infallible> {
        Ok(self.deleters.get(id).cloned().unwrap_or_default())
    }

    fn deleted_until(&self, address: &Address) -> Result<Option<Seconds>, Infallible> {
        Ok(self.deleted.get(address).copied())
    }

    fn expired_until(&self, address: &Address) -> Result<Option<Seconds>, Infallible> {
        Ok(self.expired.get(address).copied())
    }

    fn vanished_until(&self, author: &PublicKey) -> Result<Option<Seconds>, Infallible> {
        Ok(self.vanished.get(author).copied())
    }

    fn job(&self, id: &EventId) -> Result<Option<Job>, Infallible> {
        Ok(self.jobs.get(id).cloned())
    }
}

impl State {
    fn get(&self, id: &EventId) -> Option<&Kept> {
        self.by_time.get(self.ids.get(id)?)
    }

    fn store(&mut self, prepared: &PreparedEvent) -> Outcome {
        let Ok(decision) = decide(self, prepared);
        match decision {
            Decision::Leave(outcome) => outcome,
            Decision::Store(effects) => {
                self.apply(effects);
                Outcome::Stored(self.insert(prepared))
            }
        }
    }

    fn apply(&mut self, effects: Effects) {
        for (row, reason) in effects.removed {
            self.remove(&row.event.id, reason);
        }
        for tombstone in effects.tombstones {
            self.bury(tombstone);
        }
        for job in effects.jobs {
            self.jobs.insert(job.id, job);
        }
        effects.tallies.into_iter().for_each(|tally| self.count(tally));
        self.mark(effects.marks);
        if let Some((author, until)) = effects.vanished {
            self.vanish(author, until);
        }
    }

    fn count(&mut self, Tally { day, kind, counter, amount }: Tally) {
        let known = self.tallies.entry((day, kind, counter)).or_default();
        *known = counter.joined(*known, amount);
    }

    fn mark(&mut self, marks: impl IntoIterator<Item = Mark>) {
        for mark in marks {
            self.standings.entry(mark.provider).or_default().add(mark.measure, mark.amount);
        }
    }

    fn insert(&mut self, prepared: &PreparedEvent) -> Seq {
        let event = prepared.event();
        self.last = self.last.next();
        if let Some(address) = Address::of(event) {
            self.versions.insert(address, event.id);
        }
        let json = event.to_json().into();
        let stored = StoredEvent { seq: self.last, id: event.id, created_at: event.created_at, json };
        let place = (Reverse(event.created_at), event.id);
        self.by_seq.insert(self.last, event.id);
        self.ids.insert(event.id, place);
        let (received_at, expires_at) = (prepared.received_at(), prepared.expires_at());
        self.by_time.insert(place, Kept { stored, event: event.clone(), received_at, expires_at });
        self.last
    }

    fn remove(&mut self, id: &EventId, reason: RemovalReason) -> bool {
        let Some(kept) = self.ids.remove(id).and_then(|place| self.by_time.remove(&place)) else {
            return false;
        };
        self.by_seq.remove(&kept.stored.seq);
        if let Some(address) = Address::of(&kept.event) {
            self.versions.remove(&address);
            if reason == RemovalReason::Expired {
                self.expired.insert(address, kept.event.created_at);
            }
        }
        if reason == RemovalReason::Expired {
            let tally = self.jobs.get(id).and_then(Tally::expired);
            tally.into_iter().for_each(|tally| self.count(tally));
        }
        self.last = self.last.next();
        self.removals.insert(self.last, (*id, reason));
        true
    }

    fn bury(&mut self, tombstone: Tombstone) {
        match tombstone {
            Tombstone::Event { id, author } => {
                let deleters = self.deleters.entry(id).or_default();
                if !deleters.contains(&author) {
                    deleters.push(author);
                }
            }
            Tombstone::Address { address, until } => {
                let known = self.deleted.entry(address).or_default();
                *known = until.max(*known);
            }
        }
    }

    fn vanish(&mut self, author: PublicKey, until: Seconds) {
        let known = self.vanished.entry(author).or_default();
        *known = until.max(*known);
        let concerned = |event: &Event| {
            event.created_at <= until
                && (event.pubkey == author || event.kind.is_gift_wrap() && nip59::is_recipient(event, &author))
        };
        self.remove_where(RemovalReason::Vanished, usize::MAX, |kept| concerned(&kept.event));
        let asked = |job: &Job| job.request.as_ref().is_some_and(|request| request.customer == author);
        let gone: Vec<Job> = self.jobs.extract_if(|_, job| asked(job)).map(|(_, job)| job).collect();
        self.mark(gone.iter().flat_map(|job| market::marks(Some(job), None)));
        self.standings.remove(&author);
        self.jobs.values_mut().for_each(|job| job.forget_provider(&author));
    }

    fn remove_where(&mut self, reason: RemovalReason, max: usize, concerned: impl Fn(&Kept) -> bool) -> u64 {
        let found = self.by_time.values().filter(|kept| concerned(kept)).take(max);
        let ids: Vec<EventId> = found.map(|kept| kept.event.id).collect();
        ids.iter().map(|id| u64::from(self.remove(id, reason))).sum()
    }

    fn entry(&self, seq: Seq) -> Option<Entry> {
        if let Some((id, reason)) = self.removals.get(&seq) {
            return Some(Entry::Removed { seq, id: *id, reason: *reason });
        }
        let kept = self.get(self.by_seq.get(&seq)?)?;
        Some(Entry::Created { stored: kept.stored.clone(), event: kept.event.clone() })
    }
}

impl Kept {
    fn row(&self) -> Row {
        Row { seq: self.stored.seq, event: self.event.clone() }
    }

    fn prepared(&self) -> PreparedEvent {
        let event = Verified::by_operator((*self.event).clone());
        PreparedEvent::new(event, self.received_at, self.expires_at)
    }
}

impl StorageAdapter for MemoryStorage {
    async fn store_batch(&self, events: Vec<PreparedEvent>) -> Result<Vec<Outcome>, StorageError> {
        let mut state = self.state();
        Ok(events.iter().map(|event| state.store(event)).collect())
    }

    async fn query(&self, filters: &[Filter], scope: &Scope) -> Result<Page, StorageError> {
        Ok(query::page(&self.state(), filters, scope))
    }

    async fn count(
        &self,
        filters: &[Filter],
        cap: u64,
        registers: Option<HyperLogLog>,
        scope: &Scope,
    ) -> Result<Count, StorageError> {
        Ok(query::count(&self.state(), filters, cap, registers, scope))
    }

    async fn ids(&self, filter: &Filter, cap: usize, scope: &Scope) -> Result<Vec<(Seconds, EventId)>, StorageError> {
        let filter = filter.clone().with_limit(filter.limit().map_or(cap, |limit| limit.min(cap)));
        let page = query::page(&self.state(), &[filter], scope);
        Ok(page.events.iter().map(|stored| (stored.created_at, stored.id)).collect())
    }

    async fn get_event(&self, id: &EventId) -> Result<Option<StoredEvent>, StorageError> {
        Ok(self.state().get(id).map(|kept| kept.stored.clone()))
    }

    async fn delete_event(&self, id: &EventId) -> Result<bool, StorageError> {
        Ok(self.state().remove(id, RemovalReason::Banned))
    }

    async fn delete_by_filter(&self, filter: &Filter) -> Result<u64, StorageError> {
        let max = filter.limit().unwrap_or(usize::MAX);
        Ok(self.state().remove_where(RemovalReason::Banned, max, |kept| filter.matches(&kept.event)))
    }

    async fn sweep_expired(&self, now: Seconds, max: usize) -> Result<u64, StorageError> {
        let expired = |kept: &Kept| kept.expires_at.is_some_and(|end| end <= now);
        Ok(self.state().remove_where(RemovalReason::Expired, max, expired))
    }

    async fn last_seq(&self) -> Result<Seq, StorageError> {
        Ok(self.state().last)
    }

    async fn events_after(&self, seq: Seq, max: usize) -> Result<Vec<Entry>, StorageError> {
        let state = self.state();
        let mut seqs: Vec<Seq> = state.by_seq.range(seq.next()..).map(|(seq, _)| *seq).take(max).collect();
        seqs.extend(state.removals.range(seq.next()..).map(|(seq, _)| *seq).take(max));
        seqs.sort_unstable();
        Ok(seqs.into_iter().take(max).filter_map(|seq| state.entry(seq)).collect())
    }

    async fn records(&self, kind: RecordKind) -> Result<Vec<Record>, StorageError> {
        let state = self.state();
        let of_kind = state.records.iter().filter(|((known, _), _)| *known == kind);
        Ok(of_kind.map(|((_, key), value)| Record { key: key.clone(), value: value.clone() }).collect())
    }

    async fn put_record(&self, kind: RecordKind, key: &str, value: Option<&str>) -> Result<(), StorageError> {
        let place = (kind, key.to_owned());
        let mut state = self.state();
        match value {
            Some(value) => drop(state.records.insert(place, value.to_owned())),
            None => drop(state.records.remove(&place)),
        }
        Ok(())
    }

    async fn job(&self, id: &EventId) -> Result<Option<Job>, StorageError> {
        Ok(self.state().jobs.get(id).cloned())
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>, StorageError> {
        let state = self.state();
        let mut jobs: Vec<&Job> = state.jobs.values().filter(|job| query.matches(job)).collect();
        jobs.sort_unstable_by_key(|job| (Reverse(job.request.as_ref().map(|request| request.created_at)), job.id));
        Ok(jobs.into_iter().take(query.limit).cloned().collect())
    }

    async fn put_jobs(&self, jobs: Vec<Job>) -> Result<(), StorageError> {
        self.state().jobs.extend(jobs.into_iter().map(|job| (job.id, job)));
        Ok(())
    }

    async fn market_events(&self, seq: Seq, max: usize) -> Result<Vec<(Seq, PreparedEvent)>, StorageError> {
        let state = self.state();
        let rows = state.by_seq.range(seq.next()..).filter_map(|(_, id)| state.get(id));
        let of_the_market = rows.filter(|kept| is_of_the_market(kept.event.kind));
        Ok(of_the_market.take(max).map(|kept| (kept.stored.seq, kept.prepared())).collect())
    }

    async fn tallies(&self, day: i64) -> Result<Vec<Tally>, StorageError> {
        let state = self.state();
        let since = state.tallies.iter().filter(|((counted, _, _), _)| *counted >= day);
        Ok(since.map(|(&(day, kind, counter), &amount)| Tally { day, kind, counter, amount }).collect())
    }

    async fn standing(&self, provider: &PublicKey) -> Result<Standing, StorageError> {
        Ok(self.state().standings.get(provider).cloned().unwrap_or_default())
    }

    async fn put_standings(&self, marks: Vec<Mark>) -> Result<(), StorageError> {
        let mut state = self.state();
        state.standings.clear();
        state.mark(marks);
        Ok(())
    }

    async fn drop_removals(&self, upto: Seq, max: usize) -> Result<u64, StorageError> {
        let mut state = self.state();
        let old: Vec<Seq> = state.removals.range(..=upto).map(|(seq, _)| *seq).take(max).collect();
        Ok(old.iter().filter(|seq| state.removals.remove(seq).is_some()).count() as u64)
    }
}
