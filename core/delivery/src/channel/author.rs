//! One author's events that are in memory, and the rule of which may go next.

use super::Order;
use super::connection::ConnectionId;
use nexus_model::Seq;
use std::collections::VecDeque;

/// Where an author stands in the lists of authors who could send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Listed {
    /// In none.
    #[default]
    No,
    /// In one: the channel's, or that of the connection the author has to wait for.
    Yes,
}

/// What of an author's events was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Backlog {
    /// Nothing: all that was read of this author is in memory or settled.
    #[default]
    Loaded,
    /// Something after `last`.
    Parked,
    /// Something after `last`, and it is being read.
    Fetching,
}

/// An author with something under way, waiting, or passed over.
#[derive(Debug, Default)]
pub(super) struct Author {
    /// What waits, in order.
    pub(super) waiting: VecDeque<(Seq, Order)>,
    /// How many events are under way.
    pub(super) under_way: usize,
    /// Whether the one under way must be alone.
    pub(super) is_alone: bool,
    /// Where the last one was sent: while something is under way, the rest follows.
    pub(super) current: Option<ConnectionId>,
    pub(super) listed: Listed,
    pub(super) backlog: Backlog,
    /// The last event that was read into memory.
    pub(super) last: Seq,
}

impl Author {
    /// The event that may be sent now, by the rule of order.
    pub(super) fn sendable(&self) -> Option<Seq> {
        let (seq, order) = *self.waiting.front()?;
        let may = match order {
            Order::Together => !self.is_alone,
            Order::Alone => self.under_way == 0,
        };
        may.then_some(seq)
    }

    /// True if events wait and none may go before something is settled.
    pub(super) fn is_blocked(&self) -> bool {
        !self.waiting.is_empty() && self.sendable().is_none()
    }

    /// Takes the event at the front and counts it as under way.
    pub(super) fn start(&mut self) {
        if let Some((_, order)) = self.waiting.pop_front() {
            self.under_way += 1;
            self.is_alone = order == Order::Alone;
        }
    }

    /// An event is no longer under way.
    pub(super) fn stop(&mut self) {
        self.under_way -= 1;
        self.is_alone = false;
    }

    /// Puts an event back to its place, to be sent again.
    pub(super) fn put_back(&mut self, seq: Seq, order: Order) {
        let place = self.waiting.partition_point(|(other, _)| *other < seq);
        self.waiting.insert(place, (seq, order));
    }

    /// Takes an event out of those that wait.
    pub(super) fn forget(&mut self, seq: Seq) {
        if let Ok(place) = self.waiting.binary_search_by_key(&seq, |(seq, _)| *seq) {
            self.waiting.remove(place);
        }
    }

    /// True if nothing is left to remember.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0 && self.backlog == Backlog::Loaded && self.listed == Listed::No
    }
}
