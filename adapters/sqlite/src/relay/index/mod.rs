//! The index: a reader of the journal that finds events by id, author, kind, tag, word and time.
//!
//! What an event is listed under ([`nexus_relay::index::terms`]) becomes entries of 32 bytes. Each group that was
//! committed brings a sorted run of them, which stays in memory and is merged with its neighbours; from time to
//! time a thread writes what is in memory to a file, and another merges files. So the commit of an event writes
//! its row and nothing else, and an index of any size costs each event the same few sequential writes. (The
//! log-structured merge tree of O'Neil et al. 1996.)
//!
//! The index has no content, only numbers and hashes, and nothing that can't be read again from the rows: files
//! may be deleted, and what isn't in them yet is read again when the store is opened.

mod background;
mod bloom;
mod entry;
mod file;
mod folder;
mod ids;
mod merge;
mod run;
mod snapshot;

pub(super) use background::Background;
pub(super) use entry::{EXPIRY, Entry, age, ages, entry, key, short};
pub(super) use file::StoreId;
pub(super) use folder::{Survey, survey};
pub(super) use ids::Ids;
pub(super) use snapshot::{Snapshot, Walk};

use crate::{Error, Result};
use folder::Folder;
use ids::{IdBytes, NOBODY};
use nexus_nostr::EventId;
use roaring::RoaringTreemap;
use run::Run;
use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How much larger a run in memory is than all after it: merged often, so that there are few.
const MEMORY_RATIO: usize = 4;

/// The same for files, which are merged seldom, as their merging is what wears the disk.
const FILE_RATIO: usize = 2;

/// How many entries the store's writer merges at once. Larger runs are merged by a thread, so that no commit waits
/// for them.
const AT_ONCE: usize = 4_096;

/// How long a thread waits before it tries again what failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the index may take to show what was committed. It takes some microseconds.
const FOLLOWING: Duration = Duration::from_secs(30);

/// How much of the index is in memory.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    /// From how many positions on they are written to a file.
    pub flush: u64,
    /// At how many positions the store's writer waits for the index.
    pub max: u64,
}

impl Default for Recent {
    /// 32,768 positions, 4 times as many before the writer waits: with the usual events 16 MB each.
    fn default() -> Self {
        Self { flush: 32_768, max: 4 * 32_768 }
    }
}

/// What a group of commits adds to the index.
#[derive(Debug, Default)]
pub(super) struct Additions {
    /// Entries of events.
    pub(super) entries: Vec<Entry>,
    /// Where events are, and their ids.
    pub(super) ids: Vec<(u64, EventId)>,
}

/// The index of one store.
#[derive(Debug)]
pub(super) struct Index {
    folder: Folder,
    recent: Recent,
    state: Mutex<State>,
    /// The snapshot has changed, or a thread is done with something.
    changed: Condvar,
    /// One of the two threads may have something to do.
    due: Condvar,
}

#[derive(Debug)]
struct State {
    snapshot: Arc<Snapshot>,
    /// Runs in memory up to this position belong to the flushing thread, and the writer leaves them as they are.
    frozen: u64,
    /// Whether the two threads have something to do.
    flushing: Duty,
    merging: Duty,
    /// Removed events that have no entries left, and that nobody was told of.
    purged: RoaringTreemap,
    /// Why the last attempt to write a file failed.
    failure: Option<Arc<Error>>,
    is_closing: bool,
    flush_all: bool,
}

/// What a background thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    Idle,
    Busy,
}

impl Index {
    /// The index in the folder at `path` of a store whose newest position is `last`, as far as it is in files.
    /// `dead` are events that were removed. What was committed since is to be published.
    pub(super) fn open(path: PathBuf, store: StoreId, recent: Recent, last: u64, dead: RoaringTreemap) -> Result<Self> {
        let folder = Folder::open(path, store)?;
        let runs = folder.load(last)?;
        let last = runs.last().map_or(0, |run| run.last);
        let snapshot = Arc::new(Snapshot { runs, dead: Arc::new(dead), last });
        let state = State {
            snapshot,
            frozen: last,
            flushing: Duty::Idle,
            merging: Duty::Idle,
            purged: RoaringTreemap::new(),
            failure: None,
            is_closing: false,
            flush_all: false,
        };
        Ok(Self { folder, recent, state: Mutex::new(state), changed: Condvar::new(), due: Condvar::new() })
    }

