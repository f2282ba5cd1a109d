//! The one thread that decides and commits. Inputs come through a bounded queue, which makes their senders wait
//! when it is full; whatever has queued up becomes one group, so that a commit's cost is shared by as many as came
//! meanwhile, and a lone input waits for nobody.
//!
//! It stops in the order of the data: when every [`WriterHandle`] is gone, it handles what is still queued and ends.

use nexus_journal::Head;
use nexus_runtime::Clock;
use nexus_sync::rules::Rules;
use nexus_sync::store::{Error, Result, Store};
use nexus_sync::writer::{self, Input, Told};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Batches of inputs that may wait, and inputs that make up a group.
const QUEUE: usize = 1_024;
const GROUP: usize = 2_048;

/// How often a group is tried again after the store failed, and the wait in between. Longer outages stop the
/// program, loudly, as damage does.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Hands inputs to the writer. Clones share its queue.
#[derive(Clone, Debug)]
pub struct WriterHandle {
    queue: mpsc::Sender<Queued>,
}

#[derive(Debug)]
struct Queued {
    inputs: Vec<Input>,
    told: oneshot::Sender<Vec<Told>>,
}

/// The writer has stopped; nothing can be written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the writer has stopped")]
pub struct Stopped;

impl WriterHandle {
    /// Hands in inputs, which share one transaction, and waits until they are durable.
    ///
    /// # Errors
    /// If the writer has stopped.
    pub async fn ask(&self, inputs: Vec<Input>) -> std::result::Result<Vec<Told>, Stopped> {
        let (told, answer) = oneshot::channel();
        self.queue.send(Queued { inputs, told }).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

/// Starts the writer's thread. `head` learns the newest position after each commit.
///
/// The thread ends when every handle is gone, or with an error that the program must not outlive.
pub fn start(
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    clock: Clock,
    head: Arc<Head>,
) -> (WriterHandle, JoinHandle<Result<()>>) {
    let (queue, mut waiting) = mpsc::channel(QUEUE);
    let thread = thread::spawn(move || {
        while let Some(first) = waiting.blocking_recv() {
            let group = gather(first, &mut waiting);
            commit(&*store, group, &rules, &clock, &head)?;
        }
        Ok(())
    });
    (WriterHandle { queue }, thread)
}

/// What has queued up, as far as it fits into a group.
fn gather(first: Queued, waiting: &mut mpsc::Receiver<Queued>) -> Vec<Queued> {
    let mut count = first.inputs.len();
    let mut group = vec![first];
    while count < GROUP {
        let Ok(next) = waiting.try_recv() else { break };
        count += next.inputs.len();
        group.push(next);
    }
    group
}

fn commit(store: &dyn Store, group: Vec<Queued>, rules: &Rules, clock: &Clock, head: &Head) -> Result<()> {
    let (inputs, askers): (Vec<_>, Vec<_>) = group.into_iter().map(|queued| (queued.inputs, queued.told)).unzip();
    let sizes: Vec<usize> = inputs.iter().map(Vec::len).collect();
    let inputs: Vec<Input> = inputs.into_iter().flatten().collect();
    let (told, last) = persistently(|| writer::write(store, &inputs, rules, clock.now()))?;
    head.advance(last);
    let mut told = told.into_iter();
    for (size, asker) in sizes.into_iter().zip(askers) {
        // Who no longer waits needn't be told.
        let _ = asker.send(told.by_ref().take(size).collect());
    }
    Ok(())
}

fn persistently<T>(mut write: impl FnMut() -> Result<T>) -> Result<T> {
    let mut tries = 1;
    loop {
        match write() {
            Err(error @ Error::Backend(_)) if tries < TRIES => {
                tracing::warn!(%error, tries, "a group can't be stored, and is tried again");
                tries += 1;
                thread::sleep(BETWEEN_TRIES);
            }
            result => return result,
        }
    }
}
