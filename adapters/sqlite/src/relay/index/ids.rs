//! Whole ids, by position: entries have room for the first bytes alone. A run has those of its positions beside its
//! entries, so that a negotiation, which wants nothing but ids, needs no rows.

use super::run::Run;
use crate::Result;
use nexus_nostr::EventId;
use std::sync::Arc;

/// How many bytes an id takes.
pub(super) const ID_BYTES: usize = 32;

/// How many ids are read at once: those of neighbours are often wanted next.
const BLOCK: u64 = 128;

/// An id, or zeros where a position has no event.
pub(super) type IdBytes = [u8; ID_BYTES];

/// No event.
pub(super) const NOBODY: IdBytes = [0; ID_BYTES];

/// The ids of a snapshot. Remembers what it read last.
#[derive(Debug)]
pub(in crate::relay) struct Ids {
    runs: Vec<Arc<Run>>,
    /// The positions from the first one on whose ids were read last.
    first: u64,
    read: Vec<IdBytes>,
}

impl Ids {
    pub(super) const fn new(runs: Vec<Arc<Run>>) -> Self {
        Self { runs, first: 0, read: Vec::new() }
    }

    /// The id of the event at `seq`, if it is known.
    pub(in crate::relay) fn get(&mut self, seq: u64) -> Result<Option<EventId>> {
        if !(self.first..self.first + self.read.len() as u64).contains(&seq) {
            self.read_around(seq)?;
        }
        let place = seq.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let found = place.and_then(|place| self.read.get(place)).filter(|id| **id != NOBODY);
        Ok(found.map(|id| EventId::from_bytes(*id)))
    }

    fn read_around(&mut self, seq: u64) -> Result<()> {
        self.read.clear();
        let Some(run) = self.runs.get(self.runs.partition_point(|run| run.last < seq)) else { return Ok(()) };
        let first = (seq - seq % BLOCK).max(run.first);
        let last = (seq - seq % BLOCK + BLOCK - 1).min(run.last);
        run.read_ids(first, last, &mut self.read)?;
        self.first = first;
        Ok(())
    }
}