    /// What the index says now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.state().snapshot.clone()
    }

    /// What the index says once it knows everything up to `seq`, which was committed.
    ///
    /// # Errors
    /// If it doesn't follow: the writer has ended between a commit and showing it.
    pub(super) fn snapshot_at(&self, seq: u64) -> Result<Arc<Snapshot>> {
        let is_behind = |state: &mut State| state.snapshot.last < seq && !state.is_closing;
        let waited = self.changed.wait_timeout_while(self.state(), FOLLOWING, is_behind);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(Error::Damaged(format!("the index knows {} of {seq} positions", state.snapshot.last)));
        }
        Ok(state.snapshot.clone())
    }

    /// Shows what was committed: entries and ids of events up to `last`, and events that were removed. Only the
    /// store's writer calls it.
    pub(super) fn publish(&self, new: Additions, removed: &RoaringTreemap, last: u64) -> Result<()> {
        let Additions { mut entries, ids } = new;
        entries.sort_unstable();
        entries.dedup();
        let first = self.snapshot().last + 1;
        let new = Arc::new(Run::in_memory(first, last, entries, by_position(ids, first, last)));
        loop {
            let (snapshot, frozen) = {
                let state = self.state();
                (state.snapshot.clone(), state.frozen)
            };
            let tail = snapshot.runs.iter().filter(|run| run.first > frozen).chain([&new]).cloned().collect();
            let tail = merge_tail(tail)?;
            let mut state = self.state();
            if state.frozen != frozen {
                continue;
            }
            state.change(|snapshot| {
                snapshot.runs.retain(|run| run.first <= frozen);
                snapshot.runs.extend(tail);
                snapshot.last = last;
                if !removed.is_empty() {
                    *Arc::make_mut(&mut snapshot.dead) |= removed;
                }
            });
            self.changed.notify_all();
            if self.must_flush(&state) || state.memory_to_merge().is_some() {
                self.due.notify_all();
            }
            return Ok(());
        }
    }

    /// Waits until there is room in memory for more.
    ///
    /// # Errors
    /// If there is none because files can't be written.
    pub(super) fn wait_for_room(&self) -> Result<()> {
        let is_full = |state: &mut State| state.in_memory() >= self.recent.max && state.failure.is_none();
        let state = self.changed.wait_while(self.state(), is_full).unwrap_or_else(PoisonError::into_inner);
        match &state.failure {
            Some(failure) if state.in_memory() >= self.recent.max => Err(Error::Index(failure.clone())),
            _ => Ok(()),
        }
    }

    /// Writes everything to files and waits until nothing is left to be done.
    ///
    /// # Errors
    /// If files can't be written.
    pub(super) fn settle(&self) -> Result<()> {
        let mut state = self.state();
        state.flush_all = true;
        self.due.notify_all();
        let is_busy = |state: &mut State| {
            let pending = state.in_memory() > 0 || state.files_to_merge().is_some();
            (pending || state.flushing == Duty::Busy || state.merging == Duty::Busy) && state.failure.is_none()
        };
        let mut state = self.changed.wait_while(state, is_busy).unwrap_or_else(PoisonError::into_inner);
        state.flush_all = false;
        state.failure.clone().map_or(Ok(()), |failure| Err(Error::Index(failure)))
    }

    /// Bytes of its files.
    pub(super) fn size(&self) -> Result<u64> {
        self.folder.size()
    }

    /// Events that were removed and may still have entries.
    pub(super) fn dead(&self) -> Arc<RoaringTreemap> {
        self.snapshot().dead.clone()
    }

    /// At most `max` removed events that have no entries left. Each is told once.
    pub(super) fn take_purged(&self, max: usize) -> RoaringTreemap {
        let mut state = self.state();
        let taken: RoaringTreemap = state.purged.iter().take(max).collect();
        state.purged -= &taken;
        taken
    }

    fn must_flush(&self, state: &State) -> bool {
        state.in_memory() >= if state.flush_all { 1 } else { self.recent.flush }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Changes are made on a copy of the snapshot and put in its place at once.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many positions have their entries in memory.
    fn in_memory(&self) -> u64 {
        let in_files = self.snapshot.runs.iter().rev().find(|run| run.file().is_some());
        self.snapshot.last - in_files.map_or(0, |run| run.last)
    }

    /// The files that should be one.
    fn files_to_merge(&self) -> Option<Vec<Arc<Run>>> {
        let files: Vec<Arc<Run>> = self.snapshot.runs.iter().filter(|run| run.file().is_some()).cloned().collect();
        let sizes: Vec<usize> = files.iter().map(|run| run.len()).collect();
        merge::worth_merging(&sizes, FILE_RATIO).map(|from| files[from..].to_vec())
    }

    /// The runs in memory that should be one, if that is more than the writer does by itself.
    fn memory_to_merge(&self) -> Option<Vec<Arc<Run>>> {
        let runs: Vec<Arc<Run>> = self.snapshot.runs.iter().filter(|run| run.file().is_none()).cloned().collect();
        let sizes: Vec<usize> = runs.iter().map(|run| run.len()).collect();
        let from = merge::worth_merging(&sizes, MEMORY_RATIO)?;
        (sizes[from..].iter().sum::<usize>() > AT_ONCE).then(|| runs[from..].to_vec())
    }

    fn change(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = Snapshot::clone(&self.snapshot);
        change(&mut snapshot);
        self.snapshot = Arc::new(snapshot);
    }

    /// Puts `new` in the place of `old`, which stand side by side. `applied` has no entries left there.
    fn replace(&mut self, old: &[Arc<Run>], new: Arc<Run>, applied: &RoaringTreemap) {
        let mut gone = applied.clone();
        gone.remove_range(..new.first);
        gone.remove_range(new.last + 1..);
        self.purged |= &gone;
        self.change(|snapshot| {
            let start = snapshot.runs.iter().position(|run| Arc::ptr_eq(run, &old[0]));
            let start = start.expect("runs stay where they are while they are merged");
            snapshot.runs.splice(start..start + old.len(), [new]);
            if !gone.is_empty() {
                *Arc::make_mut(&mut snapshot.dead) -= gone;
            }
        });
    }
}

