//! What the index says at one moment. Readers keep their snapshot; the index goes on without them.

use super::{
    entry::{self, EXPIRY, Entry},
    ids::{Ids, NOBODY},
    merge::{join_ids, merge},
    run::{Run, Stretch},
};
use crate::Result;
use nexus_nostr::{EventId, Filter};
use nexus_relay::index::{Statistics, Term};
use roaring::RoaringTreemap;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
    sync::Arc,
};

/// What part of all entries is too few to be measured, to guess how long a list is.
const NEGLIGIBLE: usize = 16;

/// All entries up to a position.
#[derive(Clone, Debug, Default)]
pub(in crate::relay) struct Snapshot {
    /// The runs, by position, without gaps.
    pub(super) runs: Vec<Arc<Run>>,
    /// Events that were removed and may still have entries.
    pub(super) dead: Arc<RoaringTreemap>,
    /// The position up to which it knows everything.
    pub(super) last: u64,
}

impl Snapshot {
    /// The position up to which it knows everything.
    pub(in crate::relay) const fn last(&self) -> u64 {
        self.last
    }

    /// Walks several lists at once, from one age to another.
    pub(in crate::relay) fn walk(&self, keys: impl IntoIterator<Item = u64>, (from, to): (u64, u64)) -> Result<Walk> {
        let keys: Vec<u64> = keys.into_iter().collect();
        // Ages on that list are not those of events.
        let newest = |run: &Run| if keys.contains(&EXPIRY) { from } else { run.newest().max(from) };
        let runs = self.runs.iter().map(|run| Unopened { newest: newest(run), run: run.clone() });
        let mut unopened: Vec<Unopened> = runs.filter(|run| run.newest <= to).collect();
        unopened.sort_by_key(|run| Reverse(run.newest));
        Ok(Walk { heap: BinaryHeap::new(), unopened, keys, ages: (from, to), dead: self.dead.clone(), given: None })
    }

    /// The position of the event `id`.
    pub(in crate::relay) fn find(&self, id: &EventId) -> Result<Option<u64>> {
        let key = entry::key(Term::Id(*id));
        let whole = Stretch { key, from: 0, to: u64::MAX };
        let mut found = Vec::new();
        for run in self.runs.iter().rev().filter(|run| run.may_have(key)) {
            run.find(&whole, &mut found)?;
            let own = found.iter().find(|entry| entry.id == entry::short(id.as_bytes()) && self.lives(entry));
            if let Some(entry) = own {
                return Ok(Some(entry.seq()));
            }
        }
        Ok(None)
    }

    /// Whole ids, by position.
    pub(in crate::relay) fn ids(&self) -> Ids {
        Ids::new(self.runs.clone())
    }

    /// True if the event at `seq` was removed and may still have entries.
    pub(in crate::relay) fn is_dead(&self, seq: u64) -> bool {
        self.dead.contains(seq)
    }

    /// Shows `visit` every entry of events that weren't removed.
    pub(in crate::relay) fn each(&self, visit: impl FnMut(&Entry) -> Result<()>) -> Result<()> {
        merge(&self.runs, &self.dead, visit)
    }

    /// Shows `visit` each event that wasn't removed: its position and its id.
    pub(in crate::relay) fn each_id(&self, mut visit: impl FnMut(u64, EventId)) -> Result<()> {
        let mut seq = self.runs.first().map_or(0, |run| run.first);
        join_ids(&self.runs, &self.dead, |ids| {
            for id in ids {
                if *id != NOBODY {
                    visit(seq, EventId::from_bytes(*id));
                }
                seq += 1;
            }
            Ok(())
        })
    }

    fn lives(&self, entry: &Entry) -> bool {
        !self.is_dead(entry.seq())
    }
}

impl Statistics for Snapshot {
    /// Measured in the runs that have most of the entries; the others are taken to be like them.
    fn len(&self, term: Term<'_>, filter: &Filter) -> u64 {
        let (from, to) = entry::ages(filter);
        let stretch = Stretch { key: entry::key(term), from, to };
        let concerned = self.runs.iter().filter(|run| run.newest() <= to);
        let all: usize = concerned.clone().map(|run| run.len()).sum();
        let large = concerned.filter(|run| run.len() * NEGLIGIBLE >= all);
        let (measured, found) = large.fold((0, 0), |(measured, found), run| {
            // What can't be read now fails when it is walked; until then it counts as nothing.
            (measured + run.len() as u64, found + run.estimate(&stretch).unwrap_or(0) as u64)
        });
        found * all as u64 / measured.max(1)
    }
}

/// Several lists as one, the newest first. Each event comes once, however many of the lists it is on.
///
/// Runs are looked into when it is their events' turn. Whoever wants the newest seldom needs more than the newest
/// runs, as events come about when they are written.
#[derive(Debug)]
pub(in crate::relay) struct Walk {
    heap: BinaryHeap<Reverse<Cursor>>,
    /// The runs that may have what comes later, the next one last.
    unopened: Vec<Unopened>,
    keys: Vec<u64>,
    ages: (u64, u64),
    dead: Arc<RoaringTreemap>,
    given: Option<(u64, u32, u64)>,
}

/// A run into which nobody has looked.
#[derive(Debug)]
struct Unopened {
    /// The age that no entry to be found here is below.
    newest: u64,
    run: Arc<Run>,
}

impl Walk {
    /// Opens the runs that may have the next entry.
    fn open(&mut self) -> Result<()> {
        while let Some(next) = self.unopened.last()
            && self.heap.peek().and_then(|first| first.0.rank()).is_none_or(|(age, ..)| next.newest <= age)
            && let Some(Unopened { run, .. }) = self.unopened.pop()
        {
            for index in 0..self.keys.len() {
                self.add(&run, self.keys[index])?;
            }
        }
        Ok(())
    }

    fn add(&mut self, run: &Arc<Run>, key: u64) -> Result<()> {
        if !run.may_have(key) {
            return Ok(());
        }
        let (stretch, mut read) = (Stretch { key, from: self.ages.0, to: self.ages.1 }, Vec::new());
        let next = run.find(&stretch, &mut read)?;
        read.reverse();
        if !read.is_empty() {
            self.heap.push(Reverse(Cursor { read, next, stretch, run: run.clone() }));
        }
        Ok(())
    }

    /// The next entry.
    pub(in crate::relay) fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            self.open()?;
            let Some(mut first) = self.heap.peek_mut() else { return Ok(None) };
            let Some(entry) = first.0.read.pop() else {
                PeekMut::pop(first);
                continue;
            };
            if first.0.read.is_empty() && !first.0.refill()? {
                PeekMut::pop(first);
            }
            if self.given != Some(entry.rank()) && !self.dead.contains(entry.seq()) {
                self.given = Some(entry.rank());
                return Ok(Some(entry));
            }
        }
    }
}

/// A place on a list in one run.
#[derive(Debug)]
struct Cursor {
    /// What was read and not yet given, the next one last.
    read: Vec<Entry>,
    /// Where reading goes on.
    next: Option<usize>,
    stretch: Stretch,
    run: Arc<Run>,
}

impl Cursor {
    fn refill(&mut self) -> Result<bool> {
        let Some(next) = self.next else { return Ok(false) };
        self.next = self.run.follow(next, &self.stretch, &mut self.read)?;
        self.read.reverse();
        Ok(!self.read.is_empty())
    }

    fn rank(&self) -> Option<(u64, u32, u64)> {
        self.read.last().map(|entry| entry.rank())
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Cursor {}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cursor {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}
