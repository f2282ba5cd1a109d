//! Following relays: each is read by a task of its own, messages are verified on a few threads by account, and what
//! was verified is handed to the writer in groups.
//!
//! A message is in work from its arrival until it is durable, or until it turned out that nothing is to be done. Each
//! relay may have so many bytes in work; positions follow what is durable and pass nothing.

mod committer;
mod doubts;
mod relay;
mod shard;
mod stream;
mod tide;

pub(super) use stream::Stream;

use super::identity::Identities;
use super::settings::{CursorSaving, Settings, Start};
use super::{BuildError, Random, measure};
use crate::WriterHandle;
use committer::Committer;
use futures_util::FutureExt;
use nexus_http::Readiness;
use nexus_runtime::{CancellationToken, Clock, Tasks};
use nexus_sync::rules::Rules;
use nexus_sync::store::{self, Store};
use relay::Relay;
use shard::{Common, Shard, Told};
use std::convert::Infallible;
use std::hash::RandomState;
use std::panic::resume_unwind;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

/// Groups of finished messages that may wait for the writer.
const FINISHED: usize = 256;

/// The consumer of all relays, ready to run.
pub(super) struct Firehose {
    pub(super) settings: Settings,
    pub(super) rules: Arc<Rules>,
    pub(super) store: Arc<dyn Store>,
    pub(super) writer: WriterHandle,
    pub(super) identities: Identities,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) streams: Vec<Arc<Stream>>,
}

/// The relays' streams, each from where it was read to.
///
/// # Errors
/// If the store fails, or a position is none.
pub(super) fn streams(
    settings: &Settings,
    store: &dyn Store,
    readiness: &Readiness,
) -> Result<Vec<Arc<Stream>>, BuildError> {
    let is_resumed = settings.firehose.start == Start::Resume && settings.firehose.cursor != CursorSaving::Never;
    let stream = |relay: &String| {
        let connected = readiness.register(format!("sync: {relay}"));
        let stream = Stream::new(relay, connected.clone(), None);
        let stored = if is_resumed { store.cursor(&stream.cursor_name())? } else { None };
        let position = stored.map(|text| text.parse()).transpose();
        let position = position.map_err(|_| store::Error::Damaged { what: format!("the position in {relay}") })?;
        Ok(Arc::new(Stream::new(relay, connected, position)))
    };
    settings.relays.iter().map(stream).collect()
}

impl Firehose {
    /// Starts the tasks and threads. They end when `tasks` stop, in the order of the data.
    pub(super) fn start(self, tasks: &Tasks) {
        let (done, finished) = mpsc::channel(FINISHED);
        let common = Common {
            store: Arc::clone(&self.store),
            rules: Arc::clone(&self.rules),
            limits: self.settings.firehose.limits,
            identities: self.identities.clone(),
            clock: self.clock.clone(),
            done,
            runtime: Handle::current(),
            stop: tasks.token(),
        };
        let shards = (0..threads(self.settings.firehose.workers)).map(|_| begin(common.clone(), tasks)).collect();
        drop(common);
        self.start_relays(shards, tasks);
        let (writer, saving) = (self.writer, self.settings.firehose.cursor);
        let committer = Committer { writer, saving, clock: self.clock, finished, streams: self.streams };
        tasks.spawn("sync-firehose", |_| committer.run());
    }

    fn start_relays(&self, shards: Vec<mpsc::UnboundedSender<Told>>, tasks: &Tasks) {
        let hasher = RandomState::new();
        for stream in &self.streams {
            let relay = Relay {
                stream: Arc::clone(stream),
                settings: self.settings.firehose.clone(),
                user_agent: self.settings.user_agent.clone(),
                random: Arc::clone(&self.random),
                shards: shards.clone(),
                hasher: hasher.clone(),
                permits: Arc::new(Semaphore::new(self.settings.firehose.in_work.min(Semaphore::MAX_PERMITS))),
                received: measure::Received::of(&stream.relay),
            };
            tasks.spawn("sync-relay", |stop: CancellationToken| async move {
                relay.run(stop).await;
                Ok::<_, Infallible>(())
            });
        }
    }
}

/// How many shards there are if `wanted` are wanted: verifying waits for nothing, so that more threads than cores would
/// only hand over to one another.
fn threads(wanted: usize) -> usize {
    wanted.min(std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

/// Starts one shard on a thread that may block. It ends with its last sender.
fn begin(common: Common, tasks: &Tasks) -> mpsc::UnboundedSender<Told> {
    let (shard, tell) = Shard::new(common);
    let thread = tokio::task::spawn_blocking(move || shard.run());
    // A panic there is a panic here, and ends the program.
    tasks.spawn("sync-shard", |_| thread.map(|ended| ended.unwrap_or_else(|error| resume_unwind(error.into_panic()))));
    tell
}
