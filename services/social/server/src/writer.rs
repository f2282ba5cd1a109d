//! The one thread that decides and commits. Sources and operators hand it inputs through a bounded queue, which
//! makes them wait when it is full; whatever has queued up becomes one group, so that a commit's cost is shared by
//! as many as came meanwhile, and a lone input waits for nobody.
//!
//! It stops in the order of the data: when every [`WriterHandle`] is gone, it handles what is still queued and ends.

use crate::{blobs::Blobs, source::measure};
use nexus_runtime::Clock;
use nexus_social::{
    input::{Input, Verdict},
    row::FileRow,
    store::{Error, Store},
    writer::{Committed, Writer},
};
use std::{sync::Arc, thread, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// How often a group is handed in again after the store failed, and how long the writer waits in between. Longer
/// outages stop the program, loudly, as damage does.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Hands inputs to the writer. Clones share its queue.
#[derive(Clone, Debug)]
pub struct WriterHandle {
    queue: mpsc::Sender<Queued>,
}

#[derive(Debug)]
struct Queued {
    input: Input,
    verdict: Option<oneshot::Sender<Verdict>>,
}

/// The writer has stopped; nothing can be written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the writer has stopped")]
pub struct Stopped;

impl WriterHandle {
    /// Hands in `input`; waits while the queue is full. Nobody is told what becomes of it.
    ///
    /// # Errors
    /// If the writer has stopped.
    pub async fn send(&self, input: Input) -> Result<(), Stopped> {
        self.queue.send(Queued { input, verdict: None }).await.map_err(|_| Stopped)
    }

    /// Hands in `input` and waits until it is durable and indexed.
    ///
    /// # Errors
    /// If the writer has stopped.
    pub async fn ask(&self, input: Input) -> Result<Verdict, Stopped> {
        self.place().await?.ask(input).await
    }

    /// Waits for a place in the queue.
    ///
    /// # Errors
    /// If the writer has stopped.
    pub async fn place(&self) -> Result<Place<'_>, Stopped> {
        self.queue.reserve().await.map(Place).map_err(|_| Stopped)
    }
}

/// A place in the writer's queue.
#[derive(Debug)]
pub struct Place<'a>(mpsc::Permit<'a, Queued>);

impl Place<'_> {
    /// Takes the place at once, and gives what waits until the input is durable and indexed.
    pub fn ask(self, input: Input) -> impl Future<Output = Result<Verdict, Stopped>> + use<> {
        let (verdict, told) = oneshot::channel();
        self.0.send(Queued { input, verdict: Some(verdict) });
        async move { told.await.map_err(|_| Stopped) }
    }
}

/// What the writer works with.
pub struct WriterParts {
    /// Decides.
    pub writer: Writer,
    /// Keeps.
    pub store: Arc<dyn Store>,
    /// Keeps the bytes of files; those that a deletion leaves behind are removed.
    pub blobs: Arc<Blobs>,
    /// Tells the time of each group.
    pub clock: Clock,
    /// Applies what was committed to the index, before anybody is told.
    pub publish: Box<dyn FnMut(Committed) + Send>,
    /// Learns of every verdict that has consequences for the sources.
    pub followups: crate::source::Followups,
}

/// How the writer takes its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Grouping {
    /// Inputs that may wait; when they are that many, whoever brings another waits.
    pub queue: usize,
    /// Most inputs of a group.
    pub group: usize,
}

/// A running writer, to be waited for.
#[derive(Debug)]
pub struct WriterThread {
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl WriterThread {
    /// Waits until every handle is gone and everything queued is handled.
    ///
    /// # Errors
    /// If the store failed for good or its data is damaged.
    pub async fn ended(self) -> Result<(), Error> {
        self.ended.await.unwrap_or_else(|_| Err(Error::Damaged("the writer panicked".into())))
    }
}

/// Starts the writer on a thread of its own.
///
/// # Errors
/// If the system gives no thread.
pub fn start(parts: WriterParts, grouping: Grouping) -> std::io::Result<(WriterHandle, WriterThread)> {
    let (queue, inputs) = mpsc::channel(grouping.queue);
    let (tell, ended) = oneshot::channel();
    thread::Builder::new().name("social-writer".into()).spawn(move || {
        // Nobody waits for the end when the program is torn down at once.
        let _ = tell.send(Working { parts, most: grouping.group }.work(inputs));
    })?;
    Ok((WriterHandle { queue }, WriterThread { ended }))
}

struct Working {
    parts: WriterParts,
    most: usize,
}

impl Working {
    fn work(mut self, mut inputs: mpsc::Receiver<Queued>) -> Result<(), Error> {
        let mut queued = Vec::with_capacity(self.most);
        while inputs.blocking_recv_many(&mut queued, self.most) > 0 {
            let (group, waiting): (Vec<_>, Vec<_>) = queued.drain(..).map(|q| (q.input, q.verdict)).unzip();
            let verdicts = self.group(&group)?;
            measure::written(verdicts.len());
            for (verdict, waiting) in verdicts.into_iter().zip(waiting) {
                self.conclude(&verdict);
                if let Some(waiting) = waiting {
                    // Who no longer waits needs no answer: the input is durable all the same.
                    let _ = waiting.send(verdict);
                }
            }
        }
        Ok(())
    }

    /// One group, handed in again while the store fails for a moment.
    fn group(&mut self, group: &[Input]) -> Result<Vec<Verdict>, Error> {
        let WriterParts { writer, store, clock, publish, .. } = &mut self.parts;
        let mut tries = 0;
        loop {
            match writer.run(&**store, group, clock.now(), &mut *publish) {
                Err(Error::Backend(cause)) if tries < TRIES => {
                    tries += 1;
                    tracing::warn!(error = %cause, tries, "the store failed, the group is tried again");
                    thread::sleep(BETWEEN_TRIES * tries);
                }
                outcome => return outcome,
            }
        }
    }

    fn conclude(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Done { freed, ingest, orphans } => {
                orphans.iter().for_each(|file| self.remove(file));
                self.parts.followups.tell(!freed.is_empty(), ingest);
            }
            Verdict::Waits { ingest, .. } => self.parts.followups.tell(false, ingest),
            Verdict::Refused(reason) => measure::rejected(reason),
            Verdict::Buried => measure::rejected("buried"),
            Verdict::Unchanged => {}
        }
    }

    fn remove(&self, file: &FileRow) {
        if let Err(error) = self.parts.blobs.remove(file) {
            tracing::error!(%error, file = %file.key.id, "a deleted file's bytes could not be removed");
        }
    }
}
