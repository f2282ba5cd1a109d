//! The social service, put together: `build` makes the graph and touches no network, `run` drives it, and a stop
//! drains it in the order of the data. It knows ports only; which backends stand behind them is the program's
//! choice.

mod upkeep;

use crate::{
    api::{self, Assembly, Swagger},
    blobs::Blobs,
    config::{Api, RateLimit, Social},
    journal::StoreJournal,
    live,
    shared::Shared,
    source::{self, Followups, PkarrDirectory, SourceParts, Sources},
    statics::{self, ImageLimits},
    text::TextReader,
    writer::{self, Grouping, WriterHandle, WriterParts, WriterThread},
};
use axum::Router;
use nexus_delivery::Tail;
use nexus_http::{AdminToken, ApiKeyConfig, BucketConfig, Layers, Paths, RateLimitConfig, RateLimiter, Readiness};
use nexus_journal::{Head, Journal};
use nexus_runtime::{Clock, Tasks};
use nexus_social::{
    index::{Index, Published},
    row::Label,
    search::FullText,
    store::{self, Store},
    writer::Writer,
};
use std::{io, path::PathBuf, sync::Arc};
use upkeep::Upkeep;

/// What the service stands on.
pub struct Parts {
    /// Its settings.
    pub config: Social,
    /// Where its truth is kept.
    pub store: Arc<dyn Store>,
    /// Words of posts.
    pub text: Arc<dyn FullText>,
    /// Where users' files are kept.
    pub files: PathBuf,
    /// The operator's token.
    pub admin: AdminToken,
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
    /// The directory of users' files, or a thread.
    #[error("the files of users can't be opened")]
    Files(#[from] io::Error),
    /// The sources.
    #[error("the sources can't be built")]
    Sources(#[from] source::BuildError),
    /// The journal.
    #[error("the journal can't be read")]
    Journal(#[from] nexus_journal::Error),
    /// Rate limits.
    #[error("the rate limits are not valid")]
    Limits(#[from] nexus_http::Error),
}

/// The service, ready to run.
pub struct Service {
    router: Router,
    sources: Sources,
    writer: WriterThread,
    tail: Tail,
    text: TextReader,
    upkeep: Upkeep,
    operator: Operator,
}

/// What jobs work with. It keeps the writer alive: whoever has one lets go of it at a stop.
#[derive(Clone)]
pub struct Operator {
    /// What is served.
    pub index: Arc<Published>,
    /// Who handles what jobs find out.
    pub writer: WriterHandle,
}

impl Service {
    /// Reads the store into the index and makes the graph. `progress` is told the number of rows read, now and
    /// then. Touches no network.
    ///
    /// # Errors
    /// If anything it stands on can't be opened or read.
    pub async fn build(parts: Parts, progress: impl FnMut(u64) + Send + 'static) -> Result<Self, BuildError> {
        let Parts { config, store, text, files, admin, readiness, clock } = parts;
        let blobs = Arc::new(Blobs::open(&files, config.blob_quota.get())?);
        let (index, head) = load(&store, progress).await?;
        let (index, head) = (Arc::new(Published::new(index)), Arc::new(Head::new(head)));
        let followups = Followups::pair();
        let (writer, thread) = writer::start(
            WriterParts {
                writer: Writer::new(Arc::new(config.policy())),
                store: Arc::clone(&store),
                blobs: Arc::clone(&blobs),
                clock: clock.clone(),
                publish: publisher(&index, &head),
                followups: followups.0.clone(),
            },
            Grouping { queue: config.queue.count(), group: config.group_limit.count() },
        )?;
        let source_parts = SourceParts {
            watcher: config.watcher.clone(),
            store: Arc::clone(&store),
            writer: writer.clone(),
            blobs: Arc::clone(&blobs),
            directory: Arc::new(PkarrDirectory::new(&config.watcher)),
            clock: clock.clone(),
            followups,
            readiness,
        };
        let sources = blocking(move || Sources::build(source_parts)).await?;
        let journal: Arc<dyn Journal> = Arc::new(StoreJournal::new(Arc::clone(&store), head));
        let tail = Tail::open(Arc::clone(&journal), Arc::new(live::Social), config.live.limits()).await?;
        let shared = Shared {
            index: Arc::clone(&index) as _,
            store: Arc::clone(&store),
            text: Arc::clone(&text),
            ingest: Arc::new(sources.ingestor()),
            clock: clock.clone(),
            moderated: config.moderated_tags.iter().map(|label| Label::from_valid(&label.to_lowercase())).collect(),
            files,
        };
        let router = router(&config.api, Arc::new(shared), admin, &tail, (&index, &blobs), &clock)?;
        let upkeep =
            Upkeep { store: Arc::clone(&store), index: Arc::clone(&index), blobs, clock, keep: config.keep_changes };
        let text = TextReader::new(text, store, journal, config.search.pace());
        Ok(Self { router, sources, writer: thread, tail, text, upkeep, operator: Operator { index, writer } })
    }

    /// What is served, at [`PATHS`](api::PATHS).
    pub fn router(&self) -> (Router, &'static [Paths]) {
        (self.router.clone(), api::PATHS)
    }

    /// What jobs work with.
    pub fn operator(&self) -> Operator {
        self.operator.clone()
    }

    /// Starts everything. At a stop the sources end first; the writer ends once nobody can hand it anything any
    /// more, which includes the routes that were given out.
    pub fn run(self, tasks: &Tasks) {
        let Self { sources, writer, tail, text, upkeep, .. } = self;
        tasks.spawn("social-writer", |_| writer.ended());
        tasks.spawn("social-live", |stop| tail.run(stop));
        tasks.spawn("social-text", |stop| text.run(stop));
        tasks.spawn("social-upkeep", |stop| upkeep.run(stop));
        sources.run(tasks);
    }
}

/// Builds the index on a thread that may block.
async fn load(
    store: &Arc<dyn Store>,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> store::Result<(Index, nexus_model::Seq)> {
    let store = Arc::clone(store);
    blocking(move || Index::load(&*store, &mut progress)).await
}

/// Runs what blocks where it may. A panic there is a panic here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// What is committed is applied to the index; only then does the head move, so that whoever hears of a change
/// finds it.
fn publisher(index: &Arc<Published>, head: &Arc<Head>) -> Box<dyn FnMut(nexus_social::writer::Committed) + Send> {
    let (index, head) = (Arc::clone(index), Arc::clone(head));
    Box::new(move |committed| {
        index.publish(&committed.effects);
        head.advance(committed.seq);
    })
}

fn router(
    config: &Api,
    shared: Arc<Shared>,
    admin: AdminToken,
    tail: &Tail,
    (index, blobs): (&Arc<Published>, &Arc<Blobs>),
    clock: &Clock,
) -> Result<Router, BuildError> {
    let images = ImageLimits {
        workers: config.image_workers.count(),
        max_pixels: config.max_image_pixels.get(),
        ..ImageLimits::default()
    };
    let layers = Layers {
        body_limit: config.max_body_size.count(),
        timeout: config.request_timeout.duration(),
        ..Layers::default()
    };
    Ok(api::router(Assembly {
        shared,
        layers,
        limiter: Arc::new(RateLimiter::new(&config.rate_limit.to_limits(), clock.clone())?),
        admin,
        live: live::routes(tail.clone()),
        statics: statics::routes(Arc::clone(index) as _, Arc::clone(blobs), images),
        swagger: if config.swagger { Swagger::Shown } else { Swagger::Hidden },
    }))
}

impl RateLimit {
    fn to_limits(&self) -> RateLimitConfig {
        RateLimitConfig {
            enabled: self.enabled,
            default_bucket: bucket(self.default_bucket.rate.get(), self.default_bucket.burst.get()),
            expensive_bucket: bucket(self.expensive_bucket.rate.get(), self.expensive_bucket.burst.get()),
            max_clients: self.max_clients.count(),
            api_keys: self.api_keys.iter().map(crate::config::ApiKey::to_key).collect(),
        }
    }
}

fn bucket(rate: u64, burst: u64) -> BucketConfig {
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    BucketConfig { rate: narrow(rate), burst: narrow(burst) }
}

impl crate::config::ApiKey {
    fn to_key(&self) -> ApiKeyConfig {
        let BucketConfig { rate, burst } = bucket(self.rate.get(), self.burst.get());
        let expensive = self.expensive_rate.or(self.expensive_burst).map(|_| {
            bucket(
                self.expensive_rate.map_or(self.rate.get(), |rate| rate.get()),
                self.expensive_burst.map_or(self.burst.get(), |burst| burst.get()),
            )
        });
        let key = self.key.as_ref().map(|key| key.expose().to_owned());
        ApiKeyConfig { name: self.name.clone(), key, sha256: self.sha256.clone(), rate, burst, expensive }
    }
}
