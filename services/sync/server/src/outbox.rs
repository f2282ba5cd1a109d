//! The journal of the sync service, as a channel reads it.

use crate::WriterHandle;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nexus_delivery::channel::{Event, Failure, Order, Outbox, Page, Settled};
use nexus_journal::{Head, HeadWatch};
use nexus_model::{Seq, Timestamp};
use nexus_sync::event::{self, Kind};
use nexus_sync::rules::Collections;
use nexus_sync::store::{self, Store, StoredEvent};
use nexus_sync::writer::Input;
use std::sync::Arc;
use std::time::Duration;

/// The events of a store, and where one channel keeps what is settled.
#[derive(Clone)]
pub struct SyncOutbox {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    head: Arc<Head>,
    name: Arc<str>,
    reading: Reading,
}

/// What a channel reads of the journal.
#[derive(Clone)]
enum Reading {
    /// Everything. What it has not settled is not dropped.
    All,
    /// Some collections, as far back as the journal goes.
    Some(Arc<Collections>),
}

/// A consumer's next event was dropped from the journal: it was away for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("events after {after} are gone, the oldest come after {oldest}")]
pub struct Gone {
    /// Where the consumer is.
    pub after: Seq,
    /// From where on events are there.
    pub oldest: Seq,
}

impl SyncOutbox {
    /// The events of `store` for the channel called `name`; `head` is the one that the writer moves.
    pub fn new(store: Arc<dyn Store>, writer: WriterHandle, head: Arc<Head>, name: &str) -> Self {
        Self { store, writer, head, name: name.into(), reading: Reading::All }
    }

    /// The same for a channel that wants records of `collections` alone, and that the journal doesn't wait for: reading
    /// fails with [`Gone`] once it has fallen behind.
    #[must_use]
    pub fn only(self, collections: Collections) -> Self {
        Self { reading: Reading::Some(Arc::new(collections)), ..self }
    }

    /// What the channel called `name` stored last.
    ///
    /// # Errors
    /// If the store fails, or what it gives is damaged.
    pub fn settled(store: &dyn Store, name: &str) -> store::Result<Settled> {
        let damaged = |error: nexus_delivery::channel::Malformed| store::Error::Damaged { what: error.to_string() };
        let stored = store.channel(name)?;
        stored.map_or(Ok(Settled::default()), |bytes| Settled::decode(&bytes).map_err(damaged))
    }
}

impl Reading {
    fn page(
        &self,
        store: &dyn Store,
        author: Option<&str>,
        after: Seq,
        limit: usize,
    ) -> Result<Page<Arc<str>>, Failure> {
        // Asked first: what is appended meanwhile must not be taken for read.
        let last = store.last()?;
        let mut events = match author {
            Some(author) => store.events_of(&author.parse()?, after, limit)?,
            None => store.events(after, limit)?,
        };
        let newest = events.last().map_or(after, |event| event.seq);
        let through = if events.len() == limit { newest } else { newest.max(last) };
        if let Self::Some(collections) = self {
            // Asked last: what was dropped meanwhile must not be taken for unwanted.
            let oldest = store.oldest()?;
            if after < oldest {
                return Err(Gone { after, oldest }.into());
            }
            events.retain(|stored| event::collection(&stored.body).is_none_or(|name| collections.wants(name)));
        }
        Ok(Page { events: events.into_iter().map(entry).collect(), through })
    }
}

/// What an event takes in a channel's memory beside its text, in bytes: its place, its author's part, its allocations.
const EVENT_OVERHEAD: usize = 256;

fn entry(stored: StoredEvent) -> Event<Arc<str>> {
    let order = match stored.kind {
        Kind::Live => Order::Alone,
        Kind::Historical => Order::Together,
    };
    let bytes = stored.body.len() + EVENT_OVERHEAD;
    Event { seq: stored.seq, author: stored.did, order, bytes, payload: stored.body }
}

/// How long the oldest event has waited that a channel with this `floor` has not settled; `None` if there is none.
///
/// # Errors
/// If the store fails.
pub(crate) fn oldest_age(store: &dyn Store, floor: Seq, now: Timestamp) -> store::Result<Option<Duration>> {
    let oldest = store.events(floor, 1)?;
    let age = |event: &StoredEvent| now.millis().saturating_sub(event.time.millis()).max(0).unsigned_abs();
    Ok(oldest.first().map(|event| Duration::from_millis(age(event))))
}

impl Outbox for SyncOutbox {
    type Payload = Arc<str>;

    fn read(
        &self,
        author: Option<Arc<str>>,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page<Arc<str>>, Failure>> {
        let (store, reading) = (Arc::clone(&self.store), self.reading.clone());
        let read = tokio::task::spawn_blocking(move || reading.page(&*store, author.as_deref(), after, limit));
        async move { read.await? }.boxed()
    }

    fn store(&self, settled: Settled) -> BoxFuture<'static, Result<(), Failure>> {
        let (writer, input) = (self.writer.clone(), Input::Channel(self.name.to_string(), settled.encode()));
        async move {
            writer.ask(vec![input]).await?;
            Ok(())
        }
        .boxed()
    }

    fn is_fatal(&self, failure: &Failure) -> bool {
        failure.downcast_ref::<store::Error>().is_some_and(|error| !error.is_retryable())
    }

    fn watch(&self) -> HeadWatch {
        self.head.watch()
    }
}
