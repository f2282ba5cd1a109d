//! The relay itself: sessions over the four adapters. It carries out what sessions want, and passes on what
//! was committed, in the order of the journal.

mod answer;
mod ban;
mod deliver;
mod hold;
mod intake;
mod lane;
mod manage;
mod moderation;
mod once;
mod presence;
mod publish;
mod reload;
mod retain;
mod roles;
mod route;
mod upkeep;
mod vouch;

pub use deliver::{Observer, Waker};
pub use intake::{Intake, Protected, Terms, Vetted};
pub use manage::{ManageError, Purge};
pub use once::Asker;
pub use presence::Presence;

use crate::{
    ports::{
        CacheAdapter, ConnectionId, Judge, LogLevel, RuntimeAdapter, StorageAdapter, StorageError, WebSocketAdapter,
        WsError,
    },
    rules::{bans::Bans, lists::Lists, rates::Buckets},
    session::{Action, Context, Session},
    settings::Settings,
};
use nexus_model::Seq;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, RwLock},
};

/// How many bytes the challenge of a connection has.
const CHALLENGE_BYTES: usize = 16;
/// How many expired events one tick removes.
const SWEEP: usize = 1_000;

/// A relay over its adapters.
#[derive(Debug)]
pub struct Relay<S, C, W, R> {
    storage: S,
    cache: C,
    sockets: W,
    runtime: R,
    settings: RwLock<Arc<Settings>>,
    cache_seconds: u64,
    lists: RwLock<Arc<Lists>>,
    buckets: Buckets,
    bans: Mutex<Bans>,
    sessions: Mutex<HashMap<ConnectionId, Shared>>,
    feed: deliver::Feed,
    lane: lane::Lane,
    upkeep: upkeep::Upkeep,
    retain: retain::Retain,
    held: hold::Held,
    vouchers: Mutex<vouch::Vouchers>,
    judge: RwLock<Option<Arc<dyn Judge>>>,
}

