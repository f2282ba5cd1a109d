//! The social service, put together: `build` makes the graph and touches no network, `run` drives it, and a stop
//! drains it in the order of the data. It knows ports only; which backends stand behind them is the program's
//! choice.

mod expiry;

use crate::{
    api::{self, Assembly, Swagger},
    blobs::Blobs,
    config::{Job, Social},
    jobs::{Desk, Requests, TrustJob, Worker},
    journal::StoreJournal,
    keyed::Keyed,
    live,
    shared::{About, Shared},
    source::{self, Followups, FollowupsTold, Ingestor, PkarrDirectory, SourceParts, Sources},
    statics,
    sweep::sweep_orphans,
    text::TextReader,
    writer::{self, WriterHandle, WriterParts, WriterThread},
};
use axum::Router;
use expiry::Expiry;
use nexus_delivery::Tail;
use nexus_http::{AdminToken, Paths, RateLimiter, Readiness};
use nexus_journal::{Head, Journal};
use nexus_runtime::{Clock, Tasks, groups::Grouping};
use nexus_social::{
    index::{Index, Published},
    row::Label,
    search::FullText,
    store::{self, Store},
    writer::{Committed, Writer},
};
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What the service stands on.
pub struct Parts {
    /// Its settings.
    pub config: Social,
    /// When jobs run, and how long they may take.
    pub schedule: Job,
    /// How trust is computed.
    pub trust: TrustJob,
    /// Where its truth is kept.
    pub store: Arc<dyn Store>,
    /// Words of posts.
    pub text: Arc<dyn FullText>,
    /// Where users' files are kept.
    pub files: PathBuf,
    /// Where the key is kept by which the API may be reached.
    pub key_file: PathBuf,
    /// What the program is.
    pub about: About,
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
    /// The key by which the API is reached.
    #[error("the key of the API can't be used")]
    Key(#[source] io::Error),
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
    expiry: Expiry,
    blobs: Arc<Blobs>,
    keyed: Option<Keyed>,
    index: Arc<Published>,
    worker: Worker,
    stall: Duration,
}

impl Service {
    /// Reads the store into the index and makes the graph. `progress` is told the number of rows read, now and
    /// then. Touches no network.
    ///
    /// # Errors
    /// If anything it stands on can't be opened or read.
    pub async fn build(parts: Parts, progress: impl FnMut(u64) + Send + 'static) -> Result<Self, BuildError> {
        let blobs = Arc::new(Blobs::open(&parts.files, parts.config.blob_quota.get())?);
        let (index, head, logged) = load(&parts.store, progress).await?;
        let (index, head) = (Arc::new(Published::new(index)), Arc::new(Head::new(head)));
        let logged = Arc::new(AtomicU64::new(logged));
        let (followups, told) = Followups::pair();
        let (writer, thread) = parts.start_writer(&blobs, &followups, publisher(&index, &head, &logged))?;
        let directory = Arc::new(PkarrDirectory::new(&parts.config.watcher));
        let keyed = parts.keyed(&directory).map_err(BuildError::Key)?;
        let sources = parts.sources(&blobs, &writer, directory, (followups.clone(), told));
        let sources = blocking(move || Sources::build(sources)).await?;
        let journal: Arc<dyn Journal> = Arc::new(StoreJournal::new(Arc::clone(&parts.store), head));
        let limits = parts.config.live.limits();
        let tail = Tail::open(Arc::clone(&journal), Arc::new(live::Social), limits).await?;
        let deadline = parts.trust.deadline;
        let (desk, requests) = Desk::open(parts.schedule.cron.clone(), deadline, parts.clock.clone());
        let router = parts.router(Reach {
            index: &index,
            blobs: &blobs,
            tail: &tail,
            ingestor: sources.ingestor(),
            jobs: desk.clone(),
            logged,
            writer: writer.clone(),
            followups,
        })?;
        let worker = parts.worker(desk, requests, &index, writer);
        let (store, keep) = (Arc::clone(&parts.store), parts.config.keep_changes.get());
        let expiry = Expiry { store, clock: parts.clock, keep };
        let text = TextReader::new(parts.text, parts.store, journal, parts.config.search.pace());
        let stall = parts.config.api.stall.duration();
        Ok(Self { router, sources, writer: thread, tail, text, expiry, blobs, keyed, index, worker, stall })
    }

    /// What is served, at [`PATHS`](api::PATHS).
    pub fn router(&self) -> (Router, &'static [Paths]) {
        (self.router.clone(), api::PATHS)
    }

    /// How long a client may take nothing of an answer.
    pub const fn stall(&self) -> Duration {
        self.stall
    }

    /// The key by which the API is reached as well, if it is to be.
    pub const fn keyed(&self) -> Option<&Keyed> {
        self.keyed.as_ref()
    }

    /// Where jobs are asked for.
    pub fn desk(&self) -> Desk {
        self.worker.desk.clone()
    }

