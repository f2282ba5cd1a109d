//! The index's two threads: one merges what is in memory and writes it to files, one merges files. Neither ever
//! holds up who reads, and the store's writer only when it is far ahead.

use super::{Duty, Index, PAUSE, State, merge, merge_in_memory, run::Run};
use crate::Result;
use std::{
    sync::{Arc, PoisonError},
    thread::JoinHandle,
};

/// The threads. Dropped, they end with what they are at.
#[derive(Debug)]
pub(in crate::relay) struct Background {
    index: Arc<Index>,
    threads: Vec<JoinHandle<()>>,
}

impl Background {
    /// Starts both.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(in crate::relay) fn start(index: &Arc<Index>) -> std::io::Result<Self> {
        let mut background = Self { index: index.clone(), threads: Vec::new() };
        background.spawn("relay-flush", Index::flush_until_closed)?;
        background.spawn("relay-merge", Index::merge_until_closed)?;
        Ok(background)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(&Index) + Send + 'static) -> std::io::Result<()> {
        let index = self.index.clone();
        self.threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&index))?);
        Ok(())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.index.state().is_closing = true;
        self.index.changed.notify_all();
        self.index.due.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has told so already.
            let _ = thread.join();
        }
    }
}

impl Index {
    fn flush_until_closed(&self) {
        let is_idle =
            |state: &mut State| !self.must_flush(state) && state.memory_to_merge().is_none() && !state.is_closing;
        let take = |state: &mut State| if self.must_flush(state) { state.freeze() } else { state.freeze_to_merge() };
        while let Some(Frozen { runs, fate }) = self.next_task(is_idle, take) {
            let done = match fate {
                Fate::File => self.write(&runs),
                Fate::Memory => merge_in_memory(&runs).map(|run| (run, super::RoaringTreemap::new())),
            };
            self.finish(&runs, done, |state| &mut state.flushing);
        }
    }

    fn merge_until_closed(&self) {
        let is_idle = |state: &mut State| state.files_to_merge().is_none() && !state.is_closing;
        let take = |state: &mut State| {
            let files = state.files_to_merge().unwrap_or_default();
            state.merging = Duty::Busy;
            files
        };
        while let Some(runs) = self.next_task(is_idle, take) {
            let written = self.write(&runs);
            let is_written = written.is_ok();
            self.finish(&runs, written, |state| &mut state.merging);
            if is_written {
                // Whoever still reads them has them open. What can't be removed is removed at the next opening.
                let _ = runs.iter().filter_map(|run| run.file()).try_for_each(|file| file.remove());
            }
        }
    }

    /// Waits while there is nothing to do, and takes what there is. `None` once the store is closed.
    fn next_task<T>(&self, is_idle: impl FnMut(&mut State) -> bool, take: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut state = self.due.wait_while(self.state(), is_idle).unwrap_or_else(PoisonError::into_inner);
        if state.is_closing { None } else { Some(take(&mut state)) }
    }

    /// Writes the entries of `runs` to one file, without those of events that were removed by then.
    fn write(&self, runs: &[Arc<Run>]) -> Result<(Arc<Run>, super::RoaringTreemap)> {
        let dead = (*self.dead()).clone();
        let (first, last) = (runs[0].first, runs[runs.len() - 1].last);
        let run = self.folder.write(first, last, |out| {
            merge::merge(runs, &dead, |entry| out.push(entry))?;
            merge::join_ids(runs, &dead, |ids| out.push_ids(ids))
        })?;
        Ok((run, dead))
    }

    /// Shows what was written, or waits a while if that failed.
    fn finish(
        &self,
        old: &[Arc<Run>],
        written: Result<(Arc<Run>, super::RoaringTreemap)>,
        duty: fn(&mut State) -> &mut Duty,
    ) {
        let mut state = self.state();
        *duty(&mut state) = Duty::Idle;
        match written {
            Ok((new, dead)) => {
                state.replace(old, new, &dead);
                state.failure = None;
                self.changed.notify_all();
                self.due.notify_all();
            }
            Err(error) => {
                state.failure = Some(Arc::new(error));
                self.changed.notify_all();
                let waited = self.due.wait_timeout_while(state, PAUSE, |state| !state.is_closing);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

impl State {
    /// Takes all runs in memory, which from now on stay as they are, for a file.
    fn freeze(&mut self) -> Frozen {
        let in_memory = self.snapshot.runs.iter().filter(|run| run.file().is_none());
        let runs = in_memory.cloned().collect();
        self.keep(runs, Fate::File)
    }

    /// Takes those of them that should be one.
    fn freeze_to_merge(&mut self) -> Frozen {
        let runs = self.memory_to_merge().unwrap_or_default();
        self.keep(runs, Fate::Memory)
    }

    fn keep(&mut self, runs: Vec<Arc<Run>>, fate: Fate) -> Frozen {
        self.frozen = runs.last().map_or(self.frozen, |run| run.last);
        self.flushing = Duty::Busy;
        Frozen { runs, fate }
    }
}

/// Runs in memory that the flushing thread took, which follow one another.
struct Frozen {
    runs: Vec<Arc<Run>>,
    fate: Fate,
}

/// What is to become of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A run in a file.
    File,
    /// A larger run in memory.
    Memory,
}
