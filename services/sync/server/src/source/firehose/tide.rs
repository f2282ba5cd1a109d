//! How far a relay's stream is done with. Messages are finished in any order; the position that may be stored is the
//! one up to which all are.

use std::collections::VecDeque;

/// The messages of one stream that are in work, in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Tide {
    /// The ticket of the oldest message in work.
    oldest: u64,
    in_work: VecDeque<(i64, Stage)>,
    low: Option<i64>,
    newest: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    InWork,
    Done,
}

impl Tide {
    /// A stream that was read up to `position`.
    pub(super) fn from(position: Option<i64>) -> Self {
        Self { low: position, newest: position, ..Self::default() }
    }

    /// A message has arrived. Gives the ticket to finish it by.
    pub(super) fn enter(&mut self, position: i64) -> u64 {
        self.newest = Some(position);
        // Where a stream begins that was never read is remembered before anything of it is done with.
        self.low.get_or_insert(position.saturating_sub(1));
        self.in_work.push_back((position, Stage::InWork));
        self.oldest + self.in_work.len() as u64 - 1
    }

    /// A message is finished.
    pub(super) fn leave(&mut self, ticket: u64) {
        let place = ticket.checked_sub(self.oldest).and_then(|place| usize::try_from(place).ok());
        if let Some((_, stage)) = place.and_then(|place| self.in_work.get_mut(place)) {
            *stage = Stage::Done;
        }
        while let Some((position, Stage::Done)) = self.in_work.front() {
            self.low = Some(*position);
            self.in_work.pop_front();
            self.oldest += 1;
        }
    }

    /// The position up to which everything is finished.
    pub(super) const fn low(&self) -> Option<i64> {
        self.low
    }

    /// The position of the message that arrived last: a new connection goes on from there.
    pub(super) const fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// The next connection begins at the relay's newest message.
    pub(super) const fn forget_newest(&mut self) {
        self.newest = None;
    }

    /// The next connection passes over what would be next: it can't be read.
    pub(super) fn skip_next(&mut self) {
        self.newest = self.newest.map(|newest| newest.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_is_in_work_is_passed(
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
            gaps in prop::collection::vec(1_i64..5, 100),
        ) {
            let mut tide = Tide::from(Some(0));
            let mut positions = Vec::new();
            let mut open: Vec<(u64, i64)> = Vec::new();
            for (index, gap) in order.into_iter().zip(gaps) {
                let position = positions.last().unwrap_or(&0) + gap;
                positions.push(position);
                open.push((tide.enter(position), position));
                prop_assert_eq!(tide.newest(), Some(position));
                if index.index(3) > 0 {
                    let (ticket, _) = open.remove(index.index(open.len()));
                    tide.leave(ticket);
                }
                let first = open.iter().map(|(_, position)| *position).min();
                let low = positions.iter().copied().filter(|p| first.is_none_or(|first| *p < first)).max();
                prop_assert_eq!(tide.low(), low.or(Some(0)));
                prop_assert!(tide.in_work.len() <= positions.len());
            }
        }
    }

    #[test]
    fn a_message_may_be_finished_once_only() {
        let mut tide = Tide::default();
        let (first, second) = (tide.enter(10), tide.enter(11));
        assert_eq!(tide.low(), Some(9));
        tide.leave(first);
        tide.leave(first);
        assert_eq!((tide.low(), tide.newest()), (Some(10), Some(11)));
        tide.leave(second);
        assert_eq!((tide.low(), tide.in_work.len()), (Some(11), 0));
    }

    #[test]
    fn a_connection_may_begin_elsewhere() {
        let mut tide = Tide::from(Some(7));
        tide.skip_next();
        assert_eq!((tide.low(), tide.newest()), (Some(7), Some(8)));
        tide.forget_newest();
        tide.skip_next();
        assert_eq!((tide.low(), tide.newest()), (Some(7), None));
    }
}
