//! The one thread that decides and commits, in groups. Sources and operators hand it inputs through a bounded queue.

use crate::{blobs::Blobs, source::measure};
use nexus_runtime::{
    Clock,
    groups::{self, GroupThread, Grouping, Patience, Queue},
};
use nexus_social::{
    effects::Operation,
    input::{Event, EventAction, Input, Verdict},
    row::FileRow,
    store::{Error, Store},
    writer::{Committed, Writer},
};
use std::{io, sync::Arc, time::Duration};

/// How often a group is handed in again after the store failed. Longer outages stop the program, loudly, as damage
/// does.
const PATIENCE: Patience = Patience { tries: 5, wait: Duration::from_millis(200) };

/// Hands inputs to the writer; an answer says that the input is durable and indexed. Clones share its queue.
pub type WriterHandle = Queue<Input, Verdict>;

/// A running writer, to be waited for.
pub type WriterThread = GroupThread<Error>;

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

/// Starts the writer on a thread of its own.
///
/// # Errors
/// If the system gives no thread.
pub fn start(mut parts: WriterParts, grouping: Grouping) -> io::Result<(WriterHandle, WriterThread)> {
    groups::start("social-writer", grouping, |_| 1, move |inputs| parts.group(&inputs))
}

impl WriterParts {
    /// One group, and after it what has to be fetched again because of it.
    fn group(&mut self, inputs: &[Input]) -> Result<Vec<Verdict>, Error> {
        let verdicts = self.commit(inputs)?;
        measure::written(verdicts.len());
        verdicts.iter().for_each(|verdict| self.conclude(verdict));
        let lost = lost(inputs, &verdicts);
        if !lost.is_empty() {
            self.commit(&lost)?;
        }
        Ok(verdicts)
    }

    /// Commits a group, handed in again while the store fails for a moment.
    fn commit(&mut self, inputs: &[Input]) -> Result<Vec<Verdict>, Error> {
        let Self { writer, store, clock, publish, .. } = self;
        PATIENCE.insist(
            |error| matches!(error, Error::Backend(_)),
            || writer.run(&**store, inputs, clock.now(), &mut *publish),
        )
    }

    fn conclude(&self, verdict: &Verdict) {
        match verdict {
            Verdict::Done { freed, ingest, orphans } => {
                orphans.iter().for_each(|file| self.remove(file));
                self.followups.tell(!freed.is_empty(), ingest);
            }
            Verdict::Waits { ingest, .. } => self.followups.tell(false, ingest),
            Verdict::Refused(reason) => measure::refused(reason),
            Verdict::Buried => measure::refused("buried"),
            Verdict::Unchanged => {}
        }
    }

    fn remove(&self, file: &FileRow) {
        if let Err(error) = self.blobs.remove(file) {
            tracing::error!(%error, file = %file.key.id, "a deleted file's bytes could not be removed");
        }
    }
}

/// Files whose bytes were fetched ahead and went with a deletion before them in the log: to be fetched again.
fn lost(inputs: &[Input], verdicts: &[Verdict]) -> Vec<Input> {
    let stands = |verdict: &Verdict| matches!(verdict, Verdict::Done { .. } | Verdict::Unchanged);
    let events = inputs.iter().zip(verdicts).filter(|(_, verdict)| stands(verdict));
    events.filter_map(|(input, _)| if let Input::Event(event) = input { lost_bytes(event) } else { None }).collect()
}

/// The input that has a file fetched again whose bytes are gone.
fn lost_bytes(event: &Event) -> Option<Input> {
    let EventAction::Put { blob: Some(blob), .. } = &event.action else { return None };
    (!blob.exists()).then(|| Input::Failed {
        address: event.address.clone(),
        operation: Operation::Put,
        homeserver: Arc::clone(&event.homeserver),
        error: "its bytes went with a deletion before it".to_owned(),
    })
}
