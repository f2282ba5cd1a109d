//! One thread that works off a queue in groups: whatever has queued up is handled together, so that a commit's cost
//! is shared by as many as came meanwhile, and a lone input waits for nobody.
//!
//! The queue is bounded, and makes its senders wait when it is full. The thread ends in the order of the data: when
//! every [`Queue`] is gone, it handles what is still queued. What a group is and does, it doesn't know.

use std::{fmt::Display, io, thread, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// The thread has ended; nothing can be handed in any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the writer has stopped")]
pub struct Stopped;

/// Hands in inputs of type `I`, for answers of type `A`. Clones share one queue.
#[derive(Debug)]
pub struct Queue<I, A> {
    sender: mpsc::Sender<Queued<I, A>>,
}

impl<I, A> Clone for Queue<I, A> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

#[derive(Debug)]
struct Queued<I, A> {
    input: I,
    answer: Option<oneshot::Sender<A>>,
}

impl<I, A> Queue<I, A> {
    /// Hands in `input`; waits while the queue is full. Nobody is told what becomes of it.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn send(&self, input: I) -> Result<(), Stopped> {
        self.sender.send(Queued { input, answer: None }).await.map_err(|_| Stopped)
    }

    /// Hands in `input` and waits for its answer.
    ///
    /// # Errors
    /// If the thread has ended, or ends before it has answered.
    pub async fn ask(&self, input: I) -> Result<A, Stopped> {
        self.place().await?.ask(input).await
    }

    /// Waits for a place in the queue.
    ///
    /// # Errors
    /// If the thread has ended.
    pub async fn place(&self) -> Result<Place<'_, I, A>, Stopped> {
        self.sender.reserve().await.map(Place).map_err(|_| Stopped)
    }
}

/// A place in a [`Queue`].
#[derive(Debug)]
pub struct Place<'a, I, A>(mpsc::Permit<'a, Queued<I, A>>);

impl<I, A> Place<'_, I, A> {
    /// Takes the place at once, and gives what waits for the answer.
    pub fn ask(self, input: I) -> impl Future<Output = Result<A, Stopped>> + use<I, A> {
        let (answer, told) = oneshot::channel();
        self.0.send(Queued { input, answer: Some(answer) });
        async move { told.await.map_err(|_| Stopped) }
    }
}

/// How inputs are taken.
#[derive(Clone, Copy, Debug)]
pub struct Grouping {
    /// Inputs that may wait; when they are that many, whoever brings another waits.
    pub queue: usize,
    /// Where a group is full: it takes inputs until their sizes are at least this.
    pub group: usize,
}

/// Why a thread ended early.
#[derive(Debug, thiserror::Error)]
pub enum Ending<E> {
    /// A group could not be handled.
    #[error(transparent)]
    Failed(E),
    /// The work panicked.
    #[error("the writer panicked")]
    Panicked,
}

/// A running thread, to be waited for.
#[derive(Debug)]
pub struct GroupThread<E> {
    ended: oneshot::Receiver<Result<(), E>>,
}

impl<E> GroupThread<E> {
    /// Waits until every queue handle is gone and everything queued is handled.
    ///
    /// # Errors
    /// If a group failed for good, or panicked.
    pub async fn ended(self) -> Result<(), Ending<E>> {
        self.ended.await.map_err(|_| Ending::Panicked)?.map_err(Ending::Failed)
    }
}

/// Starts a thread called `name`. It hands groups to `work`, which gives one answer for each input, in their order.
/// `size` tells how much of a group an input is.
///
/// # Errors
/// If the system gives no thread.
pub fn start<I, A, E>(
    name: &str,
    grouping: Grouping,
    size: fn(&I) -> usize,
    work: impl FnMut(Vec<I>) -> Result<Vec<A>, E> + Send + 'static,
) -> io::Result<(Queue<I, A>, GroupThread<E>)>
where
    I: Send + 'static,
    A: Send + 'static,
    E: Send + 'static,
{
    let (sender, queued) = mpsc::channel(grouping.queue);
    let (tell, ended) = oneshot::channel();
    thread::Builder::new().name(name.into()).spawn(move || {
        // Nobody waits for the end when the program is torn down at once.
        let _ = tell.send(work_off(queued, grouping.group, size, work));
    })?;
    Ok((Queue { sender }, GroupThread { ended }))
}

/// Owns the queue's end, so that it is closed before the end is told.
fn work_off<I, A, E>(
    mut queued: mpsc::Receiver<Queued<I, A>>,
    most: usize,
    size: fn(&I) -> usize,
    mut work: impl FnMut(Vec<I>) -> Result<Vec<A>, E>,
) -> Result<(), E> {
    while let Some(first) = queued.blocking_recv() {
        let mut taken = size(&first.input);
        let (mut inputs, mut askers) = (vec![first.input], vec![first.answer]);
        while taken < most {
            let Ok(next) = queued.try_recv() else { break };
            taken += size(&next.input);
            inputs.push(next.input);
            askers.push(next.answer);
        }
        for (answer, asker) in work(inputs)?.into_iter().zip(askers) {
            // Who no longer waits needs no answer: the input is handled all the same.
            let _ = asker.map(|asker| asker.send(answer));
        }
    }
    Ok(())
}

/// How often something is tried again while it fails for a moment, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Times that it is tried again.
    pub tries: u32,
    /// The wait before the first of them; each later one is longer by as much.
    pub wait: Duration,
}

impl Patience {
    /// Does `work`, again while its error `passes` and there is patience. The thread sleeps in between.
    ///
    /// # Errors
    /// The last error of `work`.
    pub fn insist<T, E: Display>(
        self,
        passes: impl Fn(&E) -> bool,
        mut work: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tries = 0;
        loop {
            match work() {
                Err(error) if tries < self.tries && passes(&error) => {
                    tries += 1;
                    tracing::warn!(%error, tries, "the store failed, the group is tried again");
                    thread::sleep(self.wait * tries);
                }
                outcome => return outcome,
            }
        }
    }
}
