//! The sync service, put together: `build` makes the graph and touches no network, `run` drives it, and a stop
//! drains it in the order of the data. It knows the store's port only; which backend stands behind it is the program's
//! choice.

use crate::api::{Api, Delivery, Health, Means, PATHS, Password};
use crate::config::{NameHost, Sync};
use crate::consumers::{Consumers, Desk, DeskParts};
use crate::expiry::{Expiry, OUTBOX};
use crate::measure::Meter;
use crate::refetch;
use crate::room::Gauge;
use crate::source::settings::CursorSaving;
use crate::source::{self, Sources, settings};
use crate::webhook::{Tools, Webhook};
use crate::{SyncOutbox, WriterHandle, WriterThread, writer};
use axum::Router;
use nexus_config::Secret;
use nexus_delivery::channel::{Config, Driver, Settlement, Window};
use nexus_http::{Paths, Readiness};
use nexus_journal::Head;
use nexus_outgoing::ChosenBy;
use nexus_runtime::{CancellationToken, Clock, Tasks};
use nexus_sync::rules::{Network, Rules};
use nexus_sync::store::{self, Store};
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What the service stands on.
pub struct Parts {
    /// Its settings.
    pub config: Sync,
    /// Where its truth is kept.
    pub store: Arc<dyn Store>,
    /// Where large repos are set aside while they are fetched.
    pub folder: PathBuf,
    /// What `/ready` waits for.
    pub readiness: Readiness,
    /// Tells the time.
    pub clock: Clock,
}

