//! What everything in the server shares: the relay, its settings, and the way to the end.

use crate::{
    adapters::{NativeRelay, WatchedStorage},
    config::Relay as Config,
    door::{Door, DoorLimits, Refused, Seat},
    meters::ClientVerbs,
};
use metrics::Histogram;
use nexus_model::Timestamp;
use nexus_nostr::SigningKey;
use nexus_relay::{ports::StorageAdapter, settings::Settings};
use nexus_runtime::Clock;
use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What connections and routes work with.
pub(crate) struct Hands<S> {
    relay: Arc<NativeRelay<S>>,
    config: RwLock<Arc<Config>>,
    clock: Clock,
    door: Arc<Door>,
    verbs: ClientVerbs,
    admitted: Histogram,
    began: Timestamp,
    own_key: Option<SigningKey>,
    /// Cancelled when nobody is let in any more, and those inside are told.
    stop: CancellationToken,
    connections: TaskTracker,
}

impl<S: StorageAdapter + 'static> Hands<S> {
    pub(crate) fn new(
        relay: Arc<NativeRelay<S>>,
        config: Config,
        clock: Clock,
        door: Door,
        own_key: Option<SigningKey>,
    ) -> Self {
        Self {
            relay,
            config: RwLock::new(Arc::new(config)),
            began: clock.now(),
            own_key,
            clock,
            door: Arc::new(door),
            verbs: ClientVerbs::new(),
            admitted: metrics::histogram!("nexus_event_admit_seconds"),
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    pub(crate) const fn relay(&self) -> &Arc<NativeRelay<S>> {
        &self.relay
    }

    pub(crate) fn storage(&self) -> &WatchedStorage<S> {
        self.relay.storage()
    }

    /// The configuration, as it is now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another configuration: it holds from here on.
    pub(crate) fn set_config(&self, config: Config) {
        self.door.set_limits(DoorLimits::new(&config.connections, &config.rates));
        self.relay.sockets().set_bounds(config.outbox_bounds());
        self.relay.set_settings(config.settings());
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.relay.settings()
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) const fn began(&self) -> Timestamp {
        self.began
    }

    /// The relay's own key, if it has one.
    pub(crate) const fn own_key(&self) -> Option<&SigningKey> {
        self.own_key.as_ref()
    }

    pub(crate) const fn verbs(&self) -> &ClientVerbs {
        &self.verbs
    }

    /// Messages that came together were handled in this time.
    pub(crate) fn admitted(&self, time: Duration) {
        self.admitted.record(time.as_secs_f64());
    }

    /// A place for a client from `ip`.
    pub(crate) fn enter(&self, ip: IpAddr) -> Result<Seat, Refused> {
        if self.stop.is_cancelled() {
            return Err(Refused::Full);
        }
        self.door.enter(ip, self.clock.now())
    }

    /// Starts a connection's task.
    pub(crate) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.connections.spawn(connection);
    }

    /// Waits until the relay stops.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Tells every client that the relay stops, and gives them time to take what is left for them.
    pub(crate) async fn drain(&self) {
        self.stop.cancel();
        self.connections.close();
        let patience = self.config().connections.drain.duration();
        if tokio::time::timeout(patience, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "cut connections that did not end in time");
            self.relay.sockets().cut();
            self.connections.wait().await;
        }
    }
}