/// The ids of all positions from `first` to `last`, given those of events.
fn by_position(events: Vec<(u64, EventId)>, first: u64, last: u64) -> Vec<IdBytes> {
    let mut ids = vec![NOBODY; (last + 1 - first) as usize];
    for (seq, id) in events {
        if let Some(place) = seq.checked_sub(first).and_then(|place| ids.get_mut(place as usize)) {
            *place = *id.as_bytes();
        }
    }
    ids
}

/// Merges the newest runs in memory, as far as it is worth it and soon done.
fn merge_tail(mut tail: Vec<Arc<Run>>) -> Result<Vec<Arc<Run>>> {
    let mut sum = 0;
    let small = tail.iter().rev().take_while(|run| {
        sum += run.len();
        sum <= AT_ONCE
    });
    let start = tail.len() - small.count();
    let sizes: Vec<usize> = tail[start..].iter().map(|run| run.len()).collect();
    if let Some(from) = merge::worth_merging(&sizes, MEMORY_RATIO) {
        let merged = tail.split_off(start + from);
        tail.push(merge_in_memory(&merged)?);
    }
    Ok(tail)
}

/// The run in memory that has all entries of `runs`, which follow one another.
fn merge_in_memory(runs: &[Arc<Run>]) -> Result<Arc<Run>> {
    let mut entries = Vec::with_capacity(runs.iter().map(|run| run.len()).sum());
    merge::merge(runs, &RoaringTreemap::new(), |entry| {
        entries.push(*entry);
        Ok(())
    })?;
    let (first, last) = (runs[0].first, runs[runs.len() - 1].last);
    let mut ids = Vec::with_capacity((last + 1 - first) as usize);
    merge::join_ids(runs, &RoaringTreemap::new(), |some| {
        ids.extend_from_slice(some);
        Ok(())
    })?;
    Ok(Arc::new(Run::in_memory(first, last, entries, ids)))
}