/// Why the service can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store.
    #[error("the store can't be read")]
    Store(#[from] store::Error),
    /// The writer's thread.
    #[error("the writer can't be started")]
    Writer(#[from] io::Error),
    /// The sources.
    #[error("the sources can't be built")]
    Sources(#[from] source::BuildError),
    /// The client of the webhook.
    #[error("the webhook's client can't be made")]
    Webhook(#[from] reqwest::Error),
}

/// The service, ready to run.
pub struct Service {
    api: Api,
    writer: WriterThread,
    outbox: Driver<SyncOutbox>,
    desk: Desk,
    webhook: Option<(Webhook, Tools)>,
    expiry: Expiry,
    rules: Arc<Rules>,
    sources: Option<Sources>,
    room: Gauge,
}

impl Service {
    /// Makes the graph. Touches no network.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn build(parts: Parts) -> Result<Self, BuildError> {
        let Parts { config, store, folder, readiness, clock } = parts;
        let (source, now) = (Arc::clone(&store), clock.now());
        let (last, settled, repos) = blocking(move || {
            nexus_sync::writer::resume(&*source, now)?;
            Ok::<_, store::Error>((source.last()?, SyncOutbox::settled(&*source, OUTBOX)?, source.counts()?.repos))
        })
        .await?;
        let (rules, head) = (Arc::new(config.rules()), Arc::new(Head::new(last)));
        let (handle, writer) = writer::start(Arc::clone(&store), Arc::clone(&rules), clock.clone(), Arc::clone(&head))?;
        let outbox = SyncOutbox::new(Arc::clone(&store), handle.clone(), Arc::clone(&head), OUTBOX);
        let (outbox, channel) = Driver::new(outbox, config.channel(), settled, clock.clone());
        let (desk, consumers) = config.desk(&store, &handle, head, &clock);
        let expiry = config.expiry(&store, &consumers, &clock);
        let webhook = config.webhook(&clock)?;
        let is_needed = repos > 0 || rules.network != Network::Asked;
        let (room, told) = Gauge::new(channel.clone(), config.outbox_capacity.get());
        let sources = source::Parts {
            settings: config.sources(folder),
            rules: Arc::clone(&rules),
            store: Arc::clone(&store),
            writer: handle.clone(),
            clock: clock.clone(),
            random: Arc::new(below),
            // A relay that nobody needs yet is not waited for.
            readiness: if is_needed && !config.outbox_only.is_on() { readiness } else { Readiness::default() },
            room: told,
        };
        let sources = blocking(move || Sources::new(sources)).await?;
        let (identities, cursors) = (sources.identities(), sources.cursors());
        let sources = (!config.outbox_only.is_on()).then_some(sources);
        let added = Arc::new(Notify::new());
        if is_needed {
            added.notify_one();
        }
        let api = config.api(Means { store, writer: handle, channel, consumers, identities, cursors, added, clock });
        Ok(Self { api, writer, outbox, desk, webhook, expiry, rules, sources, room })
    }

    /// What is served, at [`PATHS`] where the port is shared.
    pub fn router(&self) -> (Router, &'static [Paths]) {
        (self.api.clone().router(), PATHS)
    }

    /// Starts everything. At a stop the writer ends once nobody can hand it anything any more, which includes the
    /// routes that were given out.
    pub fn run(self, tasks: &Tasks) {
        let Self { api, writer, outbox, desk, webhook, expiry, rules, sources, room } = self;
        let Means { store, writer: handle, channel, consumers, added, clock, .. } = api.means;
        tasks.spawn("sync-writer", |_| writer.ended());
        tasks.spawn("sync-outbox", |stop| outbox.run(stop));
        tasks.spawn("sync-consumers", |stop| desk.run(stop));
        tasks.spawn("sync-expiry", |stop| expiry.run(stop));
        let meter = Meter { store: Arc::clone(&store), channel: channel.clone(), consumers, clock };
        tasks.spawn("sync-meter", |stop| meter.run(stop));
        tasks.spawn("sync-settings", |stop| refetch::follow_settings(store, handle, rules, stop));
        tasks.spawn("sync-room", |stop| room.run(stop));
        if let Some(sources) = sources {
            let started = tasks.clone();
            tasks.spawn("sync-start", |stop| start_when_needed(sources, added, started, stop));
        }
        if let Some((webhook, tools)) = webhook {
            tasks.spawn("sync-webhook", |_| webhook.run(channel, tools));
        }
    }
}

/// Runs what blocks where it may. A panic there is a panic here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Follows nobody before there is a repo to follow: a relay's stream is tens of gigabytes a day.
async fn start_when_needed(
    sources: Sources,
    added: Arc<Notify>,
    tasks: Tasks,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    if stop.run_until_cancelled(added.notified()).await.is_some() {
        sources.run(&tasks);
    }
    Ok(())
}

/// A number below `bound` that nobody foresees.
fn below(bound: u64) -> u64 {
    RandomState::new().build_hasher().finish() % bound.max(1)
}

impl Sync {
    fn channel(&self) -> Config {
        let (settlement, window) = match &self.webhook.url {
            // A request that takes long is not sent twice: it fails or it is answered.
            Some(_) => (Settlement::Acknowledged { retry_millis: None }, self.requests()),
            None => (self.settlement(), Window::default()),
        };
        let max_bytes = self.outbox_memory.count();
        Config { settlement, window, max_events: self.outbox_capacity.count(), max_bytes, ..Config::default() }
    }

    /// When an event on a WebSocket counts as settled.
    fn settlement(&self) -> Settlement {
        let retry_millis = Some(i64::try_from(self.retry_timeout.get()).unwrap_or(i64::MAX));
        if self.disable_acks.is_on() { Settlement::Written } else { Settlement::Acknowledged { retry_millis } }
    }

    /// How many events of a webhook are under way at once.
    fn requests(&self) -> Window {
        Window::fixed(64 * self.outbox_parallelism.count() * self.webhook.batch.count())
    }

    fn desk(&self, store: &Arc<dyn Store>, writer: &WriterHandle, head: Arc<Head>, clock: &Clock) -> (Desk, Consumers) {
        let max_bytes = self.consumers.memory.count();
        let config = Config { settlement: self.settlement(), max_bytes, ..Config::default() };
        Desk::new(DeskParts {
            store: Arc::clone(store),
            writer: writer.clone(),
            head,
            config,
            max: self.consumers.max.count(),
            clock: clock.clone(),
        })
    }

    fn expiry(&self, store: &Arc<dyn Store>, consumers: &Consumers, clock: &Clock) -> Expiry {
        Expiry {
            store: Arc::clone(store),
            consumers: consumers.clone(),
            clock: clock.clone(),
            age: self.retain.age.get(),
            size: self.retain.size.get(),
        }
    }

    fn webhook(&self, clock: &Clock) -> Result<Option<(Webhook, Tools)>, BuildError> {
        let Some(url) = &self.webhook.url else { return Ok(None) };
        let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        let webhook = Webhook {
            url: url.to_string(),
            password: exposed(&self.admin_password),
            secret: exposed(&self.webhook.secret),
            user_agent: self.spoken().user_agent().to_owned(),
            batch: self.webhook.batch.count(),
        };
        let client = reqwest::Client::builder().build()?;
        Ok(Some((webhook, Tools { client, clock: clock.clone(), jitter: Arc::new(|| below(1_000)) })))
    }

    fn api(&self, means: Means) -> Api {
        let health = if self.open_health.is_on() { Health::Open } else { Health::Guarded };
        let password = Password::new(self.admin_password.as_ref().map(Secret::expose), health);
        let delivery = if self.webhook.url.is_some() { Delivery::Webhook } else { Delivery::Channel };
        Api { means, password, delivery }
    }

    fn sources(&self, folder: PathBuf) -> source::Settings {
        let relays = self.relay_url.all().iter().map(ToString::to_string).collect();
        let mut sources = source::Settings::new(relays, self.plc_url.as_str(), folder, self.spoken().user_agent());
        if self.allows_private_networks() {
            sources.strangers = ChosenBy::Operator;
        }
        let interval = self.cursor_save_interval.duration();
        sources.firehose.workers = self.firehose_parallelism.count();
        sources.firehose.in_work = self.firehose_in_work.count();
        sources.firehose.max_message = self.firehose_message.count();
        sources.firehose.silence = self.firehose_silence.duration();
        sources.firehose.cursor = if interval.is_zero() { CursorSaving::Never } else { CursorSaving::Every(interval) };
        sources.firehose.start = if self.no_replay.is_on() { settings::Start::Head } else { settings::Start::Resume };
        sources.identity.cache = self.ident_cache_size.count();
        sources.identity.requests = self.plc_parallelism.count();
        sources.identity.rate = u32::try_from(self.plc_rate.get()).unwrap_or(u32::MAX);
        sources.identity.name_hosts = self.name_hosts.iter().map(NameHost::parts).collect();
        let timeout = self.repo_fetch_timeout.duration();
        sources.resync.timeout = if timeout.is_zero() { Duration::from_secs(30) } else { timeout };
        sources.resync.workers = self.resync_parallelism.count();
        sources.resync.per_server = self.pds_parallelism.count();
        sources.resync.memory = self.repo_memory.count();
        sources.resync.max_repo = self.repo_size.get();
        sources.resync.max_blocks = self.repo_blocks.count();
        sources.resync.large = self.repo_large.get();
        sources
    }
}
