//! The threads that read. A question that takes long is put back behind the others after each slice of time, so
//! that quick ones needn't wait for it.

use super::{Core, failed, index::Snapshot};
use crate::Result;
use nexus_relay::ports::StorageError;
use rusqlite::Connection;
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How many questions may wait; whoever asks more waits before the queue.
const MAX_WAITING: usize = 1_024;

/// A question that can be answered in slices.
pub(super) trait Question: Send {
    /// The answer.
    type Answer: Send;

    /// Begins. `snapshot` says what `connection` has, neither more nor less.
    fn begin(&mut self, connection: &Connection, snapshot: &Snapshot) -> Result<()>;

    /// Goes on until there is an answer or `end` has come. What was removed since the beginning is gone.
    fn go_on(&mut self, connection: &Connection, end: Instant) -> Result<Option<Self::Answer>>;
}

/// A question that is answered at once.
pub(super) struct AtOnce<T, R> {
    read: Option<R>,
    answer: Option<T>,
}

impl<T, R> AtOnce<T, R> {
    pub(super) const fn new(read: R) -> Self {
        Self { read: Some(read), answer: None }
    }
}

impl<T: Send, R: FnOnce(&Connection, &Snapshot) -> Result<T> + Send> Question for AtOnce<T, R> {
    type Answer = T;

    fn begin(&mut self, connection: &Connection, snapshot: &Snapshot) -> Result<()> {
        if let Some(read) = self.read.take() {
            self.answer = Some(read(connection, snapshot)?);
        }
        Ok(())
    }

    fn go_on(&mut self, _: &Connection, _: Instant) -> Result<Option<T>> {
        Ok(self.answer.take())
    }
}

/// How much time a question may take in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// As much as the store grants to anybody.
    Usual,
    /// As much as it needs: the operator asks.
    Unlimited,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Arc<Queue>,
    places: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Task>>,
    is_closing: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.state().waiting.len()).finish_non_exhaustive()
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one push or pop.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, task: Box<dyn Task>) {
        self.state().waiting.push_back(task);
        self.changed.notify_one();
    }

    fn pop(&self) -> Option<Box<dyn Task>> {
        let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_closing;
        let mut state = self.changed.wait_while(self.state(), is_idle).unwrap_or_else(PoisonError::into_inner);
        if state.is_closing { None } else { state.waiting.pop_front() }
    }
}

impl Readers {
    /// Starts `count` threads.
    pub(super) fn start(core: &Arc<Core>, count: usize) -> std::io::Result<Self> {
        let (queue, places) = (Arc::new(Queue::default()), Arc::new(Semaphore::new(MAX_WAITING)));
        let mut readers = Self { queue, places, threads: Vec::new() };
        for number in 0..count.max(1) {
            let (core, queue) = (core.clone(), readers.queue.clone());
            let thread = std::thread::Builder::new().name(format!("relay-reader-{number}"));
            readers.threads.push(thread.spawn(move || {
                while let Some(task) = queue.pop() {
                    if let Some(unfinished) = task.step(&core) {
                        queue.push(unfinished);
                    }
                }
            })?);
        }
        Ok(readers)
    }

    /// Has removed content cleared from the log soon, which commits do only now and then.
    pub(super) fn scrub(&self) {
        self.queue.push(Box::new(Scrub));
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask<Q: Question<Answer: 'static> + 'static>(
        &self,
        question: Q,
        budget: Budget,
    ) -> std::result::Result<Q::Answer, StorageError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        self.queue.push(Box::new(Asked {
            question,
            budget,
            has_begun: false,
            spent: Duration::ZERO,
            answer,
            _place: place,
        }));
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.state().is_closing = true;
        self.queue.changed.notify_all();
        for thread in self.threads.drain(..) {
            // If it panicked, it has told so already.
            let _ = thread.join();
        }
    }
}

fn gone() -> StorageError {
    StorageError::Damaged("the store's readers have ended")
}

/// Clears removed content from the log, if there is some and no reader needs it.
struct Scrub;

impl Task for Scrub {
    fn step(self: Box<Self>, core: &Core) -> Option<Box<dyn Task>> {
        // What fails now is done by a later one: the database remembers that it is due.
        let _ = core.database.scrub();
        None
    }
}

/// A question in the queue.
trait Task: Send {
    /// Works for a slice of time. Gives itself back if there is more to do.
    fn step(self: Box<Self>, core: &Core) -> Option<Box<dyn Task>>;
}

struct Asked<Q: Question> {
    question: Q,
    budget: Budget,
    has_begun: bool,
    spent: Duration,
    answer: oneshot::Sender<std::result::Result<Q::Answer, StorageError>>,
    _place: OwnedSemaphorePermit,
}

impl<Q: Question<Answer: 'static> + 'static> Task for Asked<Q> {
    fn step(mut self: Box<Self>, core: &Core) -> Option<Box<dyn Task>> {
        if self.answer.is_closed() {
            return None;
        }
        let started = Instant::now();
        let answer = match self.work(core, started) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => {
                self.spent += started.elapsed();
                if self.budget == Budget::Unlimited || self.spent < core.patience.total {
                    return Some(self);
                }
                Err(StorageError::TimedOut)
            }
            Err(error) => Err(failed(&Arc::new(error))),
        };
        let _ = self.answer.send(answer);
        None
    }
}

impl<Q: Question> Asked<Q> {
    fn work(&mut self, core: &Core, started: Instant) -> Result<Option<Q::Answer>> {
        let end = started + core.patience.slice;
        if self.has_begun {
            return core.database.read(|connection| self.question.go_on(connection, end));
        }
        let answer = core.look(|connection, snapshot| {
            self.question.begin(connection, snapshot)?;
            self.question.go_on(connection, end)
        })?;
        self.has_begun = true;
        Ok(answer)
    }
}

impl Core {
    /// Shows `look` a connection and a snapshot of the index that say the same.
    pub(super) fn look<T>(&self, mut look: impl FnMut(&Connection, &Snapshot) -> Result<T>) -> Result<T> {
        loop {
            let looked = self.database.read(|connection| {
                let sql = "SELECT last FROM journal";
                let last = connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs();
                let snapshot = self.index.snapshot_at(last)?;
                // If something was committed between the two looks, they are taken again.
                if snapshot.last() == last { look(connection, &snapshot).map(Some) } else { Ok(None) }
            })?;
            if let Some(looked) = looked {
                return Ok(looked);
            }
        }
    }
}
