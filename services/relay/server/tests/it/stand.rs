//! A relay over memory that a test may disturb, and its routes over a real socket.

use axum::{
    Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing::any,
};
use nexus_journal::Head;
use nexus_model::{Raw, Timestamp, Verified};
use nexus_nostr::{Error, Event, Kind, Seconds, Secp256k1, Signed, SigningKey, Tags};
use nexus_relay::{
    InMemoryCache, Relay,
    ports::{ConnectionId, ConnectionMeta, LogLevel, RuntimeAdapter, WebSocketAdapter, WsError},
    settings::Settings,
    store::MemoryStorage,
};
use nexus_relay_suite::disturbed::Disturbed;
use nexus_runtime::Clock;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{net::TcpListener, sync::mpsc};
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

/// WebSockets, without bounds.
#[derive(Debug, Default)]
pub(crate) struct Sockets(Mutex<HashMap<ConnectionId, Line>>);

#[derive(Debug)]
struct Line {
    queue: mpsc::UnboundedSender<Message>,
    meta: Option<ConnectionMeta>,
}

impl Sockets {
    fn with<T>(&self, conn_id: ConnectionId, act: impl FnOnce(&mut Line) -> T) -> Result<T, WsError> {
        self.0.lock().expect("no panic").get_mut(&conn_id).map(act).ok_or(WsError::Gone)
    }
}

impl WebSocketAdapter for Sockets {
    fn send(&self, conn_id: ConnectionId, message: &str) -> Result<(), WsError> {
        self.with(conn_id, |line| drop(line.queue.send(Message::text(message))))
    }

    fn close(&self, conn_id: ConnectionId, _code: u16, _reason: &str) -> Result<(), WsError> {
        self.with(conn_id, |line| drop(line.queue.send(Message::Close(None))))
    }

    fn get_meta(&self, conn_id: ConnectionId) -> Option<ConnectionMeta> {
        self.with(conn_id, |line| line.meta.clone()).ok().flatten()
    }

    fn set_meta(&self, conn_id: ConnectionId, meta: ConnectionMeta) -> Result<(), WsError> {
        self.with(conn_id, |line| line.meta = Some(meta))
    }

    fn connections(&self) -> Vec<ConnectionId> {
        self.0.lock().expect("no panic").keys().copied().collect()
    }

    async fn room(&self, _conn_id: ConnectionId) {}

    fn buffered_bytes(&self, _conn_id: ConnectionId) -> usize {
        0
    }
}

/// Routes on which the relay is spoken with.
pub(crate) fn speaking(relay: Arc<TestRelay>) -> Router {
    let count = Arc::new(AtomicU64::new(0));
    Router::new().route(
        "/",
        any(async move |upgrade: WebSocketUpgrade| {
            let conn_id = ConnectionId::new(count.fetch_add(1, Ordering::SeqCst));
            upgrade.on_upgrade(move |socket| speak(relay, conn_id, socket))
        }),
    )
}

async fn speak(relay: Arc<TestRelay>, conn_id: ConnectionId, mut socket: WebSocket) {
    let (queue, mut queued) = mpsc::unbounded_channel();
    relay.sockets().0.lock().expect("no panic").insert(conn_id, Line { queue, meta: None });
    relay.on_connect(conn_id, None);
    loop {
        tokio::select! {
            Some(message) = queued.recv() => if socket.send(message).await.is_err() { break },
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => relay.on_message(conn_id, &text).await,
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    relay.sockets().0.lock().expect("no panic").remove(&conn_id);
    relay.on_close(conn_id).await;
}

type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;
type Store = Disturbed<MemoryStorage>;
pub(crate) type Adapters = (Store, InMemoryCache<Now>, Sockets, Surroundings);
pub(crate) type TestRelay = Relay<Store, InMemoryCache<Now>, Sockets, Surroundings>;

pub(crate) const NOW: i64 = 1_700_000_000;

/// A relay whose clock stands, and the head of its journal.
pub(crate) async fn relay(settings: Settings) -> (Arc<TestRelay>, Arc<Head>, Clock) {
    let clock = Clock::fixed(Timestamp::from_millis(NOW * 1_000));
    let (head, by_clock) = (Arc::new(Head::new(nexus_model::Seq::START)), clock.clone());
    let cache = InMemoryCache::new(100, Box::new(move || by_clock.now()) as Now);
    let (store, surroundings) = (Store::default(), Surroundings(clock.clone()));
    let relay = Relay::open(store, cache, Sockets::default(), surroundings, settings, 300).await;
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
    tokio::spawn(async move {
        // Connections end with the runtime at the latest.
        tokio::select! { served = axum::serve(listener, router) => served, () = stopped => Ok(()) }
    });
    Served { url, _stop: stop.drop_guard() }
}

pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes([number; 32]).expect("a key")
}

pub(crate) fn sign(by: u8, kind: u16, age: i64, tags: &[&[&str]], content: &str) -> Event {
    let tags = Tags::new(tags.iter().map(|tag| tag.iter().copied()));
    key(by).sign(Kind::new(kind), Seconds::new(NOW - age), tags, content)
}