/// A session, which its own messages and live events share.
type Shared = Arc<Mutex<Session>>;

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// A relay that begins to pass on what is stored after now. Events are cached for `cache_seconds`.
    ///
    /// # Errors
    /// The store's, when it can't be read.
    pub async fn open(
        storage: S,
        cache: C,
        sockets: W,
        runtime: R,
        settings: Settings,
        cache_seconds: u64,
    ) -> Result<Self, StorageError> {
        let start: Seq = storage.last_seq().await?;
        let held = hold::Held::read(&storage).await?;
        let relay = Self {
            storage,
            cache,
            sockets,
            runtime,
            settings: RwLock::new(Arc::new(settings)),
            cache_seconds,
            lists: RwLock::default(),
            buckets: Buckets::default(),
            bans: Mutex::default(),
            sessions: Mutex::default(),
            feed: deliver::Feed::new(start),
            lane: lane::Lane::default(),
            upkeep: upkeep::Upkeep::default(),
            retain: retain::Retain::default(),
            held,
            vouchers: Mutex::default(),
            judge: RwLock::default(),
        };
        relay.reload_lists().await?;
        Ok(relay)
    }

    /// This relay, in which `judge` has the last word on every event.
    #[must_use]
    pub fn with_judge(self, judge: Box<dyn Judge>) -> Self {
        self.set_judge(Some(judge));
        self
    }

    /// This relay, which tells `observer` each position that it has delivered.
    #[must_use]
    pub fn with_observer(mut self, observer: deliver::Observer) -> Self {
        self.feed.observe(observer);
        self
    }

    /// This relay, in which somebody else calls [`Relay::deliver`] whenever `waker` is called. Without one, whoever
    /// publishes also passes on what was committed meanwhile, and is not heard as long as that lasts.
    #[must_use]
    pub fn with_waker(mut self, waker: Waker) -> Self {
        self.feed.wake_with(waker);
        self
    }

    /// What events are kept in.
    pub const fn storage(&self) -> &S {
        &self.storage
    }

    /// What is near.
    pub const fn cache(&self) -> &C {
        &self.cache
    }

    /// What connections are made of.
    pub const fn sockets(&self) -> &W {
        &self.sockets
    }

    /// Reads the administrators' lists again.
    ///
    /// # Errors
    /// The store's.
    pub async fn reload_lists(&self) -> Result<(), StorageError> {
        let mut lists = Lists::default();
        for kind in Lists::KINDS {
            lists.read(kind, &self.storage.records(kind).await?);
        }
        *self.lists.write().expect("no holder of this lock panics") = Arc::new(lists);
        Ok(())
    }

    /// A client connected. False if its address is kept out, and the connection was closed.
    pub fn on_connect(&self, conn: ConnectionId, ip: Option<IpAddr>) -> bool {
        if let Some(reason) = ip.and_then(|ip| self.kept_out(ip)) {
            self.send_away(conn, reason);
            return false;
        }
        let challenge = hex(&self.runtime.random_bytes(CHALLENGE_BYTES));
        let session = Session::new(conn, ip, challenge, self.runtime.now());
        let first = session.begin(&self.settings());
        self.keep_meta(&session);
        self.sessions().insert(conn, Arc::new(Mutex::new(session)));
        self.send_all(conn, first);
        true
    }

    /// A client sent a text message.
    pub async fn on_message(&self, conn: ConnectionId, text: &str) {
        self.on_messages(conn, &[text]).await;
    }

    /// A client sent several messages. One call at a time for each connection. Events that follow one another are
    /// verified and stored together; what comes after them sees them stored.
    pub async fn on_messages<T: AsRef<str>>(&self, conn: ConnectionId, texts: &[T]) {
        let Some(session) = self.session(conn) else { return };
        let mut publications = Vec::new();
        for text in texts {
            let actions = self.with_context(|context| lock(&session).receive(text.as_ref(), context));
            for action in actions {
                match action {
                    Action::Publish(publication) => publications.push(publication),
                    Action::Send(text) => self.send(conn, &text),
                    other => {
                        self.publish(&session, std::mem::take(&mut publications)).await;
                        // Whoever doesn't take answers gets no further ones.
                        self.sockets.room(conn).await;
                        self.perform(&session, other).await;
                    }
                }
            }
        }
        self.publish(&session, publications).await;
    }

    /// A client sent a binary message.
    pub async fn on_binary(&self, conn: ConnectionId) {
        let Some(session) = self.session(conn) else { return };
        for action in self.with_context(|context| lock(&session).receive_binary(context)) {
            self.perform(&session, action).await;
        }
    }

    /// The relay stops: the client is told so for each of its subscriptions, and the connection is closed. To be
    /// called when no other call for this connection is running.
    pub async fn on_stop(&self, conn: ConnectionId) {
        let Some(session) = self.session(conn) else { return };
        let actions = lock(&session).end_all("shutting down");
        for action in actions {
            self.perform(&session, action).await;
        }
        self.close(conn, 1001, "shutting down");
    }

    /// A connection ended: nothing of it is kept. To be called when no other call for this connection is running.
    pub async fn on_close(&self, conn: ConnectionId) {
        self.sessions().remove(&conn);
        if let Err(error) = self.cache.remove_connection(conn).await {
            self.runtime.log(LogLevel::Warn, &format!("a connection can't be forgotten: {error}"));
        }
    }

    /// Time has passed: ends what has waited too long, and removes what has expired or is too much. To be called
    /// about once a second.
    ///
    /// # Errors
    /// The store's.
    pub async fn tick(&self) -> Result<(), StorageError> {
        let (now, settings) = (self.runtime.now(), self.settings());
        let sessions: Vec<Shared> = self.sessions().values().cloned().collect();
        for session in sessions {
            let actions = lock(&session).tick(&settings, now);
            for action in actions {
                self.perform(&session, action).await;
            }
        }
        self.storage.sweep_expired(now.into(), SWEEP).await?;
        self.retain(now.into()).await?;
        self.forget_removals(now.into()).await?;
        self.deliver().await;
        Ok(())
    }

    /// Does what a session wants.
    async fn perform(&self, session: &Shared, action: Action) {
        let conn = lock(session).id();
        match action {
            Action::Send(text) => self.send(conn, &text),
            Action::Publish(publication) => self.publish(session, vec![publication]).await,
            Action::Authenticate(event) => self.authenticate(session, *event),
            Action::Subscribe(sub, filters) => self.subscribe(session, &sub, &filters).await,
            Action::Unsubscribe(sub) => self.unsubscribe(conn, &sub).await,
            Action::Count(sub, filters) => self.count(session, &sub, &filters).await,
            Action::Negotiate(sub, filter, message) => self.negotiate(session, sub, *filter, &message).await,
            Action::Close(code, reason) => self.close(conn, code, reason),
        }
    }

    fn with_context<T>(&self, act: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let (settings, lists) = (self.settings(), self.lists());
        let now = self.runtime.now();
        act(&mut Context { settings: &settings, lists: &lists, buckets: &self.buckets, now })
    }

    /// Sends what there is to send; other actions don't come from where this is used.
    fn send_all(&self, conn: ConnectionId, actions: Vec<Action>) {
        for action in actions {
            if let Action::Send(text) = action {
                self.send(conn, &text);
            }
        }
    }

    /// Queues a message. Whoever is gone needs none.
    fn send(&self, conn: ConnectionId, text: &str) {
        let _ = self.try_send(conn, text);
    }

    /// Queues a message. A client whose queue is full gets nothing more: answers may not be left out silently.
    fn try_send(&self, conn: ConnectionId, text: &str) -> Result<(), WsError> {
        let sent = self.sockets.send(conn, text);
        if sent == Err(WsError::Full) {
            self.close(conn, 1013, "slow consumer");
        }
        sent
    }

    fn close(&self, conn: ConnectionId, code: u16, reason: &str) {
        if self.sockets.close(conn, code, reason).is_err() {
            self.runtime.log(LogLevel::Debug, "a connection was gone before it was closed");
        }
    }

    fn keep_meta(&self, session: &Session) {
        if self.sockets.set_meta(session.id(), session.meta()).is_err() {
            self.runtime.log(LogLevel::Debug, "a connection was gone before its state was kept");
        }
    }

    fn session(&self, conn: ConnectionId) -> Option<Shared> {
        self.sessions().get(&conn).cloned()
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<ConnectionId, Shared>> {
        self.sessions.lock().expect("no holder of this lock panics")
    }

    fn lists(&self) -> Arc<Lists> {
        self.lists.read().expect("no holder of this lock panics").clone()
    }
}

fn lock(session: &Shared) -> MutexGuard<'_, Session> {
    session.lock().expect("no holder of this lock panics")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
