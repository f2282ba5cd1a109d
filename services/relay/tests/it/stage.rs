//! A relay over memory, mock sockets and a fixed clock.

use nexus_model::{Raw, Timestamp, Verified};
use nexus_nostr::{Error, Event, Seconds, Secp256k1, Signed};
use nexus_relay::{
    InMemoryCache, Relay,
    ports::{ConnectionId, ConnectionMeta, LogLevel, RuntimeAdapter, WebSocketAdapter, WsError},
    settings::Settings,
    store::MemoryStorage,
};
use nexus_relay_suite::{disturbed::Disturbed, scenario::Stage};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

pub(crate) const NOW: i64 = 1_700_000_000_000;

/// A clock that moves when it is told to.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOW)))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Randomness that counts.
#[derive(Debug)]
pub(crate) struct TestRuntime {
    clock: Clock,
    next: AtomicU64,
    /// Errors that were logged.
    errors: Arc<Mutex<Vec<String>>>,
}

impl TestRuntime {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, next: AtomicU64::new(1), errors: Arc::default() }
    }
}

impl Drop for TestRuntime {
    fn drop(&mut self) {
        let errors = self.errors.lock().expect("no panic");
        assert!(errors.is_empty() || std::thread::panicking(), "nobody expected {errors:?}");
    }
}

