//! Bans whose purge takes long, or fails.

use crate::stage::{Clock, MockSockets, TestRuntime};
use futures_util::FutureExt;
use nexus_model::{Raw, Timestamp};
use nexus_nostr::{Event, Kind, PublicKey, Seconds, SigningKey, Tags, nip::nip86::Call};
use nexus_relay::{
    Asker, InMemoryCache, ManageError, Purge, Relay,
    ports::{RecordKind, StorageAdapter, StorageError},
    session::Verdict,
    settings::Settings,
    store::MemoryStorage,
};
use nexus_relay_suite::disturbed::{Disturbed, Fate};
use serde_json::{Value, json};

type Cache = InMemoryCache<Box<dyn Fn() -> Timestamp + Send + Sync>>;

struct Office {
    relay: Relay<Disturbed<MemoryStorage>, Cache, MockSockets, TestRuntime>,
}

impl Office {
    async fn new() -> Self {
        let clock = Clock::new();
        let runtime = TestRuntime::new(clock.clone());
        let cache = InMemoryCache::new(100, Box::new(move || clock.now()) as _);
        let (store, sockets) = (Disturbed::default(), MockSockets::default());
        let relay = Relay::open(store, cache, sockets, runtime, Settings::default(), 300).await;
        Self { relay: relay.expect("memory can be read") }
    }

    fn store(&self) -> &Disturbed<MemoryStorage> {
        self.relay.storage()
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
/// The call that removes what a ban concerns.
const PURGE: &str = "delete_by_filter";

fn run(test: impl Future<Output = ()>) {
    test.now_or_never().expect("memory never waits");
}

#[test]
fn a_ban_holds_while_its_purge_is_at_work() {
    run(async {
        let office = Office::new().await;
        office.store().disturb(|call| if call == PURGE { Fate::Waits } else { Fate::Works });
        assert_eq!(office.publish(1).await, "");
        let author = note(1).pubkey;
        let mut ban = Box::pin(office.ban(&author));
        assert!(ban.as_mut().now_or_never().is_none(), "the purge waits");
        assert_eq!(office.publish(2).await, BANNED);
        office.store().settle();
        assert_eq!(ban.await.expect("the store works"), json!(true));
        assert!(!office.has(1).await && !office.has(2).await);
        assert_eq!(office.audited().await, 1);
    });
}

#[test]
fn a_ban_whose_purge_fails_holds_and_is_written_down() {
    run(async {
        let office = Office::new().await;
        office.store().fail(PURGE, || StorageError::TimedOut);
        assert_eq!(office.publish(1).await, "");
        let author = note(1).pubkey;
        assert!(matches!(office.ban(&author).await, Err(ManageError::Storage(_))));
        assert_eq!(office.publish(2).await, BANNED);
        assert_eq!(office.audited().await, 1);
        office.store().settle();
        assert_eq!(office.ban(&author).await.expect("the store works"), json!(true));
        assert!(!office.has(1).await);
    });
}
