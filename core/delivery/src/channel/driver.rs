//! A channel that runs: the state machine with a journal to read, a place to store what is settled, and
//! consumers that come and go.
//!
//! One task owns the machine. Consumers talk to it through bounded queues: what is handed to one is bounded by
//! its window, and what they settle waits at their side while the task is busy.

use super::{Action, Channel, Config, ConnectionId, Event, Settled, Stats};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use nexus_journal::HeadWatch;
use nexus_model::Seq;
use nexus_runtime::{CancellationToken, Clock};
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A failure of the journal or of the store behind it.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Events of a journal, in order.
#[derive(Clone, Debug)]
pub struct Page<P> {
    /// The events.
    pub events: Vec<Event<P>>,
    /// The position up to which they are complete: the last event if the limit cut them short, else the newest
    /// position of the journal.
    pub through: Seq,
}

/// What a channel stands on.
pub trait Outbox: Send + Sync + 'static {
    /// What is sent.
    type Payload: Clone + Send + 'static;

    /// At most `limit` events after `after`, of `author` or of all.
    ///
    /// # Errors
    /// If the journal can't be read; it is asked again after a pause, unless that [is of no use](Self::is_fatal).
    fn read(
        &self,
        author: Option<Arc<str>>,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page<Self::Payload>, Failure>>;

    /// Makes what is settled durable.
    ///
    /// # Errors
    /// If it can't be stored; it is tried again after a pause, unless that [is of no use](Self::is_fatal).
    fn store(&self, settled: Settled) -> BoxFuture<'static, Result<(), Failure>>;

    /// True if it is of no use to try again after this failure: the channel ends with it.
    fn is_fatal(&self, failure: &Failure) -> bool;

    /// Tells when the journal grows.
    fn watch(&self) -> HeadWatch;
}

/// How long after a failed read or store it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
const COMMANDS: usize = 4_096;
/// Commands that are carried out before what follows from them.
const AT_ONCE: usize = 256;

/// A running channel, for consumers to join. Clones are the same channel.
#[derive(Clone, Debug)]
pub struct Handle<P> {
    commands: mpsc::Sender<Command<P>>,
}

/// One consumer of a channel. When it is dropped, what it had goes to the others.
#[derive(Debug)]
pub struct Consumer<P> {
    id: ConnectionId,
    events: mpsc::Receiver<Parcel<P>>,
    /// What has arrived and was not asked for yet.
    at_hand: std::vec::IntoIter<(Seq, P)>,
    commands: mpsc::Sender<Command<P>>,
}

/// Events that are handed to a consumer together. There is one at least in each.
type Parcel<P> = Vec<(Seq, P)>;

#[derive(Debug)]
enum Command<P> {
    Open(oneshot::Sender<(ConnectionId, mpsc::Receiver<Parcel<P>>)>),
    Written(ConnectionId, Vec<Seq>),
    Acknowledge(ConnectionId, Vec<Seq>),
    Stats(oneshot::Sender<Stats>),
}

impl<P> Handle<P> {
    /// Joins as a consumer, or `None` if the channel has ended.
    pub async fn join(&self) -> Option<Consumer<P>> {
        let (opened, reply) = oneshot::channel();
        self.commands.send(Command::Open(opened)).await.ok()?;
        let (id, events) = reply.await.ok()?;
        Some(Consumer { id, events, at_hand: Vec::new().into_iter(), commands: self.commands.clone() })
    }

    /// What the channel holds and has done, or `None` if it has ended.
    pub async fn stats(&self) -> Option<Stats> {
        let (asked, reply) = oneshot::channel();
        self.commands.send(Command::Stats(asked)).await.ok()?;
        reply.await.ok()
    }
}

impl<P> Consumer<P> {
    /// The next event, or `None` once the channel has ended. To be followed by [`Self::written`].
    pub async fn next(&mut self) -> Option<(Seq, P)> {
        loop {
            if let Some(event) = self.at_hand.next() {
                return Some(event);
            }
            self.at_hand = self.events.recv().await?.into_iter();
        }
    }

    /// An event that is there already, if there is one.
    pub fn try_next(&mut self) -> Option<(Seq, P)> {
        loop {
            if let Some(event) = self.at_hand.next() {
                return Some(event);
            }
            self.at_hand = self.events.try_recv().ok()?.into_iter();
        }
    }