    /// Starts everything. At a stop the sources end first; the writer ends once nobody can hand it anything any
    /// more, which includes the routes that were given out.
    pub fn run(self, tasks: &Tasks) {
        let Self { sources, writer, tail, text, expiry, blobs, index, worker, .. } = self;
        let files: Arc<dyn statics::Catalogue> = index;
        tasks.spawn("social-jobs", |stop| worker.run(stop));
        tasks.spawn("social-writer", |_| writer.ended());
        tasks.spawn("social-live", |stop| tail.run(stop));
        tasks.spawn("social-text", |stop| text.run(stop));
        tasks.spawn("social-expiry", |stop| expiry.run(stop));
        tasks.spawn("social-sweep", |stop| sweep_orphans(blobs, files, stop));
        sources.run(tasks);
    }
}

/// Builds the index on a thread that may block. Gives how far the journal and the event log are in it.
async fn load(
    store: &Arc<dyn Store>,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> store::Result<(Index, nexus_model::Seq, u64)> {
    let store = Arc::clone(store);
    let load = move || {
        let (index, head) = Index::load(&*store, &mut progress)?;
        Ok((index, head, store.log_length()?))
    };
    blocking(load).await
}

/// Runs what blocks where it may. A panic there is a panic here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// What is committed is applied to the index; only then are its lines of the event log shown and does the head
/// move, so that whoever hears of a change finds it.
fn publisher(index: &Arc<Published>, head: &Arc<Head>, logged: &Arc<AtomicU64>) -> Box<dyn FnMut(Committed) + Send> {
    let (index, head, logged) = (Arc::clone(index), Arc::clone(head), Arc::clone(logged));
    Box::new(move |committed| {
        index.publish(&committed.effects);
        let lines: usize = committed.effects.iter().map(|effects| effects.log.len()).sum();
        logged.fetch_add(lines as u64, Ordering::Release);
        head.advance(committed.seq);
    })
}

/// What the routes reach.
struct Reach<'a> {
    index: &'a Arc<Published>,
    blobs: &'a Arc<Blobs>,
    tail: &'a Tail,
    ingestor: Ingestor,
    jobs: Desk,
    logged: Arc<AtomicU64>,
    writer: WriterHandle,
    followups: Followups,
}

impl Parts {
    fn start_writer(
        &self,
        blobs: &Arc<Blobs>,
        followups: &Followups,
        publish: Box<dyn FnMut(Committed) + Send>,
    ) -> io::Result<(WriterHandle, WriterThread)> {
        let parts = WriterParts {
            writer: Writer::new(Arc::new(self.config.policy())),
            store: Arc::clone(&self.store),
            blobs: Arc::clone(blobs),
            clock: self.clock.clone(),
            publish,
            followups: followups.clone(),
        };
        writer::start(parts, Grouping { queue: self.config.queue.count(), group: self.config.group_limit.count() })
    }

    fn keyed(&self, directory: &Arc<PkarrDirectory>) -> io::Result<Option<Keyed>> {
        Keyed::open(&self.config.keyed, &self.key_file, Arc::clone(directory), self.clock.clone())
    }

    fn sources(
        &self,
        blobs: &Arc<Blobs>,
        writer: &WriterHandle,
        directory: Arc<PkarrDirectory>,
        followups: (Followups, FollowupsTold),
    ) -> SourceParts {
        SourceParts {
            watcher: self.config.watcher.clone(),
            store: Arc::clone(&self.store),
            writer: writer.clone(),
            blobs: Arc::clone(blobs),
            directory,
            clock: self.clock.clone(),
            followups,
            readiness: self.readiness.clone(),
        }
    }

    fn worker(&self, desk: Desk, requests: Requests, index: &Arc<Published>, writer: WriterHandle) -> Worker {
        let (job, index) = (Arc::new(self.trust.clone()), Arc::clone(index));
        Worker { desk, requests, job, index, writer, clock: self.clock.clone() }
    }

    fn router(&self, reach: Reach<'_>) -> Result<Router, BuildError> {
        let Reach { index, blobs, tail, ingestor, jobs, logged, writer, followups } = reach;
        let moderated = self.config.moderated_tags.iter().map(|label| Label::from_valid(&label.to_lowercase()));
        let shared = Shared {
            index: Arc::clone(index) as _,
            store: Arc::clone(&self.store),
            text: Arc::clone(&self.text),
            ingest: Arc::new(ingestor),
            jobs,
            writer,
            followups,
            logged,
            clock: self.clock.clone(),
            moderated: moderated.collect(),
            hot_tags_around: self.config.api.hot_tags_around.count(),
            files: self.files.clone(),
            about: self.about,
        };
        let api = &self.config.api;
        Ok(api::router(Assembly {
            shared: Arc::new(shared),
            layers: api.layers(),
            limiter: Arc::new(RateLimiter::new(&api.rate_limit.to_limits(), self.clock.clone())?),
            admin: self.admin.clone(),
            live: live::routes(tail.clone()),
            statics: statics::routes(Arc::clone(index) as _, Arc::clone(blobs), api.image_limits()),
            swagger: if api.swagger { Swagger::Shown } else { Swagger::Hidden },
        }))
    }
}
