//! Named consumers: each has a channel of its own over the journal that all share, with its own place and its own
//! collections. The journal doesn't wait for them: one that was away for longer than events are kept is told so.
//!
//! One task owns the channels. A channel runs from the first connection on, until the program stops, the consumer
//! is given up, or it has fallen behind what is kept.

use crate::{SyncOutbox, WriterHandle};
use futures_util::future::join_all;
use nexus_delivery::channel::{Config, Driver, Failure, Handle, Settled};
use nexus_journal::Head;
use nexus_model::Seq;
use nexus_runtime::{CancellationToken, Clock};
use nexus_sync::rules::Collections;
use nexus_sync::store::{self, Store};
use nexus_sync::writer::Input;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// What stands before a consumer's name in the store.
const PREFIX: &str = "consumer:";

/// Requests that may wait; more make the askers wait.
const QUEUE: usize = 64;

/// The longest name.
const MAX_NAME: usize = 64;

/// The name of a consumer: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerName(String);

impl ConsumerName {
    /// Reads a name, or gives `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let tame = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        ((1..=MAX_NAME).contains(&text.len()) && text.bytes().all(tame)).then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn key(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }
}

/// What a connection wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which consumer it speaks for.
    pub name: ConsumerName,
    /// The collections, as they are written in the settings. Without them: those of the last time.
    pub collections: Option<String>,
    /// Where to go on. Without it: where it was, and for a new one at the oldest event.
    pub after: Option<Seq>,
}

/// Why a connection is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It was away for too long.
    #[error("events after {after} are gone: read everything again, then go on with seq={oldest}")]
    Gone {
        /// Where it was.
        after: Seq,
        /// Where events begin.
        oldest: Seq,
    },
    /// It is connected in another way already.
    #[error("the consumer is connected: its place and its collections change only while it isn't")]
    Busy,
    /// There is no such position yet.
    #[error("there is no event {after} yet, the last one is {last}")]
    Ahead {
        /// What was asked for.
        after: Seq,
        /// What there is.
        last: Seq,
    },
    /// There are as many as there may be.
    #[error("there are {max} consumers already: give one up first")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// The store failed, or the service stops.
    #[error("the consumer's state can't be read or written")]
    Failed(#[source] Failure),
}

impl From<store::Error> for Refused {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Where a consumer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which one.
    pub name: ConsumerName,
    /// What it wants.
    pub collections: String,
    /// Open connections.
    pub connections: usize,
    /// Up to where everything is settled.
    pub floor: Seq,
    /// Events that it has not settled, those of other collections that it has not come to included.
    pub lag: u64,
}

/// Asks for consumers. Clones ask the same [`Desk`].
#[derive(Clone, Debug)]
pub struct Consumers {
    commands: mpsc::Sender<Command>,
}

#[derive(Debug)]
enum Command {
    Join(Wanted, oneshot::Sender<Result<Handle<Arc<str>>, Refused>>),
    List(oneshot::Sender<Result<Vec<Standing>, Refused>>),
    GiveUp(ConsumerName, oneshot::Sender<Result<(), Refused>>),
    Expired(Seq),
}

impl Consumers {
    /// The channel of a consumer, which begins to run if it doesn't yet.
    ///
    /// # Errors
    /// If it can't be had as wanted.
    pub async fn join(&self, wanted: Wanted) -> Result<Handle<Arc<str>>, Refused> {
        self.ask(|reply| Command::Join(wanted, reply)).await
    }

    /// Every consumer, in the order of their names.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self) -> Result<Vec<Standing>, Refused> {
        self.ask(Command::List).await
    }

    /// Forgets a consumer and ends its connections.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn give_up(&self, name: ConsumerName) -> Result<(), Refused> {
        self.ask(|reply| Command::GiveUp(name, reply)).await
    }

    /// Events up to `oldest` were dropped: who had not come so far is cut off, to be told when it comes back.
    pub async fn expired(&self, oldest: Seq) {
        // At a stop, nobody is connected much longer.
        let _ = self.commands.send(Command::Expired(oldest)).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, Refused>>) -> Command) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let stopping = || Refused::Failed("the service is stopping".into());
        self.commands.send(command(reply)).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }
}

