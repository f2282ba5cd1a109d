//! The sync service, put together: `build` makes the graph and touches no network, `run` drives it, and a stop
//! drains it in the order of the data. It knows the store's port only; which backend stands behind it is the program's
//! choice.

use crate::api::{Api, Delivery, Health, PATHS, Password};
use crate::config::Sync;
use crate::consumers::{Consumers, Desk, DeskParts};
use crate::expiry::{Expiry, OUTBOX};
use crate::measure::Meter;
use crate::refetch;
use crate::webhook::{Jitter, Tools, Webhook};
use crate::{SyncOutbox, WriterHandle, WriterThread, writer};
use axum::Router;
use nexus_config::Secret;
use nexus_delivery::channel::{Config, Driver, Handle, Settlement, Window};
use nexus_http::Paths;
use nexus_journal::Head;
use nexus_runtime::{Clock, Tasks};
use nexus_sync::rules::Rules;
use nexus_sync::store::{self, Store};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;

/// What the service stands on.
pub struct Parts {
    /// Its settings.
    pub config: Sync,
    /// Where its truth is kept.
    pub store: Arc<dyn Store>,
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
}

impl Service {
    /// Makes the graph. Touches no network.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn build(parts: Parts) -> Result<Self, BuildError> {
        let Parts { config, store, clock } = parts;
        let (source, now) = (Arc::clone(&store), clock.now());
        let (last, settled) = blocking(move || {
            nexus_sync::writer::resume(&*source, now)?;
            Ok::<_, store::Error>((source.last()?, SyncOutbox::settled(&*source, OUTBOX)?))
        })
        .await?;
        let (rules, head) = (Arc::new(config.rules()), Arc::new(Head::new(last)));
        let (handle, writer) = writer::start(Arc::clone(&store), Arc::clone(&rules), clock.clone(), Arc::clone(&head))?;
        let outbox = SyncOutbox::new(Arc::clone(&store), handle.clone(), Arc::clone(&head), OUTBOX);
        let (outbox, channel) = Driver::new(outbox, config.channel(), settled, clock.clone());
        let (desk, consumers) = config.desk(&store, &handle, head, &clock);
        let expiry = config.expiry(&store, &consumers, &clock);
        let webhook = config.webhook(&clock)?;
        let api = config.api(store, handle, channel, consumers);
        Ok(Self { api, writer, outbox, desk, webhook, expiry, rules })
    }

    /// What is served, at [`PATHS`] where the port is shared.
    pub fn router(&self) -> (Router, &'static [Paths]) {
        (self.api.clone().router(), PATHS)
    }

    /// Starts everything. At a stop the writer ends once nobody can hand it anything any more, which includes the
    /// routes that were given out.
    pub fn run(self, tasks: &Tasks) {
        let Self { api, writer, outbox, desk, webhook, expiry, rules } = self;
        let Api { store, writer: handle, channel, consumers, .. } = api;
        tasks.spawn("sync-writer", |_| writer.ended());
        tasks.spawn("sync-outbox", |stop| outbox.run(stop));
        tasks.spawn("sync-consumers", |stop| desk.run(stop));
        tasks.spawn("sync-expiry", |stop| expiry.run(stop));
        let meter = Meter { store: Arc::clone(&store), channel: channel.clone(), consumers };
        tasks.spawn("sync-meter", |stop| meter.run(stop));
        tasks.spawn("sync-settings", |stop| refetch::follow_settings(store, handle, rules, stop));
        if let Some((webhook, tools)) = webhook {
            tasks.spawn("sync-webhook", |stop| webhook.run(channel, tools, stop));
        }
    }
}

/// Runs what blocks where it may. A panic there is a panic here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// A number of milliseconds below a second that nobody foresees.
fn jitter() -> Jitter {
    Arc::new(|| RandomState::new().build_hasher().finish() % 1_000)
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
        Ok(Some((webhook, Tools { client, clock: clock.clone(), jitter: jitter() })))
    }

    fn api(&self, store: Arc<dyn Store>, writer: WriterHandle, channel: Handle<Arc<str>>, consumers: Consumers) -> Api {
        let health = if self.open_health.is_on() { Health::Open } else { Health::Guarded };
        let password = Password::new(self.admin_password.as_ref().map(Secret::expose), health);
        let delivery = if self.webhook.url.is_some() { Delivery::Webhook } else { Delivery::Channel };
        Api { store, writer, channel, consumers, password, delivery }
    }
}
