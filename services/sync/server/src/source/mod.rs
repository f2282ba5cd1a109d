//! Where events come from: relays that are followed, repos that are fetched, lists of repos that are read; and the
//! identities without which none of it can be verified.
//!
//! Everything is verified by `nexus-atproto` and decided by the writer. Nothing here says what an event means.

mod alarm;
mod firehose;
mod identity;
mod listing;
mod measure;
mod patience;
mod resync;
pub mod settings;
mod turnstile;

pub use identity::{Identities, Unresolved};
pub use settings::Settings;

use crate::WriterHandle;
use alarm::{Alarm, Raised};
use firehose::{Firehose, Stream};
use identity::Means;
use listing::{Listing, Place};
use nexus_http::Readiness;
use nexus_outgoing::Manners;
use nexus_runtime::{Clock, Tasks};
use nexus_sync::rules::Rules;
use nexus_sync::store::{self, Store};
use resync::Resyncer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a server may think before it answers, and between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(30);

/// A random number below the one that is given.
pub type Random = Arc<dyn Fn(u64) -> u64 + Send + Sync>;

/// Whether there is room for more history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// There is.
    #[default]
    Open,
    /// Consumers have too much to catch up with: fetched repos wait. Live events never do.
    Full,
}

/// What the sources work with.
pub struct Parts {
    /// The operator's choices.
    pub settings: Settings,
    /// Which repos are tracked.
    pub rules: Arc<Rules>,
    /// Where repos, identities and positions are read.
    pub store: Arc<dyn Store>,
    /// Who decides about what was verified.
    pub writer: WriterHandle,
    /// Tells the time.
    pub clock: Clock,
    /// Keeps those apart who failed together.
    pub random: Random,
    /// Learns of each relay whether it can be reached.
    pub readiness: Readiness,
    /// Whether there is room for more history.
    pub room: watch::Receiver<Room>,
}

/// Why the sources can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// TLS can't be set up.
    #[error("no TLS")]
    Tls(#[from] reqwest::Error),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The sources, ready to run.
pub struct Sources {
    parts: Parts,
    identities: Identities,
    streams: Vec<Arc<Stream>>,
    listing: Option<Listing>,
    resyncer: Resyncer,
    raised: Raised,
}

impl Sources {
    /// Reads where each relay was read to; blocks while it does. Touches no network.
    ///
    /// # Errors
    /// If TLS can't be set up, or the store fails.
    pub fn new(parts: Parts) -> Result<Self, BuildError> {
        let (alarm, raised) = Alarm::new();
        let manners = Manners { silence: SILENCE, ..Manners::new(&parts.settings.user_agent) };
        let means = Means {
            store: Arc::clone(&parts.store),
            writer: parts.writer.clone(),
            clock: parts.clock.clone(),
            alarm: alarm.clone(),
        };
        let identities = Identities::new(&parts.settings, &manners, means)?;
        let streams = firehose::streams(&parts.settings, &*parts.store, &parts.readiness)?;
        let listing = Listing::new(&parts.settings, &manners, means_of_listing(&parts))?;
        let resyncer = Resyncer::new(&parts, &manners, &identities, &alarm)?;
        Ok(Self { parts, identities, streams, listing, resyncer, raised })
    }

    /// Who accounts are: also of use to a service that runs no sources.
    pub fn identities(&self) -> Identities {
        self.identities.clone()
    }

    /// How far relays and lists were read.
    pub fn cursors(&self) -> Cursors {
        Cursors { streams: self.streams.clone(), list: self.listing.as_ref().map(Listing::place) }
    }

    /// Starts everything as tasks, which end in the order of the data when `tasks` stop. To be called in a runtime,
    /// and after `nexus_sync::writer::resume`.
    pub fn run(self, tasks: &Tasks) {
        let Self { parts, identities, streams, listing, resyncer, mut raised } = self;
        tasks.spawn("sync-resync", |stop| resyncer.run(stop));
        if let Some(listing) = listing {
            tasks.spawn("sync-listing", |stop| listing.run(stop));
        }
        let Parts { settings, rules, store, writer, clock, random, .. } = parts;
        let closing = identities.clone();
        Firehose { settings, rules, store, writer, identities, clock, random, streams }.start(tasks);
        tasks.spawn("sync-sources", |stop| async move {
            let ended = tokio::select! {
                error = raised.heard() => error.map_or(Ok(()), Err),
                () = stop.cancelled() => Ok(()),
            };
            closing.close();
            ended
        });
    }
}

fn means_of_listing(parts: &Parts) -> listing::Means {
    listing::Means {
        rules: Arc::clone(&parts.rules),
        store: Arc::clone(&parts.store),
        writer: parts.writer.clone(),
        clock: parts.clock.clone(),
        random: Arc::clone(&parts.random),
    }
}

/// How far relays and lists were read. Clones look at the same.
#[derive(Clone, Debug)]
pub struct Cursors {
    streams: Vec<Arc<Stream>>,
    list: Option<Place>,
}

impl Cursors {
    /// The position of the first relay up to which everything is durable; 0 before the first message.
    pub fn firehose(&self) -> i64 {
        self.streams.first().map_or(0, |stream| stream.durable())
    }

    /// Where the first relay's list of repos was read to; empty if none is read, or it was read to its end.
    pub fn list(&self) -> String {
        self.list.as_ref().map(Place::get).unwrap_or_default()
    }

    /// The position for every relay, by its URL.
    pub fn relays(&self) -> Vec<(Arc<str>, i64)> {
        self.streams.iter().map(|stream| (stream.relay(), stream.durable())).collect()
    }
}

/// A failure by its innermost cause, which says what it was about.
fn described(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
