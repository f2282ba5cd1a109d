//! One connection: how much is under way on it, and how much may be.
//!
//! A serial consumer reads its pongs behind the events that were sent before; if those take it longer than
//! its patience, it gives the connection up and may never come back. So what is under way is held to what
//! the consumer lately settled in [`Window::HORIZON_MILLIS`], starting small.

use nexus_model::{Seq, Timestamp};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A connection of a channel. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) u64);

/// How much may be under way on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Events at first.
    pub start: usize,
    /// Events at most.
    pub max: usize,
    /// Bytes at most, exceeded by one event.
    pub max_bytes: usize,
    /// Whether the window follows what the consumer can take.
    pub pace: Pace,
}

/// Whether a window follows what the consumer can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Grows while acknowledgements come fast, shrinks when they come slowly.
    Adaptive,
    /// Stays as it starts.
    Fixed,
}

impl Window {
    /// The time in which a consumer should be able to settle all that is under way, in milliseconds.
    pub const HORIZON_MILLIS: i64 = 2_000;
    /// The shortest time over which a rate is measured, in milliseconds.
    const SAMPLE_MILLIS: i64 = 250;

    /// A window of always `events`.
    pub const fn fixed(events: usize) -> Self {
        Self { start: events, max: events, max_bytes: 1 << 20, pace: Pace::Fixed }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { start: 8, max: 1_024, max_bytes: 1 << 20, pace: Pace::Adaptive }
    }
}

/// Whether a connection has lately settled what it was given. Sound ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    Sound,
    /// It let the time of an event pass: others are preferred until it speaks again.
    Doubted,
}

#[derive(Debug)]
pub(super) struct Connection {
    limits: Window,
    pub(super) trust: Trust,
    window: usize,
    /// What is under way, in order.
    pub(super) events: BTreeSet<Seq>,
    bytes: usize,
    /// Authors with something under way here who wait for room.
    pub(super) waiting: VecDeque<Arc<str>>,
    /// Settled events per second, lately.
    rate: Option<f64>,
    sample_start: Timestamp,
    sample_count: usize,
}

impl Connection {
    pub(super) fn new(limits: Window, now: Timestamp) -> Self {
        Self {
            limits,
            trust: Trust::Sound,
            window: limits.start.clamp(1, limits.max.max(1)),
            events: BTreeSet::new(),
            bytes: 0,
            waiting: VecDeque::new(),
            rate: None,
            sample_start: now,
            sample_count: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.events.len() < self.window && self.bytes < self.limits.max_bytes
    }

    /// An event is handed to the connection.
    pub(super) fn start(&mut self, seq: Seq, bytes: usize, now: Timestamp) {
        if self.events.is_empty() {
            // Idle time says nothing about the consumer.
            self.sample_start = now;
            self.sample_count = 0;
        }
        self.events.insert(seq);
        self.bytes += bytes;
    }

    /// An event is no longer under way here, settled or not.
    pub(super) fn stop(&mut self, seq: Seq, bytes: usize) {
        if self.events.remove(&seq) {
            self.bytes -= bytes;
        }
    }

    /// The consumer settled an event: the window learns from it. Called before [`Self::stop`].
    pub(super) fn learn(&mut self, now: Timestamp) {
        if self.limits.pace == Pace::Fixed {
            return;
        }
        self.sample_count += 1;
        let was_full = self.events.len() >= self.window;
        let millis = now.millis() - self.sample_start.millis();
        if millis >= Window::SAMPLE_MILLIS {
            let sample = self.sample_count as f64 * 1000.0 / millis as f64;
            // Down at once, up by halves.
            self.rate =
                Some(self.rate.map_or(sample, |rate| if sample < rate { sample } else { (rate + sample) / 2.0 }));
            self.sample_start = now;
            self.sample_count = 0;
        }
        let horizon = Window::HORIZON_MILLIS as f64 / 1000.0;
        // Until a rate is known, the window doubles with every round, as far as the first sample could fill.
        let sustained = self.rate.map_or(self.limits.max, |rate| (rate * horizon) as usize);
        let wanted = if was_full { self.window + 1 } else { self.window };
        self.window = wanted.min(sustained).clamp(1, self.limits.max.max(1));
    }

    /// The consumer was silent for too long: one event at a time, until it settles some.
    pub(super) fn doubt(&mut self) {
        self.trust = Trust::Doubted;
        if self.limits.pace == Pace::Adaptive {
            self.window = 1;
        }
    }

    #[cfg(test)]
    pub(super) const fn window(&self) -> usize {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A serial consumer that takes `handler` milliseconds an event and has all events of the world to read.
    /// Gives the longest time that an event was under way once the consumer was known, and the window.
    fn serve(handler: i64, events: u64) -> (i64, usize) {
        let mut connection = Connection::new(Window::default(), Timestamp::from_millis(0));
        let (mut sent, mut longest, mut now) = (VecDeque::new(), 0, Timestamp::from_millis(0));
        let mut next = Seq::START;
        for _ in 0..events {
            while connection.has_room() {
                next = next.next();
                connection.start(next, 500, now);
                sent.push_back((next, now));
            }
            now = now.plus_millis(handler);
            let (seq, at) = sent.pop_front().expect("something under way");
            connection.learn(now);
            connection.stop(seq, 500);
            longest = longest.max(now.millis() - at.millis());
        }
        (longest, connection.window())
    }

    #[test]
    fn a_serial_consumer_never_has_more_before_it_than_its_patience() {
        // Ten seconds is the patience of the official client.
        for handler in [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] {
            let (longest, window) = serve(handler, 3_000);
            assert!(longest < 9_000, "{handler} ms: {longest} ms");
            assert!(window as i64 * handler <= 2 * Window::HORIZON_MILLIS, "{handler} ms: window {window}");
        }
    }

    #[test]
    fn a_fast_consumer_gets_all_that_is_allowed() {
        let (_, window) = serve(1, 20_000);
        assert_eq!(window, 1_024);
    }

    #[test]
    fn a_consumer_that_becomes_slow_gets_less() {
        let mut connection = Connection::new(Window::default(), Timestamp::from_millis(0));
        connection.window = 512;
        connection.rate = Some(5_000.0);
        connection.start(Seq::new(1), 10, Timestamp::from_millis(0));
        connection.start(Seq::new(2), 10, Timestamp::from_millis(0));
        connection.learn(Timestamp::from_millis(1_000));
        assert_eq!(connection.window(), 2);
    }

    #[test]
    fn bytes_fill_a_window_too() {
        let mut connection = Connection::new(Window::default(), Timestamp::from_millis(0));
        connection.start(Seq::new(1), 2 << 20, Timestamp::from_millis(0));
        assert!(!connection.has_room());
        connection.stop(Seq::new(1), 2 << 20);
        assert!(connection.has_room());
    }
}
