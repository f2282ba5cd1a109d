//! The relay, put together: `build` makes the graph and touches no network, `run` drives it, and a stop drains
//! the connections. It knows ports only; which store stands behind them is the
//! program's choice.

use crate::{
    adapters::{Native, NativeCache, NativeRelay, NativeRuntime, OutboxBounds, Sockets, WatchedStorage},
    config::Relay as Config,
    door::{Door, DoorLimits},
    hands::Hands,
    http,
    market::{self, JobFeed, Notifier},
    meters::Gauges,
    mirror::{LinkOptions, Router as Streams, Stream},
};
use axum::Router;
use nexus_http::Paths;
use nexus_journal::Head;
use nexus_nostr::SigningKey;
use nexus_relay::{
    Relay,
    market::JobQuery,
    ports::{Judge, StorageAdapter, StorageError},
};
use nexus_runtime::{CancellationToken, Clock, Tasks};
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::sync::{Notify, watch};

/// How long another relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often what waits too long is ended and what expired is removed.
const TICK: Duration = Duration::from_secs(1);
/// How often what takes longer to look at is measured.
const LOOK: Duration = Duration::from_secs(60);
/// How many of the newest jobs are looked at then.
const JOBS: usize = 10_000;

/// What the service stands on.
pub struct Parts<S> {
    /// Its settings.
    pub config: Config,
    /// Where events are kept. Its futures must not block.
    pub store: Arc<S>,
    /// Tells the time.
    pub clock: Clock,
    /// Who has the last word on events, if anybody.
    pub judge: Option<Box<dyn Judge>>,
    /// Threads that check signatures, and compressors that are kept ready.
    pub processors: usize,
}

/// Why the service can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store.
    #[error("the store can't be read")]
    Store(#[from] StorageError),
    /// The relay's own key.
    #[error("`relay.secret_key` is no secret key of 64 hexadecimal digits")]
    SecretKey,
    /// There is no key to sign with.
    #[error("`relay.market.notify_expiry` needs `relay.secret_key`")]
    NoKey,
    /// A thread.
    #[error("a thread can't be started")]
    Thread(#[from] io::Error),
}

/// The service, ready to run.
pub struct Service<S> {
    hands: Arc<Hands<S>>,
    router: Router,
    /// How far delivery has come.
    head: Arc<Head>,
    /// Told when there is something to deliver.
    committed: Arc<Notify>,
    jobs: Arc<JobFeed>,
    streams: watch::Sender<Vec<Stream>>,
}

impl<S: StorageAdapter + 'static> Service<S> {
    /// Makes the graph. Touches no network.
    ///
    /// # Errors
    /// If the store can't be read or a thread can't be started.
    pub async fn build(parts: Parts<S>) -> Result<Self, BuildError> {
        let Parts { config, store, clock, judge, processors } = parts;
        let own_key = config.own_key()?;
        if config.market.notify_expiry && own_key.is_none() {
            return Err(BuildError::NoKey);
        }
        let storage = WatchedStorage::new(store);
        let cache = NativeCache::new(config.cache.max_events.count(), clock.clone());
        let sockets = Sockets::new(config.outbox_bounds(), processors);
        let runtime = NativeRuntime::start(clock.clone(), processors.max(1))?;
        let ttl = config.cache.ttl_secs.get();
        let relay = Relay::open(storage, cache, sockets, runtime, config.settings(), ttl).await?;
        let head = Arc::new(Head::new(relay.delivered()));
        let told = head.clone();
        let relay = relay.with_observer(Box::new(move |seq| told.advance(seq)));
        let committed = Arc::new(Notify::new());
        let relay = relay.with_waker({
            let committed = committed.clone();
            Box::new(move || committed.notify_one())
        });
        let relay = Arc::new(match judge {
            Some(judge) => relay.with_judge(judge),
            None => relay,
        });
        let door = Door::new(DoorLimits::new(&config.connections, &config.rates));
        let (streams, _) = watch::channel(config.to_streams());
        let hands = Arc::new(Hands::new(relay.clone(), config, clock, door, own_key));
        let jobs = Arc::new(JobFeed::default());
        let market = market::router::<Native<S>>(relay, jobs.clone());
        let router = http::router(hands.clone(), market);
        Ok(Self { hands, router, head, committed, jobs, streams })
    }

    /// What is served, at the paths of its document and its socket.
    pub fn router(&self) -> (Router, &'static [Paths]) {
        (self.router.clone(), http::PATHS)
    }

    /// The relay itself: whoever writes to its store calls its `deliver` afterwards.
    pub fn relay(&self) -> Arc<NativeRelay<S>> {
        self.hands.relay().clone()
    }

    /// A hand on its settings, which works as long as it runs.
    pub fn reloader(&self) -> Reloader<S> {
        Reloader { hands: self.hands.clone(), streams: self.streams.clone() }
    }

    /// Starts everything.
    pub fn run(self, tasks: &Tasks) {
        let Self { hands, head, committed, jobs, streams, .. } = self;
        let damaged = hands.storage().damaged();
        tasks.spawn("relay-store", |stop| damage(damaged, stop));
        let relay = hands.relay().clone();
        tasks.spawn("relay-delivery", |stop| deliver(relay, committed, stop));
        let (relay, watch) = (hands.relay().clone(), head.watch());
        tasks.spawn("relay-jobs", |stop| jobs.run::<Native<S>>(relay, watch, stop));
        if let Some(key) = hands.own_key().filter(|_| hands.config().market.notify_expiry) {
            let notifier = Notifier::<Native<S>>::new(hands.relay().clone(), key.clone());
            let watch = head.watch();
            tasks.spawn("relay-notices", |stop| notifier.run(watch, stop));
        }
        let link = LinkOptions { key: hands.own_key().cloned(), patience: PATIENCE, clock: hands.clock().clone() };
        let router = Streams::<Native<S>>::new(hands.relay().clone(), head.watch(), link);
        tasks.spawn("relay-streams", |stop| router.run(streams.subscribe(), stop));
        tasks.spawn("relay-gauges", {
            let hands = hands.clone();
            |stop| measure(hands, stop)
        });
        tasks.spawn("relay-ticks", {
            let hands = hands.clone();
            |stop| tick(hands, stop)
        });
        tasks.spawn("relay-connections", |stop| async move {
            stop.cancelled().await;
            hands.drain().await;
            Ok::<_, Infallible>(())
        });
    }
}