    /// Events were written to the wire.
    pub async fn written(&self, events: Vec<Seq>) {
        // If the channel has ended, nobody needs to know.
        let _ = self.commands.send(Command::Written(self.id, events)).await;
    }

    /// A way to acknowledge, from whatever task.
    pub fn acknowledger(&self) -> Acknowledger<P> {
        Acknowledger { id: self.id, commands: self.commands.clone() }
    }
}

/// Settles events in the name of a consumer.
#[derive(Clone, Debug)]
pub struct Acknowledger<P> {
    id: ConnectionId,
    commands: mpsc::Sender<Command<P>>,
}

impl<P> Acknowledger<P> {
    /// The other side has settled events.
    pub async fn acknowledge(&self, events: Vec<Seq>) {
        let _ = self.commands.send(Command::Acknowledge(self.id, events)).await;
    }
}

/// The task of a channel, to be run.
#[derive(Debug)]
pub struct Driver<O: Outbox> {
    outbox: O,
    clock: Clock,
    channel: Channel<O::Payload>,
    /// Room for all that may be under way on one connection.
    queue: usize,
    /// How long what is under way is waited for at the end.
    drain: Duration,
    commands: mpsc::Receiver<Command<O::Payload>>,
    consumers: HashMap<ConnectionId, mpsc::Sender<Parcel<O::Payload>>>,
}

/// What became of something that takes its time.
enum Done<P> {
    Read(Page<P>),
    ReadAuthor(Arc<str>, Page<P>),
    Stored,
    Failed(Action<P>, Failure),
    /// What has failed may be tried again.
    Again(Action<P>),
    Gone(ConnectionId),
}

type Work<P> = FuturesUnordered<BoxFuture<'static, Done<P>>>;

