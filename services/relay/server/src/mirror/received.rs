//! The events that came over a link last, so that they are not sent back.

use nexus_nostr::EventId;
use std::collections::{HashSet, VecDeque};

/// Ids, the newest of them.
#[derive(Debug)]
pub(super) struct Received {
    ids: HashSet<EventId>,
    order: VecDeque<EventId>,
    max: usize,
}

impl Received {
    /// Remembers the newest `max` ids.
    pub(super) fn new(max: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), max }
    }

    pub(super) fn note(&mut self, id: EventId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn has(&self, id: &EventId) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_ids_are_remembered() {
        let id = |number: u8| EventId::from_bytes([number; 32]);
        let mut received = Received::new(2);
        for number in [1, 2, 2, 1, 3] {
            received.note(id(number));
        }
        assert_eq!([1, 2, 3].map(|number| received.has(&id(number))), [false, true, true]);
    }
}
