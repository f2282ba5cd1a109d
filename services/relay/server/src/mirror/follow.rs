//! One link of a stream: events come down as the other relay gets them, and go up as this one does.

use super::{
    link::{Link, LinkError, LinkOptions},
    router::Stream,
    sync::{self, SyncError, SyncOptions},
    watch::Watch,
};
use crate::backend::{Backend, RelayOn};
use nexus_journal::HeadWatch;
use nexus_model::{Raw, Seq};
use nexus_nostr::{Ask, Event, EventId, Reply};
use nexus_relay::{
    Intake, Terms,
    ports::{Entry, Source, StorageAdapter, StorageError},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::CancellationToken;

/// The name of the subscription that a stream is followed with.
const SUB: &str = "nexus-stream";
/// Events that are taken in together, when that many are there.
const BATCH: usize = 100;
/// Events that were sent and not answered, before no more are sent.
const UNANSWERED: usize = 1_000;
/// Entries of the journal that are read at once.
const ENTRIES: usize = 256;

/// One side of a stream, which outlives its connections.
pub(super) struct Follower<B: Backend> {
    relay: Arc<RelayOn<B>>,
    head: HeadWatch,
    stream: Stream,
    url: String,
    options: LinkOptions,
    watch: Watch,
    /// Up to where the journal was sent up.
    cursor: Seq,
    /// What was sent and not answered yet: it is sent again over the next connection.
    unanswered: BTreeMap<Seq, EventId>,
}

/// What happened next.
enum Next {
    Said(Reply),
    Moved,
    Stop,
}

impl<B: Backend> Follower<B> {
    pub(super) fn new(
        relay: Arc<RelayOn<B>>,
        head: HeadWatch,
        stream: Stream,
        url: String,
        options: LinkOptions,
    ) -> Self {
        let watch = Watch::new(stream.plugin_down.clone(), stream.plugin_up.clone());
        let cursor = head.get();
        Self { relay, head, stream, url, options, watch, cursor, unanswered: BTreeMap::new() }
    }

    /// Connects, and follows until the link breaks or `stop`.
    pub(super) async fn follow(&mut self, stop: &CancellationToken) -> Result<(), SyncError> {
        let mut link = Link::connect(&self.url, self.options.clone()).await?;
        tracing::info!(stream = self.stream.name, url = self.url, "a stream is connected");
        if let Some((oldest, _)) = std::mem::take(&mut self.unanswered).pop_first() {
            self.cursor = Seq::new(oldest.get() - 1);
        }
        if self.stream.direction.is_down() {
            self.subscribe(&mut link).await?;
        }
        if self.stream.catch_up {
            self.catch_up(&mut link).await?;
        }
        loop {
            match self.next(&mut link, stop).await? {
                Next::Stop => break,
                Next::Moved => self.send_up(&mut link).await?,
                Next::Said(reply) => self.hear(&mut link, reply).await?,
            }
        }
        link.close().await;
        Ok(())
    }

    /// Subscribes, and waits until that holds: what happens during the catching up must not be missed.
    async fn subscribe(&mut self, link: &mut Link) -> Result<(), SyncError> {
        let filter = self.stream.filter.clone().with_limit(0);
        let mut may_retry = true;
        link.send(Ask::Req(SUB, &filter)).await?;
        // What happens before the end waits until the stream listens.
        let ended = |reply| match reply {
            Reply::Eose { sub } if sub == SUB => Ok(None),
            Reply::Closed { sub, message } if sub == SUB => Ok(Some(message)),
            other => Err(other),
        };
        loop {
            match link.answer_to(ended).await? {
                None => break,
                Some(message) => {
                    if !(may_retry && message.starts_with("auth-required") && link.authenticate().await?) {
                        return Err(SyncError::Refused(message));
                    }
                    may_retry = false;
                    link.send(Ask::Req(SUB, &filter)).await?;
                }
            }
        }
        Ok(())
    }

    async fn catch_up(&mut self, link: &mut Link) -> Result<(), SyncError> {
        let upto = self.head.get();
        let options = SyncOptions {
            filter: self.stream.filter.clone(),
            direction: self.stream.direction,
            protected: self.stream.protected,
        };
        let report = sync::sync_watched::<B>(&self.relay, link, &options, &mut self.watch).await?;
        tracing::info!(stream = self.stream.name, url = self.url, ?report, "a stream has caught up");
        self.cursor = self.cursor.max(upto);
        Ok(())
    }

    async fn next(&mut self, link: &mut Link, stop: &CancellationToken) -> Result<Next, LinkError> {
        let is_up = self.stream.direction.is_up() && self.unanswered.len() < UNANSWERED;
        tokio::select! {
            () = stop.cancelled() => Ok(Next::Stop),
            reply = link.listen() => reply.map(Next::Said),
            moved = self.head.after(self.cursor), if is_up => Ok(moved.map_or(Next::Stop, |_| Next::Moved)),
        }
    }

    async fn hear(&mut self, link: &mut Link, reply: Reply) -> Result<(), SyncError> {
        match reply {
            Reply::Event { sub, event } if sub == SUB => {
                let events = gather(link, *event)?;
                self.take_down(events).await
            }
            Reply::Closed { sub, message } if sub == SUB => Err(SyncError::Refused(message)),
            Reply::Ok { id, taken, .. } => {
                self.unanswered.retain(|_, waiting| *waiting != id);
                self.count("up", if taken { "taken" } else { "refused" }, 1);
                Ok(())
            }
            Reply::Notice(message) => {
                tracing::info!(stream = self.stream.name, url = self.url, message, "another relay has to say");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes events in.
    async fn take_down(&mut self, events: Vec<Raw<Event>>) -> Result<(), SyncError> {
        let wanted: Vec<Raw<Event>> =
            events.into_iter().filter(|event| self.stream.filter.matches(event.peek())).collect();
        self.watch.note(&wanted);
        let source = Source::Stream(self.url.clone());
        let terms = Terms { source: &source, protected: self.stream.protected, judge: self.watch.down() };
        for intake in self.relay.take_in(wanted, terms).await? {
            let result = match intake {
                Intake::New => "new",
                Intake::Known => "known",
                Intake::Refused(_) => "refused",
            };
            self.count("down", result, 1);
        }
        Ok(())
    }

    /// Sends what the journal has since the last time, without what came from there.
    async fn send_up(&mut self, link: &mut Link) -> Result<(), SyncError> {
        let entries = self.relay.storage().events_after(self.cursor, ENTRIES).await?;
        let Some(last) = entries.last().map(Entry::seq) else {
            // Whatever stood there was removed since.
            self.cursor = self.head.get();
            return Ok(());
        };
        let scope = sync::scope::<B>(&self.relay, &self.stream.filter);
        let mut wanted = Vec::new();
        for entry in &entries {
            if let Entry::Created { stored, event } = entry
                && self.stream.filter.matches(event)
                && scope.allows(event)
                && !self.watch.has_come(&event.id)
            {
                wanted.push(stored.clone());
            }
        }
        let source = Source::Stream(self.url.clone());
        for stored in self.watch.let_up(wanted, &source, scope.now).await? {
            self.unanswered.insert(stored.seq, stored.id);
            link.send(Ask::Event(&stored.json)).await?;
        }
        self.cursor = last;
        Ok(())
    }

    fn count(&self, direction: &'static str, result: &'static str, count: u64) {
        let name = self.stream.name.clone();
        metrics::counter!("nexus_stream_events_total", "stream" => name, "direction" => direction, "result" => result)
            .increment(count);
    }

    /// Says why the link broke, and when it is made again.
    pub(super) fn told(&self, error: &SyncError, pause: std::time::Duration) {
        let error = error as &dyn std::error::Error;
        tracing::warn!(stream = self.stream.name, url = self.url, error, ?pause, "a stream broke");
    }

    /// True if following it again can't help: the store is damaged.
    pub(super) fn is_final(error: &SyncError) -> bool {
        matches!(error, SyncError::Storage(StorageError::Damaged(_)))
    }
}

/// An event with those that are there already.
fn gather(link: &mut Link, first: Raw<Event>) -> Result<Vec<Raw<Event>>, LinkError> {
    let mut events = vec![first];
    while events.len() < BATCH {
        match link.listen_now().transpose()? {
            Some(Reply::Event { sub, event }) if sub == SUB => events.push(*event),
            Some(other) => {
                link.put_aside(other);
                break;
            }
            None => break,
        }
    }
    Ok(events)
}
