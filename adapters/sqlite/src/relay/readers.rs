//! Who answers questions. A small one is answered where it is asked, as handing it to another thread and back would
//! take longer than most answers do. What isn't answered soon goes to the threads that read, which put a question
//! behind the others after each slice of time, so that quick ones needn't wait for it.

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
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::coop::consume_budget,
};

/// How long a question may take where it is asked, before it is handed to a thread.
const AT_ONCE: Duration = Duration::from_millis(1);

/// How much of it counts as one of the 128 steps after which a task lets others have their turn: 6 ms in all.
const STEP: Duration = Duration::from_micros(50);

/// A question that can be answered in slices.
pub(super) trait Question: Send {
    /// The answer.
    type Answer: Send;

    /// True if it is worth a try where it is asked: its beginning takes little, and its end is probably near.
    fn is_small(&self) -> bool {
        false
    }

    /// Begins. `snapshot` says what `connection` has, neither more nor less.
    fn begin(&mut self, connection: &Connection, snapshot: &Snapshot) -> Result<()>;

    /// Goes on until there is an answer or `end` has come. What was removed since the beginning is gone, except where
    /// nothing but its id is wanted.
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
    core: Arc<Core>,
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
    /// Starts `count` threads, for which `waiting` questions may wait; whoever asks more waits before the queue.
    pub(super) fn start(core: &Arc<Core>, count: usize, waiting: usize) -> std::io::Result<Self> {
        let (queue, places) = (Arc::new(Queue::default()), Arc::new(Semaphore::new(waiting)));
        let mut readers = Self { core: core.clone(), queue, places, threads: Vec::new() };
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
        let mut progress = Progress { question, has_begun: false, spent: Duration::ZERO };
        if progress.question.is_small()
            && let Some(answer) = progress.try_at_once(&self.core).map_err(|error| failed(&Arc::new(error)))?
        {
            for _ in 0..=progress.spent.div_duration_f32(STEP) as u32 {
                consume_budget().await;
            }
            return Ok(answer);
        }
        let place = self.places.clone().acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        self.queue.push(Box::new(Asked { progress, budget, answer, _place: place }));
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
    progress: Progress<Q>,
    budget: Budget,
    answer: oneshot::Sender<std::result::Result<Q::Answer, StorageError>>,
    _place: OwnedSemaphorePermit,
}

impl<Q: Question<Answer: 'static> + 'static> Task for Asked<Q> {
    fn step(mut self: Box<Self>, core: &Core) -> Option<Box<dyn Task>> {
        if self.answer.is_closed() {
            return None;
        }
        let answer = match self.progress.work(core) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) if self.budget == Budget::Unlimited || self.progress.spent < core.patience.total => {
                return Some(self);
            }
            Ok(None) => Err(StorageError::TimedOut),
            Err(error) => Err(failed(&Arc::new(error))),
        };
        let _ = self.answer.send(answer);
        None
    }
}

/// A question, and how far its answer is.
struct Progress<Q> {
    question: Q,
    has_begun: bool,
    spent: Duration,
}

impl<Q: Question> Progress<Q> {
    /// Works for a slice of time.
    fn work(&mut self, core: &Core) -> Result<Option<Q::Answer>> {
        let started = Instant::now();
        let end = started + core.patience.slice;
        let answer = if self.has_begun {
            core.database.read(|connection| self.question.go_on(connection, end))
        } else {
            core.look(|connection, snapshot| self.begin(connection, snapshot, end))
        };
        self.spent += started.elapsed();
        answer
    }

    /// Works for a moment, unless that would mean waiting.
    fn try_at_once(&mut self, core: &Core) -> Result<Option<Q::Answer>> {
        let started = Instant::now();
        let end = started + AT_ONCE.min(core.patience.slice);
        let answer = core.try_look(|connection, snapshot| self.begin(connection, snapshot, end));
        self.spent += started.elapsed();
        Ok(answer?.flatten())
    }

    fn begin(&mut self, connection: &Connection, snapshot: &Snapshot, end: Instant) -> Result<Option<Q::Answer>> {
        self.question.begin(connection, snapshot)?;
        self.has_begun = true;
        self.question.go_on(connection, end)
    }
}

impl Core {
    /// Shows `look` a connection and a snapshot of the index that say the same.
    pub(super) fn look<T>(&self, mut look: impl FnMut(&Connection, &Snapshot) -> Result<T>) -> Result<T> {
        loop {
            let looked = self.database.read(|connection| {
                let last = newest(connection)?;
                let snapshot = self.index.snapshot_at(last)?;
                // If something was committed between the two looks, they are taken again.
                if snapshot.last() == last { look(connection, &snapshot).map(Some) } else { Ok(None) }
            })?;
            if let Some(looked) = looked {
                return Ok(looked);
            }
        }
    }

    /// The same, or `None` where that would mean waiting: for a connection, or until the index follows a commit.
    fn try_look<T>(&self, look: impl FnOnce(&Connection, &Snapshot) -> Result<T>) -> Result<Option<T>> {
        let looked = self.database.try_read(|connection| {
            let (last, snapshot) = (newest(connection)?, self.index.snapshot());
            if snapshot.last() == last { look(connection, &snapshot).map(Some) } else { Ok(None) }
        })?;
        Ok(looked.flatten())
    }
}

/// The journal's newest position.
fn newest(connection: &Connection) -> Result<u64> {
    let mut statement = connection.prepare_cached("SELECT last FROM journal")?;
    Ok(statement.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
}