/// Passes on what was committed, as long as somebody may be listening.
async fn deliver<S: StorageAdapter + 'static>(
    relay: Arc<NativeRelay<S>>,
    committed: Arc<Notify>,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    while stop.run_until_cancelled(committed.notified()).await.is_some() {
        relay.deliver().await;
    }
    Ok(())
}

/// Gives a running relay other settings.
pub struct Reloader<S> {
    hands: Arc<Hands<S>>,
    streams: watch::Sender<Vec<Stream>>,
}

impl<S: StorageAdapter + 'static> Reloader<S> {
    /// Makes `config` hold, without closing a connection: clients meet it with their next message. What can only be
    /// chosen at the start ([`Config::FIXED`]) stays as it is. A plugin goes on if its settings do, and so does each
    /// link of a stream. The administrators' lists are read again too. To be called on a runtime.
    ///
    /// # Errors
    /// If those lists can't be read; the rest holds nevertheless.
    pub async fn reload(&self, config: Config) -> Result<(), StorageError> {
        let before = self.hands.config();
        let config = config.with_fixed_of(&before);
        if config.plugin != before.plugin {
            self.hands.relay().set_judge(config.judge());
        }
        let streams = config.to_streams();
        self.hands.set_config(config);
        self.streams.send_replace(streams);
        self.hands.relay().reload_lists().await
    }
}

/// Fails when the store was found to be damaged.
async fn damage(damaged: CancellationToken, stop: CancellationToken) -> Result<(), StorageError> {
    match stop.run_until_cancelled(damaged.cancelled()).await {
        Some(()) => Err(StorageError::Damaged("see the log")),
        None => Ok(()),
    }
}

/// Lets time pass. A store that fails for now is tried again.
async fn tick<S: StorageAdapter + 'static>(hands: Arc<Hands<S>>, stop: CancellationToken) -> Result<(), StorageError> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        hands.relay().sockets().beat();
        observe(&hands);
        match hands.relay().tick().await {
            Err(error) if error.is_retryable() => {
                tracing::error!(error = &error as &dyn std::error::Error, "expired events were not removed");
            }
            result => result?,
        }
    }
    Ok(())
}

/// Tells now and then how large the store is, and where jobs stand. A store that fails is told of elsewhere.
async fn measure<S: StorageAdapter + 'static>(hands: Arc<Hands<S>>, stop: CancellationToken) -> Result<(), Infallible> {
    let (mut gauges, mut looks) = (Gauges::default(), tokio::time::interval(LOOK));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(looks.tick()).await.is_some() {
        let now = hands.clock().now().into();
        let newest = JobQuery { limit: JOBS, now, ..JobQuery::default() };
        if let Ok(bytes) = hands.storage().bytes().await {
            gauges.bytes(bytes);
        }
        if let Ok(jobs) = hands.storage().jobs(&newest).await {
            gauges.jobs(&jobs, now);
        }
    }
    Ok(())
}

fn observe<S: StorageAdapter + 'static>(hands: &Hands<S>) {
    let sockets = hands.relay().sockets();
    metrics::gauge!("nexus_connections").set(sockets.len() as f64);
    metrics::gauge!("nexus_authenticated_sessions").set(sockets.authenticated() as f64);
    metrics::gauge!("nexus_subscriptions").set(hands.relay().cache().subscriptions() as f64);
}

impl Config {
    /// The relay's own key, if it has one.
    ///
    /// # Errors
    /// If what is configured is none.
    pub fn own_key(&self) -> Result<Option<SigningKey>, BuildError> {
        let read = |text: &str| SigningKey::from_bytes(hex::decode(text).ok()?.try_into().ok()?).ok();
        let key = self.secret_key.as_ref().map(|secret| read(secret.expose()).ok_or(BuildError::SecretKey));
        key.transpose()
    }

    fn to_streams(&self) -> Vec<Stream> {
        self.streams.iter().map(crate::config::Stream::to_mirror).collect()
    }

    pub(crate) fn outbox_bounds(&self) -> OutboxBounds {
        let connections = &self.connections;
        OutboxBounds {
            soft: connections.outbound.count(),
            hard: connections.outbound_most.count(),
            ping: connections.ping.duration().as_secs(),
            idle: connections.idle.duration().as_secs(),
            message: connections.message_time.duration().as_secs(),
            compress_from: connections.compress_from.count(),
        }
    }
}
