//! A store whose calls wait or fail at a test's will.

use nexus_model::Seq;
use nexus_nostr::{EventId, Filter, PublicKey, Seconds, nip::nip45::HyperLogLog};
use nexus_relay::{
    market::{Job, JobQuery, Mark, Standing, Tally},
    ports::{
        Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, Scope, StorageAdapter, StorageError,
        StoredEvent,
    },
};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    task::Poll,
};

/// What becomes of a call.
#[derive(Debug)]
pub enum Fate {
    /// The store is asked.
    Works,
    /// It waits, and its fate is asked for again when somebody polls it.
    Waits,
    /// The store isn't asked.
    Fails(StorageError),
}

type Disturbance = Box<dyn FnMut(&'static str) -> Fate + Send>;

/// A store that works until it is disturbed.
#[derive(Default)]
pub struct Disturbed<S> {
    store: S,
    disturbance: Mutex<Option<Disturbance>>,
}

impl<S: fmt::Debug> fmt::Debug for Disturbed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disturbed").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<S> Disturbed<S> {
    /// From now on `fate` decides on each call, which it gets by its name in the port.
    pub fn disturb(&self, fate: impl FnMut(&'static str) -> Fate + Send + 'static) {
        *self.disturbance.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(fate));
    }

    /// From now on the calls of this name fail, each with what `error` gives.
    pub fn fail(&self, name: &'static str, error: impl Fn() -> StorageError + Send + 'static) {
        self.disturb(move |call| if call == name { Fate::Fails(error()) } else { Fate::Works });
    }

    /// From now on all works.
    pub fn settle(&self) {
        self.disturb(|_| Fate::Works);
    }

    fn fate(&self, call: &'static str) -> Fate {
        let mut disturbance = self.disturbance.lock().unwrap_or_else(PoisonError::into_inner);
        disturbance.as_mut().map_or(Fate::Works, |fate| fate(call))
    }

    async fn admit(&self, call: &'static str) -> Result<(), StorageError> {
        std::future::poll_fn(|_| match self.fate(call) {
            Fate::Works => Poll::Ready(Ok(())),
            Fate::Waits => Poll::Pending,
            Fate::Fails(error) => Poll::Ready(Err(error)),
        })
        .await
    }
}

/// Calls that are passed on unless they are disturbed.
macro_rules! passed_on {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(async fn $name(&self, $($argument: $kind),*) -> Result<$answer, StorageError> {
            self.admit(stringify!($name)).await?;
            self.store.$name($($argument),*).await
        })*
    };
}

impl<S: StorageAdapter> StorageAdapter for Disturbed<S> {
    passed_on! {
        store_batch(events: Vec<PreparedEvent>) -> Vec<Outcome>;
        query(filters: &[Filter], scope: &Scope) -> Page;
        query_within(filters: &[Filter], scope: &Scope, bytes: usize) -> Page;
        count(filters: &[Filter], cap: u64, registers: Option<HyperLogLog>, scope: &Scope) -> Count;
        ids(filter: &Filter, cap: usize, scope: &Scope) -> Vec<(Seconds, EventId)>;
        get_event(id: &EventId) -> Option<StoredEvent>;
        delete_event(id: &EventId) -> bool;
        delete_by_filter(filter: &Filter) -> u64;
        sweep_expired(now: Seconds, max: usize) -> u64;
        last_seq() -> Seq;
        events_after(seq: Seq, max: usize) -> Vec<Entry>;
        records(kind: RecordKind) -> Vec<Record>;
        put_record(kind: RecordKind, key: &str, value: Option<&str>) -> ();
        job(id: &EventId) -> Option<Job>;
        jobs(query: &JobQuery) -> Vec<Job>;
        put_jobs(jobs: Vec<Job>) -> ();
        market_events(seq: Seq, max: usize) -> Vec<(Seq, PreparedEvent)>;
        tallies(day: i64) -> Vec<Tally>;
        standing(provider: &PublicKey) -> Standing;
        put_standings(marks: Vec<Mark>) -> ();
        drop_removals(upto: Seq, max: usize) -> u64;
    }
}