impl<O: Outbox> Driver<O> {
    /// A channel over `outbox` that goes on where `settled` says, and the handle by which consumers join.
    pub fn new(outbox: O, config: Config, settled: Settled, clock: Clock) -> (Self, Handle<O::Payload>) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let channel = Channel::new(config, settled);
        let (queue, drain) = (config.window.max.max(1), Duration::from_millis(config.drain_millis));
        let consumers = HashMap::new();
        (Self { outbox, clock, channel, queue, drain, commands, consumers }, Handle { commands: sender })
    }

    /// Runs until `stop`, then sends nothing more, waits a while for what is under way, and stores what is settled.
    /// Consumers see the end of their events.
    ///
    /// # Errors
    /// If what is settled can't be stored at the end, or at once if the outbox fails [for good](Outbox::is_fatal).
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Failure> {
        let mut head = self.outbox.watch();
        let mut position = head.get();
        self.channel.appended(position);
        let (mut work, mut commands) = (Work::new(), Vec::with_capacity(AT_ONCE));
        loop {
            self.act(&mut work);
            let deadline = self.until_deadline();
            tokio::select! {
                () = stop.cancelled() => break,
                1.. = self.commands.recv_many(&mut commands, AT_ONCE) => {
                    commands.drain(..).for_each(|command| self.take(command, &mut work));
                }
                Some(done) = work.next() => self.finish(done, &mut work)?,
                Some(now) = head.after(position) => {
                    position = now;
                    self.channel.appended(now);
                }
                () = tokio::time::sleep(deadline) => {}
            }
        }
        // Who doesn't answer in time gets its events again.
        tokio::time::timeout(self.drain, self.drained(&mut work)).await.unwrap_or(Ok(()))?;
        self.outbox.store(self.channel.settled().clone()).await
    }

    /// Waits until nothing is under way, and sends nothing.
    async fn drained(&mut self, work: &mut Work<O::Payload>) -> Result<(), Failure> {
        while self.channel.stats().under_way > 0 {
            tokio::select! {
                Some(command) = self.commands.recv() => self.take(command, work),
                Some(done) = work.next() => self.finish(done, work)?,
                else => break,
            }
        }
        Ok(())
    }

    fn until_deadline(&self) -> Duration {
        const LONG: u64 = 3_600_000;
        let left = self.channel.deadline().map(|at| at.millis().saturating_sub(self.clock.now().millis()));
        Duration::from_millis(left.map_or(LONG, |left| u64::try_from(left).unwrap_or(0)))
    }

    /// Carries out all that can be carried out now.
    fn act(&mut self, work: &mut Work<O::Payload>) {
        loop {
            let parcels = self.collect(work);
            if parcels.is_empty() {
                return;
            }
            // What a connection didn't take may go to another.
            parcels.into_iter().for_each(|(connection, parcel)| self.send(connection, parcel));
        }
    }

    /// Begins all that can be begun now, and gives what is to be sent, by connection.
    fn collect(&mut self, work: &mut Work<O::Payload>) -> HashMap<ConnectionId, Parcel<O::Payload>> {
        let (mut parcels, now) = (HashMap::<_, Parcel<_>>::new(), self.clock.now());
        while let Some(action) = self.channel.next_action(now) {
            match action {
                Action::Send { connection, seq, payload } => {
                    parcels.entry(connection).or_default().push((seq, payload));
                }
                Action::Read { after, limit } => {
                    let read = self.outbox.read(None, after, limit);
                    work.push(Box::pin(attempt(read, Action::Read { after, limit }, Done::Read)));
                }
                Action::ReadAuthor { author, after, limit } => {
                    let read = self.outbox.read(Some(Arc::clone(&author)), after, limit);
                    let name = Arc::clone(&author);
                    let done = |page| Done::ReadAuthor(name, page);
                    work.push(Box::pin(attempt(read, Action::ReadAuthor { author, after, limit }, done)));
                }
                Action::Store => {
                    let store = self.outbox.store(self.channel.settled().clone());
                    work.push(Box::pin(attempt(store, Action::Store, |()| Done::Stored)));
                }
            }
        }
        parcels
    }

    fn send(&mut self, connection: ConnectionId, parcel: Parcel<O::Payload>) {
        let sent = self.consumers.get(&connection).is_some_and(|queue| queue.try_send(parcel).is_ok());
        if !sent {
            // It is gone: its queue has room for all that may be under way.
            self.consumers.remove(&connection);
            self.channel.close(connection);
        }
    }

    fn take(&mut self, command: Command<O::Payload>, work: &mut Work<O::Payload>) {
        let now = self.clock.now();
        match command {
            Command::Open(reply) => {
                let id = self.channel.open(now);
                let (sender, events) = mpsc::channel(self.queue);
                let gone = sender.clone();
                work.push(Box::pin(async move {
                    gone.closed().await;
                    Done::Gone(id)
                }));
                self.consumers.insert(id, sender);
                // If nobody waits any longer, the receiver is dropped and the connection closed.
                let _ = reply.send((id, events));
            }
            Command::Written(id, events) => events.into_iter().for_each(|seq| self.channel.written(id, seq, now)),
            Command::Acknowledge(id, events) => {
                events.into_iter().for_each(|seq| self.channel.acknowledge(id, seq, now));
            }
            Command::Stats(reply) => drop(reply.send(self.channel.stats())),
        }
    }

    fn finish(&mut self, done: Done<O::Payload>, work: &mut Work<O::Payload>) -> Result<(), Failure> {
        match done {
            Done::Read(page) => self.channel.read(page.events, page.through),
            Done::ReadAuthor(author, page) => self.channel.read_author(&author, page.events, page.through),
            Done::Stored => self.channel.stored(self.clock.now()),
            Done::Failed(_, failure) if self.outbox.is_fatal(&failure) => return Err(failure),
            Done::Failed(action, failure) => {
                let error = nexus_runtime::told(&*failure);
                tracing::warn!(error, "a channel can't read or store, and tries again");
                work.push(Box::pin(tokio::time::sleep(PAUSE).map(|()| Done::Again(action))));
            }
            Done::Again(action) => self.channel.failed(&action),
            Done::Gone(id) => {
                self.consumers.remove(&id);
                self.channel.close(id);
            }
        }
        Ok(())
    }
}

async fn attempt<T, P>(
    work: BoxFuture<'static, Result<T, Failure>>,
    action: Action<P>,
    done: impl FnOnce(T) -> Done<P>,
) -> Done<P> {
    match work.await {
        Ok(result) => done(result),
        Err(failure) => Done::Failed(action, failure),
    }
}
