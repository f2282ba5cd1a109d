//! Streams: which relays are followed, in which direction and for which events. Each link has a task of its own,
//! which connects again when it breaks. Streams may be changed while they run; links that stay as they are go on.

use super::{Direction, follow::Follower, link::LinkOptions, sync::SyncError};
use crate::{
    backend::{Backend, RelayOn},
    plugin,
};
use futures_util::future::BoxFuture;
use nexus_journal::HeadWatch;
use nexus_nostr::Filter;
use nexus_relay::Protected;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// A stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// What it is called.
    pub name: String,
    /// In which direction events go.
    pub direction: Direction,
    /// The other relays.
    pub urls: Vec<String>,
    /// Which events.
    pub filter: Filter,
    /// Judges events that come.
    pub plugin_down: Option<plugin::Options>,
    /// Judges events that go.
    pub plugin_up: Option<plugin::Options>,
    /// Whether both are brought level whenever they connect.
    pub catch_up: bool,
    /// Whether events are taken that only their author may publish.
    pub protected: Protected,
}

/// Follows other relays.
pub struct Router<B: Backend> {
    relay: Arc<RelayOn<B>>,
    head: HeadWatch,
    link: LinkOptions,
    first_pause: Duration,
    longest_pause: Duration,
}

/// The task of a link.
struct Running {
    stream: Stream,
    stop: CancellationToken,
    task: JoinHandle<Result<(), SyncError>>,
}

impl<B: Backend> Router<B> {
    /// A router over `relay`, whose journal stands where `head` says.
    pub const fn new(relay: Arc<RelayOn<B>>, head: HeadWatch, link: LinkOptions) -> Self {
        let (first_pause, longest_pause) = (Duration::from_secs(5), Duration::from_secs(60));
        Self { relay, head, link, first_pause, longest_pause }
    }

    /// This router, which waits at first for `first` before it connects again, and in the end for `longest`.
    #[must_use]
    pub const fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_pause, self.longest_pause) = (first, longest);
        self
    }

    /// Follows `streams`, as they are and as they become, until `stop`.
    ///
    /// # Errors
    /// If this relay's store is damaged.
    pub fn run(
        self,
        streams: watch::Receiver<Vec<Stream>>,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), SyncError>> {
        Box::pin(self.drive(streams, stop))
    }

    async fn drive(self, mut streams: watch::Receiver<Vec<Stream>>, stop: CancellationToken) -> Result<(), SyncError> {
        let over = stop.child_token();
        let mut running = Links::new();
        loop {
            let wanted = wanted(&streams.borrow_and_update());
            let unwanted = take_unwanted(&mut running, &wanted);
            end(unwanted).await?;
            self.start_missing(&mut running, wanted, &over);
            if over.run_until_cancelled(changed(&mut streams)).await.is_none() {
                break;
            }
        }
        end(running.into_values().collect()).await
    }

    /// Starts the links that are missing.
    fn start_missing(&self, running: &mut Links, wanted: Wanted, failed: &CancellationToken) {
        for (key, stream) in wanted {
            let url = key.1.clone();
            if let Entry::Vacant(entry) = running.entry(key) {
                entry.insert(self.start(stream, url, failed.clone()));
            }
        }
    }

    fn start(&self, stream: Stream, url: String, failed: CancellationToken) -> Running {
        let stop = CancellationToken::new();
        let follower =
            Follower::<B>::new(self.relay.clone(), self.head.clone(), stream.clone(), url, self.link.clone());
        let pauses = Pauses { first: self.first_pause, longest: self.longest_pause };
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let outcome = keep(follower, pauses, stopped).await;
            if outcome.is_err() {
                failed.cancel();
            }
            outcome
        });
        Running { stream, stop, task }
    }
}

/// Waits until streams are changed; for ever, once nobody can change them any more.
async fn changed(streams: &mut watch::Receiver<Vec<Stream>>) {
    if streams.changed().await.is_err() {
        std::future::pending().await
    }
}

/// Links by stream and address.
type Links = BTreeMap<(String, String), Running>;
type Wanted = BTreeMap<(String, String), Stream>;

/// The links of all streams.
fn wanted(streams: &[Stream]) -> Wanted {
    let mut wanted = Wanted::new();
    for stream in streams {
        wanted.extend(stream.urls.iter().map(|url| ((stream.name.clone(), url.clone()), stream.clone())));
    }
    wanted
}

/// Takes out the links that are no longer wanted as they are.
fn take_unwanted(running: &mut Links, wanted: &Wanted) -> Vec<Running> {
    let is_wanted =
        |key: &(String, String), link: &Running| wanted.get(key).is_some_and(|stream| same_link(stream, &link.stream));
    running.extract_if(.., |key, link| !is_wanted(key, link)).map(|(_, link)| link).collect()
}

/// Ends links, all at once.
async fn end(links: Vec<Running>) -> Result<(), SyncError> {
    links.iter().for_each(|link| link.stop.cancel());
    for link in links {
        link.task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    }
    Ok(())
}

/// True if a link of one is as well a link of the other: only the list of relays may differ.
fn same_link(one: &Stream, other: &Stream) -> bool {
    let without_urls = |stream: &Stream| Stream { urls: Vec::new(), ..stream.clone() };
    without_urls(one) == without_urls(other)
}

/// How long is waited before a link is made again.
#[derive(Clone, Copy, Debug)]
struct Pauses {
    first: Duration,
    longest: Duration,
}

/// Follows, and connects again after a pause that doubles. A link that held for longer than the longest pause
/// begins anew.
async fn keep<B: Backend>(mut follower: Follower<B>, pauses: Pauses, stop: CancellationToken) -> Result<(), SyncError> {
    let mut pause = pauses.first;
    loop {
        let since = Instant::now();
        let error = match stop.run_until_cancelled(follower.follow(&stop)).await {
            None | Some(Ok(())) => return Ok(()),
            Some(Err(error)) => error,
        };
        if Follower::<B>::is_final(&error) {
            return Err(error);
        }
        if since.elapsed() > pauses.longest {
            pause = pauses.first;
        }
        follower.told(&error, pause);
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return Ok(());
        }
        pause = (pause * 2).min(pauses.longest);
    }
}
