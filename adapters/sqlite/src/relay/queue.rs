//! The way to the writer: calls are carried out in groups, each in one transaction, and answered once it is durable.
//!
//! The thread never waits for more ([`nexus_runtime::groups`]): while a group is being made durable, the next one
//! gathers. The queue is bounded; whoever brings more waits before it.

use super::{
    Core, Queues,
    checkpoint::{Committed, Due},
    failed,
    group::OpenGroup,
    write::Writer,
};
use crate::{Error, Result};
use nexus_relay::ports::StorageError;
use nexus_runtime::groups::{self, Grouping};
use std::{
    convert::Infallible,
    sync::{Arc, mpsc},
};
use tokio::sync::oneshot;

/// Something to be done in the writer's transaction.
trait Call: Send {
    /// How many events it brings.
    fn weight(&self) -> usize;

    fn carry_out(&mut self, writer: &mut Writer<'_>) -> Result<()>;

    /// Tells whoever waits. `committed` says whether what was carried out is durable.
    fn answer(self: Box<Self>, committed: std::result::Result<(), Arc<Error>>);
}

/// A call in the queue.
struct Handed(Box<dyn Call>);

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a call of weight {}", self.0.weight())
    }
}

type Calls = groups::Queue<Handed, ()>;

struct Waiting<T, W> {
    work: Option<W>,
    result: Option<T>,
    weight: usize,
    answer: oneshot::Sender<std::result::Result<T, StorageError>>,
}

impl<T: Send, W: FnOnce(&mut Writer<'_>) -> Result<T> + Send> Call for Waiting<T, W> {
    fn weight(&self) -> usize {
        self.weight
    }

    fn carry_out(&mut self, writer: &mut Writer<'_>) -> Result<()> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(writer)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), Arc<Error>>) {
        let answer = match (committed, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(StorageError::Damaged("a call was answered that wasn't carried out")),
            (Err(error), _) => Err(failed(&error)),
        };
        // Whoever asked may have gone. What was written stays.
        let _ = self.answer.send(answer);
    }
}

/// The writer's queue. Dropped, it waits until the writer has done what it was given.
#[derive(Debug)]
pub(super) struct Queue {
    calls: Option<Calls>,
    /// Nothing is ever sent: it closes when the writer has ended.
    ended: std::sync::Mutex<mpsc::Receiver<Infallible>>,
}

impl Queue {
    /// Starts the writer, for a store whose newest position is `last`.
    pub(super) fn start(core: Arc<Core>, log: Arc<Due>, last: u64, queues: Queues) -> std::io::Result<Self> {
        let grouping = Grouping { queue: queues.calls, group: queues.group };
        let (lives, ended) = mpsc::channel();
        let mut thread = Thread { core, log, last, _lives: lives };
        let work = move |calls| Ok::<_, Infallible>(thread.handle(calls));
        let (calls, _) = groups::start("relay-writer", grouping, |call: &Handed| call.0.weight(), work)?;
        Ok(Self { calls: Some(calls), ended: std::sync::Mutex::new(ended) })
    }

    /// Has `work` done, which brings `weight` events, and waits until it is durable.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        weight: usize,
        work: impl FnOnce(&mut Writer<'_>) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, StorageError> {
        let (answer, answered) = oneshot::channel();
        let call = Waiting { work: Some(work), result: None, weight, answer };
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(Handed(Box::new(call))).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.calls = None;
        if let Ok(ended) = self.ended.get_mut() {
            // It gives an error, since nothing is ever sent: the writer has ended.
            let _ = ended.recv();
        }
    }
}

fn gone() -> StorageError {
    StorageError::Damaged("the store's writer has ended")
}

/// What the writer's thread owns.
struct Thread {
    core: Arc<Core>,
    log: Arc<Due>,
    last: u64,
    _lives: mpsc::Sender<Infallible>,
}

impl Thread {
    /// Carries calls out and answers them. What groups are told of in return is nothing: the calls are answered.
    fn handle(&mut self, mut calls: Vec<Handed>) -> Vec<()> {
        let committed = self.commit(&mut calls).map_err(Arc::new);
        calls.into_iter().for_each(|call| call.0.answer(committed.clone()));
        Vec::new()
    }

    /// Makes durable what `calls` do, then shows it.
    fn commit(&mut self, calls: &mut [Handed]) -> Result<()> {
        self.core.index.wait_for_room()?;
        let snapshot = self.core.index.snapshot();
        let group = self.core.database.group()?;
        let mut writer = Writer {
            connection: &group,
            index: &snapshot,
            open: OpenGroup::default(),
            last: self.last,
            is_changed: false,
        };
        calls.iter_mut().try_for_each(|call| call.0.carry_out(&mut writer))?;
        writer.finish()?;
        let Writer { mut open, last, is_changed, .. } = writer;
        if is_changed {
            group.commit()?;
            if open.removed.is_empty() {
                self.log.add(Committed::Additions);
            } else {
                self.core.database.remember_removal();
                self.log.add(Committed::Removals);
            }
        }
        if last > self.last {
            self.last = last;
            self.core.index.publish(open.take_additions(), &open.removed, last)?;
            self.core.tail().append(open.journal, &open.removed);
            self.core.near.follow(open.events, &open.removed);
        }
        Ok(())
    }
}
