//! Reading homeservers: what the operator configured, whole; what users of other homeservers write, by user.
//!
//! Everything is fetched concurrently and handed to the writer in the order of its log. Nothing here decides what
//! an event means, and nothing is believed that `nexus-pubky` has not verified.

mod carry;
mod client;
mod directory;
mod fetch;
mod homeserver;
mod in_flight;
pub(crate) mod measure;
mod neighbourhood;
mod pause;
mod raw_key;
mod resolve;
mod retry;
mod user_logs;
mod whole_log;

pub use directory::{At, Directory, DirectoryError, PkarrDirectory, Route, Security};
pub use resolve::{IngestError, Ingested, Ingestor};

use crate::{
    blobs::Blobs,
    config::{Network as Networks, Watcher},
    writer::WriterHandle,
};
use carry::Carrier;
use client::{Client, Limits};
use fetch::Fetcher;
use homeserver::{Homeserver, Network};
use in_flight::InFlight;
use neighbourhood::{Manners, Neighbourhood};
use nexus_http::{Condition, Readiness};
use nexus_outgoing::ChosenBy;
use nexus_pubky::{PubkyId, Schema};
use nexus_runtime::{Clock, Tasks};
use nexus_social::store::{self, Store};
use pause::{Backoff, Polling};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use user_logs::{Habits, UserLogs};
use whole_log::WholeLog;

/// A user whom an input named for the first time.
pub(crate) type Hint = PubkyId;

/// Hints that wait to be looked up; more are dropped, since the next mention hints again.
const HINTS: usize = 4096;

/// What the writer's verdicts ask of the sources: retries that became due, users to look up.
#[derive(Clone, Debug)]
pub struct Followups {
    hints: mpsc::Sender<Hint>,
    freed: Arc<Notify>,
}

/// The sources' end of [`Followups`].
#[derive(Debug)]
pub struct FollowupsTold {
    hints: mpsc::Receiver<Hint>,
}

impl Followups {
    /// A pair: one end for the writer, one for the sources.
    pub fn pair() -> (Self, FollowupsTold) {
        let (hints, told) = mpsc::channel(HINTS);
        (Self { hints, freed: Arc::default() }, FollowupsTold { hints: told })
    }

    pub(crate) fn tell(&self, has_freed: bool, ingest: &[PubkyId]) {
        for user in ingest {
            if self.hints.try_send(*user).is_err() {
                measure::resolved("hint_dropped");
            }
        }
        if has_freed {
            self.wake();
        }
    }

    /// Has the retry queue looked at.
    pub(crate) fn wake(&self) {
        self.freed.notify_one();
    }

    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }
}

/// What the sources work with.
pub struct SourceParts {
    /// The section `[social.watcher]`.
    pub watcher: Watcher,
    /// Where cursors, mappings and retries are read.
    pub store: Arc<dyn Store>,
    /// Who handles what is read.
    pub writer: WriterHandle,
    /// Where files' bytes go.
    pub blobs: Arc<Blobs>,
    /// Who knows where users and homeservers are.
    pub directory: Arc<dyn Directory>,
    /// Tells the time.
    pub clock: Clock,
    /// What the writer's verdicts ask for.
    pub followups: (Followups, FollowupsTold),
    /// Learns when each configured homeserver has once been read to its head.
    pub readiness: Readiness,
}