impl RuntimeAdapter for TestRuntime {
    fn random_bytes(&self, len: usize) -> Vec<u8> {
        let next = self.next.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        next.iter().copied().cycle().take(len).collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn verify_signature(&self, event: Raw<Event>) -> Result<Verified<Event>, Error> {
        event.verify(&Signed(Secp256k1))
    }

    fn log(&self, level: LogLevel, message: &str) {
        if level == LogLevel::Error {
            self.errors.lock().expect("no panic").push(message.to_owned());
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Socket {
    queue: VecDeque<String>,
    meta: Option<ConnectionMeta>,
    pub(crate) closed: Option<(u16, String)>,
    /// What counts as waiting to be sent, beside the queue.
    pub(crate) stuck: usize,
}

/// Sockets whose clients are slow to look.
#[derive(Debug, Default)]
pub(crate) struct MockSockets(pub(crate) Mutex<BTreeMap<ConnectionId, Socket>>);

impl MockSockets {
    fn with<T>(&self, conn: ConnectionId, act: impl FnOnce(&mut Socket) -> T) -> Result<T, WsError> {
        let mut sockets = self.0.lock().expect("no panic");
        sockets.get_mut(&conn).map(act).ok_or(WsError::Gone)
    }

    /// Everything that waits for a client.
    pub(crate) fn take(&self, conn: ConnectionId) -> VecDeque<String> {
        self.with(conn, |socket| std::mem::take(&mut socket.queue)).unwrap_or_default()
    }
}

impl WebSocketAdapter for MockSockets {
    fn send(&self, conn: ConnectionId, message: &str) -> Result<(), WsError> {
        self.with(conn, |socket| socket.queue.push_back(message.to_owned()))
    }

    fn close(&self, conn: ConnectionId, code: u16, reason: &str) -> Result<(), WsError> {
        self.with(conn, |socket| socket.closed = Some((code, reason.to_owned())))
    }

    fn get_meta(&self, conn: ConnectionId) -> Option<ConnectionMeta> {
        self.with(conn, |socket| socket.meta.clone()).ok().flatten()
    }

    fn set_meta(&self, conn: ConnectionId, meta: ConnectionMeta) -> Result<(), WsError> {
        self.with(conn, |socket| socket.meta = Some(meta))
    }

    fn connections(&self) -> Vec<ConnectionId> {
        self.0.lock().expect("no panic").keys().copied().collect()
    }

    async fn room(&self, _conn: ConnectionId) {}

    fn buffered_bytes(&self, conn: ConnectionId) -> usize {
        self.with(conn, |socket| socket.stuck).unwrap_or(0)
    }
}

pub(crate) type TestRelay =
    Relay<Disturbed<MemoryStorage>, InMemoryCache<Box<dyn Fn() -> Timestamp + Send + Sync>>, MockSockets, TestRuntime>;

/// Something that happens in the middle of something else: when the cache has looked at its clock so many times.
#[derive(Clone, Default)]
pub(crate) struct Interruption(Arc<Mutex<Option<(usize, Interrupt)>>>);

type Interrupt = Box<dyn FnOnce() + Send>;

impl Interruption {
    pub(crate) fn set(&self, looks: usize, interrupt: impl FnOnce() + Send + 'static) {
        *self.0.lock().expect("no panic") = Some((looks, Box::new(interrupt)));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().expect("no panic").is_none()
    }

    fn look(&self) {
        let mut set = self.0.lock().expect("no panic");
        if let Some((looks, _)) = set.as_mut() {
            *looks -= 1;
        }
        let due = set.take_if(|(looks, _)| *looks == 0);
        drop(set);
        if let Some((_, interrupt)) = due {
            interrupt();
        }
    }
}

/// The relay with its clients.
pub(crate) struct TestStage {
    pub(crate) relay: Arc<TestRelay>,
    pub(crate) interruption: Interruption,
    errors: Arc<Mutex<Vec<String>>>,
    clock: Clock,
    clients: BTreeMap<String, ConnectionId>,
    connected: u64,
    /// Where clients connect from.
    pub(crate) ip: std::net::IpAddr,
}

impl TestStage {
    pub(crate) async fn new(settings: Settings) -> Self {
        let clock = Clock::new();
        let runtime = TestRuntime::new(clock.clone());
        let (by_clock, errors) = (clock.clone(), runtime.errors.clone());
        let interruption = Interruption::default();
        let set = interruption.clone();
        let look = move || {
            set.look();
            by_clock.now()
        };
        let cache = InMemoryCache::new(1_000, Box::new(look) as Box<_>);
        let relay = Relay::open(Disturbed::default(), cache, MockSockets::default(), runtime, settings, 300).await;
        Self {
            relay: Arc::new(relay.expect("memory can be read")),
            interruption,
            errors,
            clock,
            clients: BTreeMap::new(),
            connected: 0,
            ip: [127, 0, 0, 1].into(),
        }
    }

    /// The relay, made anew of itself.
    pub(crate) fn change(self, change: impl FnOnce(TestRelay) -> TestRelay) -> Self {
        let relay = Arc::into_inner(self.relay).expect("nobody else has it");
        Self { relay: Arc::new(change(relay)), ..self }
    }

    /// Lets time pass, of which nobody is told.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    /// The errors that were logged, which nobody else needs to know of then.
    pub(crate) fn errors(&self) -> Vec<String> {
        std::mem::take(&mut self.errors.lock().expect("no panic"))
    }

    /// Everything that waits for a client.
    pub(crate) fn gather(&self, client: &str) -> Vec<String> {
        self.relay.sockets().take(self.connection(client)).into()
    }

    pub(crate) fn connection(&self, client: &str) -> ConnectionId {
        self.clients[client]
    }

    pub(crate) fn socket<T>(&self, client: &str, act: impl FnOnce(&mut Socket) -> T) -> T {
        self.relay.sockets().with(self.connection(client), act).expect("the client is connected")
    }
}

impl Stage for TestStage {
    async fn connect(&mut self, client: &str) -> Option<String> {
        self.connected += 1;
        let conn = ConnectionId::new(self.connected);
        self.clients.insert(client.to_owned(), conn);
        self.relay.sockets().0.lock().expect("no panic").insert(conn, Socket::default());
        self.relay.on_connect(conn, Some(self.ip));
        let first: Vec<String> = serde_json::from_str(&self.next(client).await?).expect("a challenge is JSON");
        // Who is kept out is told so in place of the challenge.
        (first[0] == "AUTH").then(|| first[1].clone())
    }

    async fn leave(&mut self, client: &str) {
        let conn = self.clients.remove(client).expect("the client is connected");
        self.relay.sockets().0.lock().expect("no panic").remove(&conn);
        self.relay.on_close(conn).await;
    }

    async fn send(&mut self, client: &str, text: &str) {
        self.relay.on_message(self.connection(client), text).await;
    }

    async fn next(&mut self, client: &str) -> Option<String> {
        self.socket(client, |socket| socket.queue.pop_front())
    }

    fn now(&self) -> Seconds {
        self.clock.now().into()
    }

    async fn wait(&mut self, seconds: i64) {
        self.pass(seconds);
        self.relay.tick().await.expect("memory can be written");
    }
}
