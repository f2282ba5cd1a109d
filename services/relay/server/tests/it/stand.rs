//! A relay over memory, without connections, and its routes over a real socket.

use axum::Router;
use nexus_journal::Head;
use nexus_model::{Raw, Timestamp, Verified};
use nexus_nostr::{Error, Event, Kind, Seconds, Secp256k1, Signed, SigningKey, Tags};
use nexus_relay::{
    InMemoryCache, Relay,
    ports::{ConnectionId, ConnectionMeta, LogLevel, RuntimeAdapter, WebSocketAdapter, WsError},
    settings::Settings,
    store::MemoryStorage,
};
use nexus_runtime::Clock;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The environment, with a clock that a test may hold.
#[derive(Debug)]
pub(crate) struct Surroundings(pub(crate) Clock);

impl RuntimeAdapter for Surroundings {
    fn random_bytes(&self, len: usize) -> Vec<u8> {
        vec![7; len]
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn verify_signature(&self, event: Raw<Event>) -> Result<Verified<Event>, Error> {
        event.verify(&Signed(Secp256k1))
    }

    fn log(&self, level: LogLevel, message: &str) {
        assert!(level < LogLevel::Error, "{message}");
    }
}

/// Sockets that nobody is at.
#[derive(Debug)]
pub(crate) struct Silence;

impl WebSocketAdapter for Silence {
    fn send(&self, _conn_id: ConnectionId, _message: &str) -> Result<(), WsError> {
        Err(WsError::Gone)
    }

    fn close(&self, _conn_id: ConnectionId, _code: u16, _reason: &str) -> Result<(), WsError> {
        Err(WsError::Gone)
    }

    fn get_meta(&self, _conn_id: ConnectionId) -> Option<ConnectionMeta> {
        None
    }

    fn set_meta(&self, _conn_id: ConnectionId, _meta: ConnectionMeta) -> Result<(), WsError> {
        Err(WsError::Gone)
    }

    fn connections(&self) -> Vec<ConnectionId> {
        Vec::new()
    }

    async fn room(&self, _conn_id: ConnectionId) {}

    fn buffered_bytes(&self, _conn_id: ConnectionId) -> usize {
        0
    }
}

type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;
pub(crate) type Adapters = (MemoryStorage, InMemoryCache<Now>, Silence, Surroundings);
pub(crate) type TestRelay = Relay<MemoryStorage, InMemoryCache<Now>, Silence, Surroundings>;

pub(crate) const NOW: i64 = 1_700_000_000;

/// A relay whose clock stands, and the head of its journal.
pub(crate) async fn relay(settings: Settings) -> (Arc<TestRelay>, Arc<Head>, Clock) {
    let clock = Clock::fixed(Timestamp::from_millis(NOW * 1_000));
    let (head, by_clock) = (Arc::new(Head::new(nexus_model::Seq::START)), clock.clone());
    let cache = InMemoryCache::new(100, Box::new(move || by_clock.now()) as Now);
    let relay = Relay::open(MemoryStorage::default(), cache, Silence, Surroundings(clock.clone()), settings, 300).await;
    let told = head.clone();
    let relay = relay.expect("memory can be read").with_observer(Box::new(move |seq| told.advance(seq)));
    (Arc::new(relay), head, clock)
}

/// Routes that are served until this is dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    _stop: DropGuard,
}

pub(crate) async fn serve(router: Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
    Served { url, _stop: stop.drop_guard() }
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

pub(crate) fn sign(by: u8, kind: u16, age: i64, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(by).sign(Kind::new(kind), Seconds::new(NOW - age), tags, content)
}