/// Why the sources can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A homeserver's URL.
    #[error("{url} is not a base URL: {cause}")]
    Url {
        /// The URL.
        url: String,
        /// Why not.
        cause: url::ParseError,
    },
    /// TLS.
    #[error("no TLS")]
    Tls(#[from] rustls::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The sources, ready to run.
pub struct Sources {
    watcher: Watcher,
    store: Arc<dyn Store>,
    carrier: Arc<Carrier>,
    followups: (Followups, FollowupsTold),
    behind: Vec<Condition>,
}

impl Sources {
    /// Builds the sources and reads the stored mappings; blocks while it does. Touches no network.
    ///
    /// # Errors
    /// If a URL is none, or the store fails.
    pub fn build(parts: SourceParts) -> Result<Self, BuildError> {
        let SourceParts { watcher, store, writer, blobs, directory, clock, followups, readiness } = parts;
        measure::begin();
        let neighbourhood = neighbourhood(&watcher, Arc::clone(&directory))?;
        neighbourhood.load(&*store)?;
        let behind = |at: &Arc<Homeserver>| readiness.register(format!("social: {}", at.name));
        let behind = neighbourhood.primaries.iter().map(behind).collect();
        let patience = watcher.request_timeout.duration();
        let limits = Limits {
            patience,
            page: watcher.max_page_size.count(),
            record: watcher.max_record_size.count(),
            blob: watcher.max_file_size.get(),
        };
        let client = Client::new(Network::new(directory, patience)?, limits);
        let schema = Schema { max_bytes: limits.record };
        let fetcher = Fetcher { client, neighbourhood: Arc::new(neighbourhood), blobs, schema };
        let fetches = watcher.fetches.count();
        let carrier = Arc::new(Carrier { fetcher, writer, in_flight: InFlight::default(), clock, fetches });
        Ok(Self { watcher, store, carrier, followups, behind })
    }

    /// Takes in users by their key.
    pub fn ingestor(&self) -> Ingestor {
        Ingestor(Arc::clone(&self.carrier))
    }

    /// Starts reading. Every task ends when `tasks` stops.
    pub fn run(self, tasks: &Tasks) {
        let Self { watcher, store, carrier, followups: (followups, told), behind, .. } = self;
        let ingestor = Ingestor(Arc::clone(&carrier));
        for (at, catching_up) in carrier.fetcher.neighbourhood.primaries.iter().zip(behind) {
            let log = whole_log(&watcher, Arc::clone(at), &carrier, &store, catching_up);
            tasks.spawn("social-log", |stop| log.follow(stop));
        }
        if watcher.follow_external {
            let (habits, followups) = (habits(&watcher), followups.clone());
            let logs = UserLogs { carrier: Arc::clone(&carrier), store: Arc::clone(&store), habits };
            tasks.spawn("social-external", |stop| logs.follow(stop));
            let taking_in = ingestor.clone();
            tasks.spawn("social-ingest", |stop| resolve::take_in(taking_in, told.hints, followups, stop));
            let (interval, ttl) = (watcher.resolver_interval.duration(), watcher.resolver_ttl.duration());
            let resolver = resolve::Resolver { ingestor, store: Arc::clone(&store), interval, ttl };
            tasks.spawn("social-resolver", |stop| resolver.run(stop));
        }
        let interval = watcher.retry.interval.duration();
        let retries = retry::Retries { carrier, store, interval, followups };
        tasks.spawn("social-retries", |stop| retries.run(stop));
    }
}

fn neighbourhood(watcher: &Watcher, directory: Arc<dyn Directory>) -> Result<Neighbourhood, BuildError> {
    let requests = watcher.fetches.count();
    let primary = |at: &crate::config::HomeserverAt| {
        let built = Homeserver::configured(at, requests);
        built.map(Arc::new).map_err(|cause| BuildError::Url { url: at.to_string(), cause })
    };
    let primaries = watcher.homeservers.iter().map(primary).collect::<Result<_, _>>()?;
    let strangers = match watcher.private_networks {
        Networks::Refuse => ChosenBy::Stranger,
        Networks::Allow => ChosenBy::Operator,
    };
    let blacklist = watcher.blacklist.iter().map(|key| key.0.to_string()).collect();
    let answer_holds = watcher.resolver_interval.duration();
    Ok(Neighbourhood::new(primaries, directory, Manners { blacklist, strangers, requests, answer_holds }))
}

fn whole_log(
    watcher: &Watcher,
    at: Arc<Homeserver>,
    carrier: &Arc<Carrier>,
    store: &Arc<dyn Store>,
    catching_up: Condition,
) -> WholeLog {
    let polling = Polling { shortest: watcher.poll_min.duration(), longest: watcher.poll_max.duration() };
    WholeLog {
        at,
        carrier: Arc::clone(carrier),
        store: Arc::clone(store),
        polling,
        // A configured homeserver is worth asking again soon: at first as often as a quiet one is.
        backoff: Backoff::new(polling.longest, watcher.initial_backoff.duration()),
        limit: watcher.events_limit.count(),
        pages_ahead: watcher.pages_ahead.count(),
        catching_up,
    }
}

fn habits(watcher: &Watcher) -> Habits {
    Habits {
        homeservers: watcher.monitored_homeservers_limit.count(),
        users: watcher.stream_users.count(),
        batch: watcher.key_based_events_limit.count(),
        interval: watcher.external_interval.duration(),
        backoff: Backoff::new(watcher.initial_backoff.duration(), watcher.max_backoff.duration()),
    }
}

/// Asks the store on a thread that may block.
async fn stored<T: Send + 'static>(
    store: &Arc<dyn Store>,
    ask: impl FnOnce(&dyn Store) -> store::Result<T> + Send + 'static,
) -> store::Result<T> {
    let store = Arc::clone(store);
    let asked = tokio::task::spawn_blocking(move || ask(&*store)).await;
    asked.unwrap_or_else(|panic| Err(store::Error::Damaged(panic.to_string())))
}