/// What the desk stands on.
pub struct DeskParts {
    /// Where consumers are remembered.
    pub store: Arc<dyn Store>,
    /// Who writes that down.
    pub writer: WriterHandle,
    /// Tells when the journal grows.
    pub head: Arc<Head>,
    /// The bounds of each one's channel.
    pub config: Config,
    /// How many there may be.
    pub max: usize,
    /// Tells the time.
    pub clock: Clock,
}

/// The task that owns the channels.
pub struct Desk {
    parts: DeskParts,
    commands: mpsc::Receiver<Command>,
    running: BTreeMap<ConsumerName, Running>,
}

struct Running {
    handle: Handle<Arc<str>>,
    collections: String,
    stop: CancellationToken,
    driver: JoinHandle<Result<(), Failure>>,
}

impl Running {
    async fn connections(&self) -> usize {
        self.handle.stats().await.map_or(0, |stats| stats.connections)
    }

    /// Ends the channel, once what is settled is durable.
    async fn end(self) -> Result<(), Refused> {
        self.stop.cancel();
        match self.driver.await {
            Ok(ended) => ended.map_err(Refused::Failed),
            Err(error) => Err(Refused::Failed(error.into())),
        }
    }
}

impl Desk {
    /// A desk without customers, and the handle by which they come.
    pub fn new(parts: DeskParts) -> (Self, Consumers) {
        let (sender, commands) = mpsc::channel(QUEUE);
        (Self { parts, commands, running: BTreeMap::new() }, Consumers { commands: sender })
    }

