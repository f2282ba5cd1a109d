//! Tasks that are never forgotten: each has a name and a token, and one that fails ends the others.
//!
//! Shutdown has two steps. [`Tasks::stop`] cancels every token, so that each task drains and returns;
//! [`Tasks::finish`] waits for them, as long as its caller's patience lasts.

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
    /// The first task that failed.
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
        tracing::error!(task, error = %cause, "a task failed, everything stops");
        failure.get_or_insert(Failure { task, cause });
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_every_task() {
        let tasks = Tasks::new();
        let (done, mut drained) = mpsc::channel(1);
        tasks.spawn("drains", |stop| async move {
            stop.cancelled().await;
            done.send(()).await
        });
        tasks.stop();
        tasks.finish().await.unwrap();
        assert!(drained.try_recv().is_ok());
    }

    #[tokio::test]
    async fn one_failure_stops_the_others_and_is_told() {
        let tasks = Tasks::new();
        tasks.spawn("waits", |stop| async move {
            stop.cancelled().await;
            Ok::<_, std::io::Error>(())
        });
        tasks.spawn("fails", |_| async { Err(std::io::Error::other("no disk")) });
        let failure = tasks.finish().await.unwrap_err();
        assert_eq!((failure.task, failure.cause.to_string().as_str()), ("fails", "no disk"));
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let tasks = Tasks::new();
        tasks.spawn("panics", |_| async {
            assert!(std::env::args().count() == 0, "on purpose");
            Ok::<_, std::io::Error>(())
        });
        assert_eq!(tasks.finish().await.unwrap_err().task, "panics");
    }
}
