//! A store that is watched: what it does is measured, and when it finds itself damaged somebody hears of it.

use crate::meters::StoreMeters;
use nexus_model::Seq;
use nexus_nostr::{EventId, Filter, PublicKey, Seconds, nip::nip45::HyperLogLog};
use nexus_relay::{
    market::{Job, JobQuery, Mark, Standing, Tally},
    ports::{
        Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, Scope, StorageAdapter, StorageError,
        StoredEvent,
    },
};
use std::{sync::Arc, time::Instant};
use tokio_util::sync::CancellationToken;

type Answer<T> = Result<T, StorageError>;

/// A store with somebody who watches it. Its futures must not block.
#[derive(Debug)]
pub struct WatchedStorage<S> {
    store: Arc<S>,
    damaged: CancellationToken,
    meters: StoreMeters,
}

impl<S: StorageAdapter> WatchedStorage<S> {
    /// Watches `store`.
    pub fn new(store: Arc<S>) -> Self {
        Self { store, damaged: CancellationToken::new(), meters: StoreMeters::new() }
    }

    /// The store itself.
    pub const fn store(&self) -> &Arc<S> {
        &self.store
    }

    /// Cancelled when the store was found to be damaged: then the program must stop.
    pub(crate) fn damaged(&self) -> CancellationToken {
        self.damaged.clone()
    }

    fn noted<T>(&self, answer: Answer<T>) -> Answer<T> {
        if let Err(error) = &answer
            && !error.is_retryable()
        {
            tracing::error!(error = error as &dyn std::error::Error, "the store is damaged");
            self.damaged.cancel();
        }
        answer
    }

    /// Measures how long a question takes that may take long.
    async fn timed<T>(&self, plan: &'static str, question: impl Future<Output = Answer<T>>) -> Answer<T> {
        let started = Instant::now();
        let answer = question.await;
        self.meters.asked(plan, started.elapsed());
        self.noted(answer)
    }
}

impl<S: StorageAdapter> StorageAdapter for WatchedStorage<S> {
    async fn store_batch(&self, events: Vec<PreparedEvent>) -> Answer<Vec<Outcome>> {
        let kinds: Vec<_> = events.iter().map(|event| event.event().kind).collect();
        let started = Instant::now();
        let stored = self.store.store_batch(events).await;
        self.meters.committed(&kinds, stored.as_deref().unwrap_or_default(), started.elapsed());
        self.noted(stored)
    }

    async fn query(&self, filters: &[Filter], scope: &Scope) -> Answer<Page> {
        self.query_within(filters, scope, usize::MAX).await
    }

    async fn query_within(&self, filters: &[Filter], scope: &Scope, bytes: usize) -> Answer<Page> {
        let page = self.timed("query", self.store.query_within(filters, scope, bytes)).await?;
        self.meters.found(page.events.len() + page.rest.len(), page.scanned);
        Ok(page)
    }

    async fn count(
        &self,
        filters: &[Filter],
        cap: u64,
        registers: Option<HyperLogLog>,
        scope: &Scope,
    ) -> Answer<Count> {
        self.timed("count", self.store.count(filters, cap, registers, scope)).await
    }

    async fn ids(&self, filter: &Filter, cap: usize, scope: &Scope) -> Answer<Vec<(Seconds, EventId)>> {
        self.timed("ids", self.store.ids(filter, cap, scope)).await
    }

    async fn get_event(&self, id: &EventId) -> Answer<Option<StoredEvent>> {
        self.noted(self.store.get_event(id).await)
    }

    async fn event_exists(&self, id: &EventId) -> Answer<bool> {
        self.noted(self.store.event_exists(id).await)
    }

    async fn delete_event(&self, id: &EventId) -> Answer<bool> {
        self.noted(self.store.delete_event(id).await)
    }

    async fn delete_by_filter(&self, filter: &Filter) -> Answer<u64> {
        self.noted(self.store.delete_by_filter(filter).await)
    }

    async fn sweep_expired(&self, now: Seconds, max: usize) -> Answer<u64> {
        self.noted(self.store.sweep_expired(now, max).await)
    }

    async fn last_seq(&self) -> Answer<Seq> {
        self.noted(self.store.last_seq().await)
    }

    async fn events_after(&self, seq: Seq, max: usize) -> Answer<Vec<Entry>> {
        self.noted(self.store.events_after(seq, max).await)
    }

    async fn records(&self, kind: RecordKind) -> Answer<Vec<Record>> {
        self.noted(self.store.records(kind).await)
    }

    async fn put_record(&self, kind: RecordKind, key: &str, value: Option<&str>) -> Answer<()> {
        self.noted(self.store.put_record(kind, key, value).await)
    }

    async fn job(&self, id: &EventId) -> Answer<Option<Job>> {
        self.noted(self.store.job(id).await)
    }

    async fn jobs(&self, query: &JobQuery) -> Answer<Vec<Job>> {
        self.timed("jobs", self.store.jobs(query)).await
    }

    async fn put_jobs(&self, jobs: Vec<Job>) -> Answer<()> {
        self.noted(self.store.put_jobs(jobs).await)
    }

    async fn market_events(&self, seq: Seq, max: usize) -> Answer<Vec<(Seq, PreparedEvent)>> {
        self.noted(self.store.market_events(seq, max).await)
    }

    async fn tallies(&self, day: i64) -> Answer<Vec<Tally>> {
        self.noted(self.store.tallies(day).await)
    }

    async fn bytes(&self) -> Answer<u64> {
        self.noted(self.store.bytes().await)
    }

    async fn standing(&self, provider: &PublicKey) -> Answer<Standing> {
        self.noted(self.store.standing(provider).await)
    }

    async fn put_standings(&self, marks: Vec<Mark>) -> Answer<()> {
        self.noted(self.store.put_standings(marks).await)
    }

    async fn drop_removals(&self, upto: Seq, max: usize) -> Answer<u64> {
        self.noted(self.store.drop_removals(upto, max).await)
    }
}