    /// Serves until `stop`, then ends every channel.
    ///
    /// # Errors
    /// If what a consumer has settled can't be stored at the end.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Refused> {
        while let Some(Some(command)) = stop.run_until_cancelled(self.commands.recv()).await {
            self.take(command).await;
        }
        // All at once: each waits a while for what is under way.
        let ended = join_all(std::mem::take(&mut self.running).into_values().map(Running::end)).await;
        ended.into_iter().collect()
    }

    /// Whoever no longer waits for an answer needn't have it.
    async fn take(&mut self, command: Command) {
        match command {
            Command::Join(wanted, reply) => drop(reply.send(self.join(wanted).await)),
            Command::List(reply) => drop(reply.send(self.list().await)),
            Command::GiveUp(name, reply) => drop(reply.send(self.give_up(&name).await)),
            Command::Expired(oldest) => self.cut(oldest).await,
        }
    }

    async fn join(&mut self, wanted: Wanted) -> Result<Handle<Arc<str>>, Refused> {
        if let Some(running) = self.running.get(&wanted.name) {
            let same = wanted.collections.as_ref().is_none_or(|collections| *collections == running.collections);
            let runs = !running.driver.is_finished();
            if runs && same && wanted.after.is_none() {
                return Ok(running.handle.clone());
            }
            if runs && running.connections().await > 0 {
                return Err(Refused::Busy);
            }
            self.end(&wanted.name).await?;
        }
        let (settled, collections) = self.place(&wanted).await?;
        let inputs = vec![
            Input::Channel(wanted.name.key(), settled.encode()),
            Input::Cursor(wanted.name.key(), collections.clone()),
        ];
        self.parts.writer.ask(inputs).await.map_err(|error| Refused::Failed(error.into()))?;
        Ok(self.open(wanted.name, settled, collections))
    }

    /// Where a consumer begins, and with which collections.
    async fn place(&self, wanted: &Wanted) -> Result<(Settled, String), Refused> {
        let (key, max, wanted) = (wanted.name.key(), self.parts.max, wanted.clone());
        self.read(move |store| {
            let stored = store.channel(&key)?;
            if stored.is_none() && names(store)?.len() >= max {
                return Err(Refused::TooMany { max });
            }
            let (oldest, last) = (store.oldest()?, store.last()?);
            let settled = match (wanted.after, stored) {
                (Some(after), _) if after > last => return Err(Refused::Ahead { after, last }),
                (Some(after), _) => Settled::up_to(after),
                (None, Some(_)) => SyncOutbox::settled(store, &key)?,
                (None, None) => Settled::up_to(oldest),
            };
            if settled.floor() < oldest {
                return Err(Refused::Gone { after: settled.floor(), oldest });
            }
            let collections = wanted.collections.map_or_else(|| store.cursor(&key), |new| Ok(Some(new)))?;
            Ok((settled, collections.unwrap_or_default()))
        })
        .await
    }

    fn open(&mut self, name: ConsumerName, settled: Settled, collections: String) -> Handle<Arc<str>> {
        let DeskParts { store, writer, head, config, clock, .. } = &self.parts;
        let outbox = SyncOutbox::new(Arc::clone(store), writer.clone(), Arc::clone(head), &name.key());
        let outbox = outbox.only(Collections::new(collections.split(',')));
        let (driver, handle) = Driver::new(outbox, *config, settled, clock.clone());
        let stop = CancellationToken::new();
        let (stopped, consumer) = (stop.clone(), name.clone());
        let driver = tokio::spawn(async move {
            driver.run(stopped).await.inspect_err(|error| {
                let error = nexus_runtime::told(&**error);
                tracing::error!(error, consumer = consumer.as_str(), "a consumer's channel has ended");
            })
        });
        self.running.insert(name, Running { handle: handle.clone(), collections, stop, driver });
        handle
    }

    async fn end(&mut self, name: &ConsumerName) -> Result<(), Refused> {
        match self.running.remove(name) {
            Some(running) => running.end().await,
            None => Ok(()),
        }
    }

    async fn list(&self) -> Result<Vec<Standing>, Refused> {
        let standings = |store: &dyn Store| -> Result<Vec<Standing>, Refused> {
            names(store)?.into_iter().map(|name| standing(store, name)).collect()
        };
        let mut all = self.read(standings).await?;
        for standing in &mut all {
            if let Some(running) = self.running.get(&standing.name)
                && let Some(stats) = running.handle.stats().await
            {
                standing.connections = stats.connections;
                standing.floor = stats.floor;
                standing.lag = stats.unsettled;
            }
        }
        Ok(all)
    }

    async fn give_up(&mut self, name: &ConsumerName) -> Result<(), Refused> {
        self.end(name).await?;
        let told = self.parts.writer.ask(vec![Input::Forget(name.key())]).await;
        told.map(drop).map_err(|error| Refused::Failed(error.into()))
    }

    async fn cut(&mut self, oldest: Seq) {
        let mut behind = BTreeSet::new();
        for (name, running) in &self.running {
            let floor = running.handle.stats().await.map(|stats| stats.floor);
            if floor.is_none_or(|floor| floor < oldest) {
                behind.insert(name.clone());
            }
        }
        for name in behind {
            tracing::warn!(consumer = name.as_str(), %oldest, "a consumer is behind what is kept, and is cut off");
            if let Err(error) = self.end(&name).await {
                tracing::warn!(%error, consumer = name.as_str(), "its place can't be stored");
            }
        }
    }

    /// Asks the store on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let store = Arc::clone(&self.parts.store);
        match tokio::task::spawn_blocking(move || read(&*store)).await {
            Ok(result) => result,
            Err(error) => Err(Refused::Failed(error.into())),
        }
    }
}

/// Every consumer that is remembered.
fn names(store: &dyn Store) -> Result<Vec<ConsumerName>, Refused> {
    let all = store.channels()?;
    Ok(all.iter().filter_map(|key| key.strip_prefix(PREFIX)).filter_map(ConsumerName::parse).collect())
}

/// A consumer that is not connected.
fn standing(store: &dyn Store, name: ConsumerName) -> Result<Standing, Refused> {
    let settled = SyncOutbox::settled(store, &name.key())?;
    let collections = store.cursor(&name.key())?.unwrap_or_default();
    let (floor, lag) = (settled.floor(), settled.unsettled(store.last()?));
    Ok(Standing { name, collections, connections: 0, floor, lag })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_tame() {
        for name in ["a", "my-app.2_x", &*"n".repeat(64)] {
            assert_eq!(ConsumerName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a b", "ä", "a/b", &*"n".repeat(65)] {
            assert_eq!(ConsumerName::parse(name), None, "{name:?}");
        }
    }
}
