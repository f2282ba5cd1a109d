//! Bans whose purge takes long, or fails.

use crate::stage::{Clock, MockSockets, TestRuntime};
use futures_util::FutureExt;
use nexus_model::{Raw, Seq, Timestamp};
use nexus_nostr::{
    Event, EventId, Filter, Kind, PublicKey, Seconds, SigningKey, Tags,
    nip::{nip45::HyperLogLog, nip86::Call},
};
use nexus_relay::{
    Asker, InMemoryCache, ManageError, Purge, Relay,
    market::{Job, JobQuery, Mark, Standing, Tally},
    ports::{
        Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, Scope, StorageAdapter, StorageError,
        StoredEvent,
    },
    session::Verdict,
    settings::Settings,
    store::MemoryStorage,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    task::Poll,
};

/// How events are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Works,
    Waits,
    Fails,
}

/// A store in memory that removes events as it is told to.
#[derive(Debug)]
struct Store {
    inner: MemoryStorage,
    removal: Arc<Mutex<Removal>>,
}

type Answer<T> = Result<T, StorageError>;

/// Calls that are passed on as they are.
macro_rules! passed_on {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(async fn $name(&self, $($argument: $kind),*) -> Answer<$answer> { self.inner.$name($($argument),*).await })*
    };
}

impl StorageAdapter for Store {
    passed_on! {
        store_batch(events: Vec<PreparedEvent>) -> Vec<Outcome>;
        query(filters: &[Filter], scope: &Scope) -> Page;
        count(filters: &[Filter], cap: u64, registers: Option<HyperLogLog>, scope: &Scope) -> Count;
        ids(filter: &Filter, cap: usize, scope: &Scope) -> Vec<(Seconds, EventId)>;
        get_event(id: &EventId) -> Option<StoredEvent>;
        delete_event(id: &EventId) -> bool;
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

    async fn delete_by_filter(&self, filter: &Filter) -> Answer<u64> {
        let removal = || *self.removal.lock().expect("no panic");
        std::future::poll_fn(|_| if removal() == Removal::Waits { Poll::Pending } else { Poll::Ready(()) }).await;
        match removal() {
            Removal::Fails => Err(StorageError::TimedOut),
            _ => self.inner.delete_by_filter(filter).await,
        }
    }
}

type Cache = InMemoryCache<Box<dyn Fn() -> Timestamp + Send + Sync>>;

struct Office {
    relay: Relay<Store, Cache, MockSockets, TestRuntime>,
    removal: Arc<Mutex<Removal>>,
}

impl Office {
    async fn new(removal: Removal) -> Self {
        let (clock, removal) = (Clock::new(), Arc::new(Mutex::new(removal)));
        let store = Store { inner: MemoryStorage::default(), removal: removal.clone() };
        let (runtime, cache) =
            (TestRuntime::new(clock.clone()), InMemoryCache::new(100, Box::new(move || clock.now()) as _));
        let relay = Relay::open(store, cache, MockSockets::default(), runtime, Settings::default(), 300).await;
        Self { relay: relay.expect("memory can be read"), removal }
    }

    async fn ban(&self, key: &PublicKey) -> Result<Value, ManageError> {
        let body = json!({ "method": "banpubkey", "params": [key, "spam"] }).to_string();
        let call = Call::parse(&body).expect("a call");
        self.relay.manage(&key_of(9).public_key(), &call, &body, Purge::Stored).await
    }

    async fn publish(&self, number: i64) -> String {
        match self.relay.submit(&Asker::default(), Raw::new(note(number))).await {
            Verdict::Accepted(_) => String::new(),
            Verdict::Refused(reason) => reason.to_string(),
        }
    }

    async fn has(&self, number: i64) -> bool {
        self.relay.storage().event_exists(&note(number).id).await.expect("memory")
    }

    async fn audited(&self) -> usize {
        self.relay.storage().records(RecordKind::Audit).await.expect("memory").len()
    }
}

fn key_of(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

fn note(number: i64) -> Event {
    key_of(1).sign(Kind::NOTE, Seconds::new(1_600_000_000 + number), Tags::default(), "")
}

const BANNED: &str = "blocked: pubkey is banned";

fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

#[test]
fn a_ban_holds_while_its_purge_is_at_work() {
    run(async {
        let office = Office::new(Removal::Waits).await;
        assert_eq!(office.publish(1).await, "");
        let author = note(1).pubkey;
        let mut ban = Box::pin(office.ban(&author));
        assert!(ban.as_mut().now_or_never().is_none(), "the purge waits");
        assert_eq!(office.publish(2).await, BANNED);
        *office.removal.lock().expect("no panic") = Removal::Works;
        assert_eq!(ban.await.expect("the store works"), json!(true));
        assert!(!office.has(1).await && !office.has(2).await);
        assert_eq!(office.audited().await, 1);
    });
}

#[test]
fn a_ban_whose_purge_fails_holds_and_is_written_down() {
    run(async {
        let office = Office::new(Removal::Fails).await;
        assert_eq!(office.publish(1).await, "");
        let author = note(1).pubkey;
        assert!(matches!(office.ban(&author).await, Err(ManageError::Storage(_))));
        assert_eq!(office.publish(2).await, BANNED);
        assert_eq!(office.audited().await, 1);
        *office.removal.lock().expect("no panic") = Removal::Works;
        assert_eq!(office.ban(&author).await.expect("the store works"), json!(true));
        assert!(!office.has(1).await);
    });
}
