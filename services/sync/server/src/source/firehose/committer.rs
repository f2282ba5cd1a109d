//! Hands what was verified to the writer, in groups, each with the positions that it brings the relays' streams to:
//! a position is stored with or after everything before it, never earlier.

use super::stream::{Done, Stream};
use crate::Stopped;
use crate::WriterHandle;
use crate::source::measure;
use crate::source::settings::CursorSaving;
use nexus_model::Timestamp;
use nexus_runtime::Clock;
use nexus_sync::writer::Input;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until};

/// Groups of messages, each from one shard, that are handed to the writer together.
const AT_ONCE: usize = 64;

/// Hands in what shards have finished.
pub(super) struct Committer {
    pub(super) writer: WriterHandle,
    pub(super) saving: CursorSaving,
    pub(super) clock: Clock,
    pub(super) finished: mpsc::Receiver<Vec<Done>>,
    pub(super) streams: Vec<Arc<Stream>>,
}

/// What goes into one transaction, and what it brings about.
#[derive(Default)]
struct Group {
    inputs: Vec<Input>,
    permits: Vec<OwnedSemaphorePermit>,
    handled: HashMap<Arc<str>, Handled>,
}

/// What is in a group of one relay's.
#[derive(Default)]
struct Handled {
    messages: usize,
    /// When the last commit was made.
    newest: Option<Timestamp>,
}

impl Committer {
    /// Works until all shards are gone; stores the last positions then.
    ///
    /// # Errors
    /// If the writer has stopped.
    pub(super) async fn run(mut self) -> Result<(), Stopped> {
        let mut stored: Vec<Option<i64>> = self.streams.iter().map(|stream| stream.tide().low()).collect();
        let mut last_stored = Instant::now();
        let mut arrived = Vec::with_capacity(AT_ONCE);
        loop {
            let is_moved = self.streams.iter().zip(&stored).any(|(stream, stored)| stream.tide().low() != *stored);
            let count = tokio::select! {
                count = self.finished.recv_many(&mut arrived, AT_ONCE) => count,
                () = idle(self.saving, last_stored), if is_moved => usize::MAX,
            };
            let is_idle = count == usize::MAX;
            let mut group = gather(arrived.drain(..).flatten());
            let positions: Vec<_> = self.streams.iter().map(|stream| stream.tide().low()).collect();
            if !group.inputs.is_empty() || is_idle || count == 0 {
                let moved = self.streams.iter().zip(&positions).zip(&mut stored);
                group.inputs.extend(moved.filter_map(|((stream, now), stored)| self.cursor(stream, *now, stored)));
                last_stored = Instant::now();
            }
            self.commit(group, &positions).await?;
            if count == 0 {
                return Ok(());
            }
        }
    }

    /// A position to be stored, if it has moved.
    fn cursor(&self, stream: &Stream, now: Option<i64>, stored: &mut Option<i64>) -> Option<Input> {
        let moved = now.filter(|_| now != *stored && self.saving != CursorSaving::Never)?;
        *stored = now;
        Some(Input::Cursor(stream.cursor_name(), moved.to_string()))
    }

    async fn commit(&self, group: Group, positions: &[Option<i64>]) -> Result<(), Stopped> {
        if !group.inputs.is_empty() {
            let told = self.writer.ask(group.inputs).await?;
            measure::decided(told.iter().map(|told| told.outcome));
        }
        // Only now may more arrive: what is in work is bounded until it is durable.
        drop(group.permits);
        for (stream, position) in self.streams.iter().zip(positions) {
            stream.set_durable(position.unwrap_or(0));
            let Some(handled) = group.handled.get(&stream.relay) else { continue };
            measure::handled(&stream.relay, handled.messages, stream.durable());
            if let Some(newest) = handled.newest {
                measure::lag(&stream.relay, self.clock.now().millis() - newest.millis());
            }
        }
        Ok(())
    }
}

/// From here on the positions count what was finished as done: it is in the group.
fn gather(finished: impl Iterator<Item = Done>) -> Group {
    let mut group = Group::default();
    for Done { stream, ticket, input, permit } in finished {
        stream.tide().leave(ticket);
        let handled = group.handled.entry(Arc::clone(&stream.relay)).or_default();
        handled.messages += 1;
        if let Some(Input::Commit(commit)) = &input {
            handled.newest = Some(commit.get().rev.time());
        }
        group.inputs.extend(input);
        group.permits.push(permit);
    }
    group
}

/// Waits until positions are stored for their own sake; for ever if they never are.
async fn idle(saving: CursorSaving, last: Instant) {
    match saving {
        CursorSaving::Every(interval) => sleep_until(last + interval).await,
        CursorSaving::Never => std::future::pending().await,
    }
}
