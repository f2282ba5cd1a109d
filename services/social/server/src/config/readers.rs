//! Settings of the journal's readers: live changes and full text.

use crate::text::Pace;
use nexus_config::{Bounded, Size, Span, section};
use nexus_delivery::Limits;

section! {
    /// Live changes.
    pub struct Live {
        /// Sessions open at once; more are answered with 503.
        pub sessions: Bounded<0, 1_000_000> = Bounded::of(10_000),
        /// Sessions of one client; more are answered with 429.
        pub sessions_per_client: Bounded<0, 1_000_000> = Bounded::of(64),
        /// Changes kept in memory for sessions that are nearly up to date. Older ones are read from the journal.
        pub ring_changes: Bounded<1, 10_000_000> = Bounded::of(8_192),
        /// Memory for them.
        pub ring_size: Size<65_536, { 1 << 40 }> = Size::of(16 << 20),
        /// Sessions that read the journal at once; others wait for their turn.
        pub readers: Bounded<1, 1_000> = Bounded::of(4),
        /// Silence after which a session shows that it lives.
        pub heartbeat: Span<100, 3_600_000> = Span::of(15_000),
        /// How many changes a session may be behind. One that is further behind, and slower than `progress` in
        /// each `patience`, is ended.
        pub lag: Bounded<1, { u64::MAX }> = Bounded::of(100_000),
        /// See `lag`.
        pub progress: Bounded<1, { u64::MAX }> = Bounded::of(1_000),
        /// See `lag`.
        pub patience: Span<100, 3_600_000> = Span::of(30_000),
    }
}

impl Live {
    /// The bounds of delivery.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            sessions: self.sessions.count(),
            sessions_per_client: self.sessions_per_client.count(),
            ring_changes: self.ring_changes.count(),
            ring_bytes: self.ring_size.count(),
            readers: self.readers.count(),
            heartbeat: self.heartbeat.duration(),
            lag: self.lag.get(),
            progress: self.progress.get(),
            patience: self.patience.duration(),
            ..Limits::default()
        }
    }
}

section! {
    /// Full text.
    pub struct Search {
        /// How long a search may take; then it answers with what it has found.
        pub budget: Span<1, 60_000> = Span::of(50),
        /// Memory for posts that are taken in.
        pub memory: Size<{ 16 << 20 }, { 4_095 << 20 }> = Size::of(64 << 20),
        /// Spellings that a word of a question may stand for; the best and most frequent ones are taken.
        pub variants: Bounded<1, 10_000> = Bounded::of(64),
        /// Memory for the words among which typos are looked up, about 12 bytes for each that the posts have. Words for
        /// which there is no room are found as they are spelled, by their stem and by their beginning.
        pub dictionary: Size<0, { 1 << 40 }> = Size::of(64 << 20),
        /// Time between two commits: how late a new post can be found.
        pub interval: Span<10, 3_600_000> = Span::of(1_000),
        /// Posts in one commit.
        pub batch: Bounded<1, 1_000_000> = Bounded::of(10_000),
        /// Time until words of deleted posts have left the files.
        pub compaction: Span<1_000, 604_800_000> = Span::of(600_000),
    }
}

impl Search {
    /// How the journal is read for full text.
    pub(crate) fn pace(&self) -> Pace {
        Pace {
            interval: self.interval.duration(),
            batch: self.batch.count(),
            compaction: self.compaction.duration(),
            ..Pace::default()
        }
    }
}
