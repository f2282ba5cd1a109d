//! The journal of the sync service, as a channel reads it.

use crate::WriterHandle;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nexus_delivery::channel::{Event, Failure, Order, Outbox, Page, Settled};
use nexus_journal::{Head, HeadWatch};
use nexus_model::Seq;
use nexus_sync::event::Kind;
use nexus_sync::store::{self, Store, StoredEvent};
use nexus_sync::writer::Input;
use std::sync::Arc;

/// The events of a store, and where one channel keeps what is settled.
#[derive(Clone)]
pub struct SyncOutbox {
    store: Arc<dyn Store>,
    writer: WriterHandle,
    head: Arc<Head>,
    name: Arc<str>,
}

impl SyncOutbox {
    /// The events of `store` for the channel called `name`; `head` is the one that the writer moves.
    pub fn new(store: Arc<dyn Store>, writer: WriterHandle, head: Arc<Head>, name: &str) -> Self {
        Self { store, writer, head, name: name.into() }
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

fn page(store: &dyn Store, author: Option<&str>, after: Seq, limit: usize) -> Result<Page<Arc<str>>, Failure> {
    // Asked first: what is appended meanwhile must not be taken for read.
    let last = store.last()?;
    let events = match author {
        Some(author) => store.events_of(&author.parse()?, after, limit)?,
        None => store.events(after, limit)?,
    };
    let newest = events.last().map_or(after, |event| event.seq);
    let through = if events.len() == limit { newest } else { newest.max(last) };
    Ok(Page { events: events.into_iter().map(event).collect(), through })
}

fn event(stored: StoredEvent) -> Event<Arc<str>> {
    let order = match stored.kind {
        Kind::Live => Order::Alone,
        Kind::Historical => Order::Together,
    };
    Event { seq: stored.seq, author: stored.did, order, bytes: stored.body.len(), payload: stored.body }
}

impl Outbox for SyncOutbox {
    type Payload = Arc<str>;

    fn read(
        &self,
        author: Option<Arc<str>>,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page<Arc<str>>, Failure>> {
        let store = Arc::clone(&self.store);
        let read = tokio::task::spawn_blocking(move || page(&*store, author.as_deref(), after, limit));
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

    fn watch(&self) -> HeadWatch {
        self.head.watch()
    }
}
