//! The thread that copies the database's log into its file, and clears removed content from it: beside the writer,
//! which would make those wait whose events it commits.

use super::Core;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

/// How long what was committed gathers in the log: the shorter, the less the disk is given at once.
const PAUSE: Duration = Duration::from_millis(200);

/// What a commit brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Committed {
    /// Nothing whose content must go.
    Additions,
    /// Removals of content, which the log still has.
    Removals,
}

/// The thread. Dropped, it ends with what it is at; the rest of the log is copied when the file is closed.
#[derive(Debug)]
pub(super) struct Checkpointer {
    due: Arc<Due>,
    thread: Option<JoinHandle<()>>,
}

/// What there is to do.
#[derive(Debug, Default)]
pub(super) struct Due {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    work: Option<Committed>,
    is_closing: bool,
}

impl Due {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one flag.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was committed.
    pub(super) fn add(&self, committed: Committed) {
        let mut state = self.state();
        if state.work.is_none() {
            self.changed.notify_one();
        }
        state.work = state.work.max(Some(committed));
    }

    /// Waits until something was committed and has gathered for a while. `None` once the store is closed.
    fn next(&self) -> Option<Committed> {
        let is_idle = |state: &mut State| state.work.is_none() && !state.is_closing;
        let state = self.changed.wait_while(self.state(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, PAUSE, |state| !state.is_closing);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let work = state.work.take();
        if state.is_closing { None } else { work }
    }
}

impl Checkpointer {
    /// Starts the thread.
    pub(super) fn start(core: &Arc<Core>) -> std::io::Result<Self> {
        let due = Arc::new(Due::default());
        let (core, seen) = (core.clone(), due.clone());
        let thread = std::thread::Builder::new().name("relay-checkpoint".to_owned()).spawn(move || {
            while let Some(work) = seen.next() {
                // What fails now is tried again after the next commit, and the database remembers what it owes.
                let _ = core.database.checkpoint();
                if work == Committed::Removals {
                    core.database.content_removed();
                }
            }
        })?;
        Ok(Self { due, thread: Some(thread) })
    }

    /// Where the writer tells what it committed.
    pub(super) const fn due(&self) -> &Arc<Due> {
        &self.due
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.due.state().is_closing = true;
        self.due.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has told so already.
            let _ = thread.join();
        }
    }
}
