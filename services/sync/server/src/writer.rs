//! The one thread that decides and commits, in groups. Batches of inputs come through a bounded queue.

use nexus_atproto::Did;
use nexus_journal::Head;
use nexus_runtime::Clock;
use nexus_runtime::groups::{self, GroupThread, Grouping, Patience, Queue, Stopped};
use nexus_sync::decide::Outcome;
use nexus_sync::rules::Rules;
use nexus_sync::store::{Error, Result, Store};
use nexus_sync::writer::{self, Input, Told};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Batches of inputs that may wait, and inputs that make up a group.
const QUEUE: usize = 1_024;
const GROUP: usize = 2_048;

/// Inputs of one request that are handed in together.
const PORTION: usize = 1_000;

/// How often a group is tried again after the store failed. Longer outages stop the program, loudly, as damage does.
const PATIENCE: Patience = Patience { tries: 4, wait: Duration::from_millis(200) };

/// Hands in inputs, which share one transaction; the answer says that they are durable. Clones share its queue.
pub type WriterHandle = Queue<Vec<Input>, Vec<Told>>;

/// A running writer, to be waited for.
pub type WriterThread = GroupThread<Error>;

/// Hands in one input for each account, in portions, and gives how many changed anything.
///
/// # Errors
/// If the writer has stopped.
pub(crate) async fn ask_each(
    writer: &WriterHandle,
    dids: Vec<Did>,
    input: impl Fn(Did) -> Input,
) -> std::result::Result<usize, Stopped> {
    let mut changed = 0;
    for portion in dids.chunks(PORTION) {
        let told = writer.ask(portion.iter().cloned().map(&input).collect()).await?;
        changed += told.iter().filter(|told| told.outcome == Outcome::Applied).count();
    }
    Ok(changed)
}

/// Starts the writer's thread. `head` learns the newest position after each commit.
///
/// # Errors
/// If the system gives no thread.
pub fn start(
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    clock: Clock,
    head: Arc<Head>,
) -> io::Result<(WriterHandle, WriterThread)> {
    let grouping = Grouping { queue: QUEUE, group: GROUP };
    groups::start("sync-writer", grouping, Vec::len, move |batches| commit(&*store, batches, &rules, &clock, &head))
}

fn commit(
    store: &dyn Store,
    batches: Vec<Vec<Input>>,
    rules: &Rules,
    clock: &Clock,
    head: &Head,
) -> Result<Vec<Vec<Told>>> {
    let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
    let inputs: Vec<Input> = batches.into_iter().flatten().collect();
    let (told, last) = PATIENCE.insist(Error::is_retryable, || writer::write(store, &inputs, rules, clock.now()))?;
    head.advance(last);
    let mut told = told.into_iter();
    Ok(sizes.into_iter().map(|size| told.by_ref().take(size).collect()).collect())
}
