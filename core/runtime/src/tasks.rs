//! Tasks that are never forgotten: each has a name and a token, and one that fails ends the others.
//!
//! Shutdown has two steps. [`Tasks::stop`] cancels every token, so that each task drains and returns;
//! [`Tasks::finish`] waits for them, as long as its caller's patience lasts.

use crate::groups::Stopped;
use std::{error::Error, sync::Arc};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Why a task, and with it the program, ended early.
#[derive(Debug, thiserror::Error)]
#[error("task {task} failed")]
pub struct Failure {
    /// Which task.
    pub task: &'static str,
    /// What it said.
    #[source]
    pub cause: Box<dyn Error + Send + Sync>,
}

/// Starts tasks and knows which still run. Clones share one set.
#[derive(Clone, Debug)]
pub struct Tasks {
    token: CancellationToken,
    started: mpsc::UnboundedSender<Started>,
    running: Arc<tokio::sync::Mutex<Running>>,
}

type Outcome = (&'static str, Result<(), Box<dyn Error + Send + Sync>>);
type Started = std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>>;

#[derive(Debug)]
struct Running {
    set: JoinSet<Outcome>,
    incoming: mpsc::UnboundedReceiver<Started>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        let (started, incoming) = mpsc::unbounded_channel();
        let running = Arc::new(tokio::sync::Mutex::new(Running { set: JoinSet::new(), incoming }));
        Self { token: CancellationToken::new(), started, running }
    }

    /// A token that is cancelled when everything is to stop.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs `task` until it ends. If it fails or panics, everything begins to stop. Tasks run while
    /// [`Tasks::finish`] is awaited.
    pub fn spawn<F, E>(&self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let work = task(self.token.clone());
        let joined = tokio::spawn(async move { work.await.map_err(Into::into) });
        // The supervisor in `finish` owns the receiver for as long as `self` lives, so nothing is lost here.
        let _ =
            self.started.send(Box::pin(async move { (name, joined.await.unwrap_or_else(|panic| Err(panic.into()))) }));
    }

    /// Asks every task to drain and return.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Waits until every task has returned after a stop, or the first failure: then it stops the others, waits
    /// for them too, and gives that failure.
    ///
    /// # Errors
    /// The first task that failed, but one that only found the writer gone gives way to the one that knows why.
    pub async fn finish(&self) -> Result<(), Failure> {
        let mut running = self.running.lock().await;
        let running = &mut *running;
        let mut failure = None;
        loop {
            tokio::select! {
                Some(task) = running.incoming.recv() => { running.set.spawn(task); }
                Some(ended) = running.set.join_next() => self.note(ended, &mut failure),
                () = self.token.cancelled(), if running.set.is_empty() && running.incoming.is_empty() => break,
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn note(&self, ended: Result<Outcome, tokio::task::JoinError>, failure: &mut Option<Failure>) {
        let (task, result) = ended.unwrap_or_else(|error| ("supervisor", Err(error.into())));
        let Err(cause) = result else { return };
        tracing::error!(task, error = crate::told(&*cause), "a task failed, everything stops");
        if failure.as_ref().is_none_or(Failure::is_a_consequence) {
            *failure = Some(Failure { task, cause });
        }
        self.stop();
    }
}

impl Failure {
    /// Whether the task failed since the writer had ended, which fails itself when that wasn't asked for. Errors that
    /// stand for another are told as it is, and are not in its chain: so they are known by what they say.
    fn is_a_consequence(&self) -> bool {
        self.cause.to_string() == Stopped.to_string()
    }
}
