//! The lane of the market: jobs and handlers that were committed go before everything else that waits to be
//! passed on, so that a flood of notes doesn't hold them up. (spec 4.5)
//!
//! What was passed ahead is left out when the journal gets there.

use nexus_model::Seq;
use nexus_nostr::{Event, Kind, nip::nip90};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

/// How many may wait or have been passed ahead of the journal. Beyond that they come in their turn.
const MOST: usize = 8_192;

/// What may go first.
#[derive(Debug, Default)]
pub(super) struct Lane(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    waiting: BTreeMap<Seq, Arc<Event>>,
    passed: BTreeSet<Seq>,
}

/// An event that goes first.
pub(super) struct Ahead {
    pub(super) seq: Seq,
    pub(super) event: Arc<Event>,
    pub(super) json: Arc<str>,
}

impl Lane {
    /// Lets an event that was stored at `seq` go first, if it is of the market and there is room.
    pub(super) fn admit(&self, seq: Seq, event: &Arc<Event>) {
        if !goes_first(event.kind) {
            return;
        }
        let mut places = self.places();
        if places.waiting.len() + places.passed.len() < MOST {
            places.waiting.insert(seq, event.clone());
        }
    }

    /// The next that goes first. What stands at `reached` or before was passed on in its turn.
    pub(super) fn next(&self, reached: Seq) -> Option<Ahead> {
        let mut places = self.places();
        while let Some((seq, event)) = places.waiting.pop_first() {
            if seq > reached {
                places.passed.insert(seq);
                drop(places);
                let json = event.to_json().into();
                return Some(Ahead { seq, event, json });
            }
        }
        None
    }

    /// True if the event at `seq` was passed ahead.
    pub(super) fn was_passed(&self, seq: Seq) -> bool {
        self.places().passed.contains(&seq)
    }

    /// The journal has come to `reached`.
    pub(super) fn forget(&self, reached: Seq) {
        let mut places = self.places();
        if !places.passed.is_empty() {
            places.passed = places.passed.split_off(&reached.next());
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// True for requests, results, feedback and handlers.
const fn goes_first(kind: Kind) -> bool {
    nip90::is_request(kind) || nip90::is_result(kind) || matches!(kind, Kind::JOB_FEEDBACK | Kind::HANDLER)
}
