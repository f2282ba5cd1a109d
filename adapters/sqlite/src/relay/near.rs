//! Events that were written or asked for lately, in memory: most questions are for few events, and to read a row takes
//! longer than everything else that is done for it.
//!
//! It doesn't know what was removed: whoever asks for a position has it from a snapshot of the index that says what
//! the file has, and so from one without removed events. Those that were removed are forgotten for their room alone.

use super::glance::Head;
use nexus_nostr::Seconds;
use roaring::RoaringTreemap;
use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Parts that are locked on their own.
const PARTS: u64 = 16;
/// What an event takes besides its JSON, about.
const OVERHEAD: usize = 200;

/// An event as questions need it.
#[derive(Clone, Debug)]
pub(super) struct NearEvent {
    pub(super) head: Head,
    pub(super) expires_at: Option<Seconds>,
    pub(super) json: Arc<str>,
}

/// The events, by position.
#[derive(Debug)]
pub(super) struct Near {
    parts: Vec<Mutex<Part>>,
    /// How many bytes a part may have in each of its two halves.
    half: usize,
}

/// Events that came or were asked for since the halves were last changed, and those from before. When the first are
/// too many they become the second, and the second are forgotten.
#[derive(Debug, Default)]
struct Part {
    young: HashMap<u64, NearEvent>,
    old: HashMap<u64, NearEvent>,
    bytes: usize,
}

impl Near {
    /// Room for about `bytes`, what an event takes besides its JSON included.
    pub(super) fn new(bytes: usize) -> Self {
        let parts = (0..PARTS).map(|_| Mutex::default()).collect();
        Self { parts, half: bytes / 2 / PARTS as usize }
    }

    /// The event at `seq`, if it is near.
    pub(super) fn get(&self, seq: u64) -> Option<NearEvent> {
        let mut part = self.part(seq);
        if let Some(event) = part.young.get(&seq) {
            return Some(event.clone());
        }
        let event = part.old.remove(&seq)?;
        part.add(seq, event.clone(), self.half);
        Some(event)
    }

    /// Adds the event at `seq`.
    pub(super) fn add(&self, seq: u64, event: NearEvent) {
        self.part(seq).add(seq, event, self.half);
    }

    /// Adds new events, and forgets those that were removed.
    pub(super) fn follow(&self, added: impl IntoIterator<Item = (u64, NearEvent)>, removed: &RoaringTreemap) {
        added.into_iter().for_each(|(seq, event)| self.add(seq, event));
        removed.iter().for_each(|seq| self.part(seq).remove(seq));
    }

    fn part(&self, seq: u64) -> MutexGuard<'_, Part> {
        // Events are added and taken out whole.
        self.parts[(seq % PARTS) as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    fn add(&mut self, seq: u64, event: NearEvent, half: usize) {
        let bytes = size(&event);
        if self.bytes + bytes > half {
            self.old = mem::take(&mut self.young);
            self.bytes = 0;
        }
        if bytes <= half && self.young.insert(seq, event).is_none() {
            self.bytes += bytes;
        }
    }

    fn remove(&mut self, seq: u64) {
        self.old.remove(&seq);
        if let Some(event) = self.young.remove(&seq) {
            self.bytes -= size(&event);
        }
    }
}

fn size(event: &NearEvent) -> usize {
    event.json.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_nostr::{EventId, Kind, PublicKey};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn event(seq: u64) -> NearEvent {
        let (id, pubkey) = (EventId::from_bytes([seq as u8; 32]), PublicKey::from_bytes([1; 32]));
        let head = Head { id, pubkey, created_at: Seconds::new(0), kind: Kind::new(1) };
        NearEvent { head, expires_at: None, json: "x".repeat(seq as usize % 90).into() }
    }

    fn held(near: &Near) -> usize {
        let parts = near.parts.iter().map(|part| part.lock().unwrap());
        parts.map(|part| part.young.values().chain(part.old.values()).map(size).sum::<usize>()).sum()
    }

    proptest! {
        /// Whatever is near is what was added there and not removed since; it keeps to its room, and what was added
        /// last is near if there is room for it at all.
        #[test]
        fn it_is_never_wrong_and_never_too_large(
            room in 0_usize..40_000,
            steps in prop::collection::vec((0..3, 0_u64..200), 0..400),
        ) {
            let (near, mut there) = (Near::new(room), BTreeSet::new());
            for (step, seq) in steps {
                match step {
                    0 => {
                        near.follow([(seq, event(seq))], &RoaringTreemap::new());
                        there.insert(seq);
                        prop_assert_eq!(near.get(seq).is_some(), size(&event(seq)) <= near.half);
                    }
                    1 => {
                        near.follow([], &RoaringTreemap::from_iter([seq]));
                        there.remove(&seq);
                    }
                    _ => {}
                }
                let found = near.get(seq);
                prop_assert!(found.is_none() || there.contains(&seq));
                prop_assert!(found.is_none_or(|found| found.head.id == event(seq).head.id));
                prop_assert!(held(&near) <= room);
            }
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let near = Near::new(10 * (size(&event(16)) * 2 * PARTS as usize));
        near.add(0, event(0));
        near.add(16, event(16));
        for seq in 2..200 {
            near.add(seq * 16, event(16));
            assert!(near.get(0).is_some(), "{seq}");
        }
        assert!(near.get(16).is_none());
    }
}
