//! Runs: entries of the events of consecutive positions, sorted, in memory or in a file. They never change.

use super::{
    entry::{EVERYTHING, Entry, is_id},
    file::{BLOCK, FileRun},
    ids::IdBytes,
};
use crate::Result;

/// The entries of the events from one position to another.
#[derive(Debug)]
pub(super) struct Run {
    /// The first position that the run covers.
    pub(super) first: u64,
    /// The last one.
    pub(super) last: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// The entries, and the ids of all positions.
    Memory(Vec<Entry>, Vec<IdBytes>),
    File(FileRun),
}

/// A part of a list: from one age to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) key: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Stretch {
    const fn first(&self) -> Entry {
        Entry::first_of(self.key, self.from)
    }

    /// True for entries that come after the stretch, if they aren't before it.
    fn is_over_at(&self, entry: &Entry) -> bool {
        (entry.key, entry.age) > (self.key, self.to)
    }
}

impl Run {
    /// A run of these entries, which must be sorted, and of the ids of all positions.
    pub(super) const fn in_memory(first: u64, last: u64, entries: Vec<Entry>, ids: Vec<IdBytes>) -> Self {
        Self { first, last, body: Body::Memory(entries, ids) }
    }

    /// A run that is in a file.
    pub(super) const fn in_file(first: u64, last: u64, file: FileRun) -> Self {
        Self { first, last, body: Body::File(file) }
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        match &self.body {
            Body::Memory(entries, _) => entries.len(),
            Body::File(file) => file.len(),
        }
    }

    /// The file, if the run is in one.
    pub(super) const fn file(&self) -> Option<&FileRun> {
        match &self.body {
            Body::Memory(..) => None,
            Body::File(file) => Some(file),
        }
    }

    /// The age of the newest event: no list by the moment of writing has a younger entry here.
    pub(super) fn newest(&self) -> u64 {
        let first = match &self.body {
            Body::Memory(entries, _) => entries.first().map(|entry| (entry.key, entry.age)),
            Body::File(file) => file.first(),
        };
        // Every event is on the list of everything, which is the first one.
        first.filter(|(key, _)| *key == EVERYTHING).map_or(0, |(_, age)| age)
    }

    /// False if the list `key` is certainly empty here.
    pub(super) fn may_have(&self, key: u64) -> bool {
        match &self.body {
            Body::File(file) if is_id(key) => file.may_have_id(key),
            _ => true,
        }
    }

    /// Puts the first entries of `stretch` into `into`. Gives the index from which on more follow, if any.
    pub(super) fn find(&self, stretch: &Stretch, into: &mut Vec<Entry>) -> Result<Option<usize>> {
        let bound = stretch.first();
        match &self.body {
            Body::Memory(entries, _) => {
                let index = entries.partition_point(|entry| *entry < bound);
                copy(&entries[index..], BLOCK, into);
                Ok(self.cut(index, stretch, into))
            }
            Body::File(file) => file.find(&bound, |entry| !stretch.is_over_at(entry), into),
        }
    }

    /// Puts the entries of `stretch` from `index` on into `into`. Gives the index from which on more follow.
    pub(super) fn follow(&self, index: usize, stretch: &Stretch, into: &mut Vec<Entry>) -> Result<Option<usize>> {
        self.read(index, BLOCK, into)?;
        Ok(self.cut(index, stretch, into))
    }

    /// Puts at most `count` entries from `index` on into `into`.
    pub(super) fn read(&self, index: usize, count: usize, into: &mut Vec<Entry>) -> Result<()> {
        match &self.body {
            Body::Memory(entries, _) => {
                copy(entries.get(index..).unwrap_or_default(), count, into);
                Ok(())
            }
            Body::File(file) => file.read(index, count, into),
        }
    }

    /// Appends the ids of the positions from `first` to `last`, which must be among those covered.
    pub(super) fn read_ids(&self, first: u64, last: u64, into: &mut Vec<IdBytes>) -> Result<()> {
        let (start, count) = ((first - self.first) as usize, (last + 1 - first) as usize);
        match &self.body {
            Body::Memory(_, ids) => {
                into.extend(ids.iter().skip(start).take(count));
                Ok(())
            }
            Body::File(file) => file.read_ids(start, count, into),
        }
    }

    /// How many entries `stretch` has here, about if they are many.
    pub(super) fn estimate(&self, stretch: &Stretch) -> Result<usize> {
        let (from, to) = (stretch.first(), Entry::first_of(stretch.key, stretch.to.saturating_add(1)));
        match &self.body {
            Body::Memory(entries, _) => {
                let start = entries.partition_point(|entry| *entry < from);
                Ok(entries[start..].partition_point(|entry| *entry < to))
            }
            Body::File(file) => file.distance(&from, &to),
        }
    }

    /// Leaves only what is of `stretch`, and says where it goes on.
    fn cut(&self, index: usize, stretch: &Stretch, into: &mut Vec<Entry>) -> Option<usize> {
        let next = index + into.len();
        let kept = into.partition_point(|entry| !stretch.is_over_at(entry));
        let ends_here = kept < into.len() || next >= self.len();
        into.truncate(kept);
        if ends_here { None } else { Some(next) }
    }
}

fn copy(entries: &[Entry], count: usize, into: &mut Vec<Entry>) {
    into.clear();
    into.extend_from_slice(&entries[..entries.len().min(count)]);
}
