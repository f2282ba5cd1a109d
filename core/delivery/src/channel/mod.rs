//! Acknowledged channels: every event reaches a consumer at least once, in order per author, and stays until
//! it is settled. What an event says and how it travels is the caller's business.
//!
//! [`Channel`] is a state machine without I/O: pages of a journal, acknowledgements and the time go in; what
//! to send, what to read next and what to store come out. [`Driver`] runs one. It reads the journal as fast as its consumers
//! settle, so a consumer that is away costs disk, not memory.
//!
//! # Order
//!
//! For one author, [`Order::Together`] events (history) may be under way side by side; an [`Order::Alone`]
//! event (live) waits until nothing of its author is under way, and nothing of its author is sent until it
//! is settled. Across authors there is no promise. An author whose events wait holds back nobody else: a few
//! of its events stay in memory, the rest is read again when its turn comes.
//!
//! # Connections
//!
//! Several connections share the authors: one with something under way stays where it is, another goes to
//! its home, or wherever there is room if its home has none. When a connection ends, what it had goes to the
//! others at once.
//!
//! # What survives
//!
//! [`Settled`]: the position up to which everything is settled, and what is settled above it. Stored often
//! ([`Action::Store`]), it is all that a restart needs; events that were settled since are sent again.

mod author;
mod connection;
mod driver;
mod machine;
mod settled;

pub use connection::{ConnectionId, Pace, Window};
pub use driver::{Acknowledger, Consumer, Driver, Failure, Handle, Outbox, Page};
pub use machine::{Action, Channel, Stats};
pub use settled::{Malformed, Settled};

use nexus_model::Seq;
use std::sync::Arc;

/// How an event stands to the others of its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// May be under way together with others of its kind.
    Together,
    /// Waits for everything before it, and everything after it waits.
    Alone,
}

/// An event of the journal, as far as a channel wants to know.
#[derive(Clone, Debug)]
pub struct Event<T> {
    /// Its place in the journal, which is also its id on the wire.
    pub seq: Seq,
    /// Whose event it is.
    pub author: Arc<str>,
    /// How it stands to the others of its author.
    pub order: Order,
    /// What it takes in memory and on the wire, in bytes.
    pub bytes: usize,
    /// What is sent.
    pub payload: T,
}

/// When an event counts as settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// When a consumer says so. One that stays silent for this many milliseconds after an event was written
    /// gets it again; `None` waits for as long as the connection lasts.
    Acknowledged {
        /// Milliseconds until an event is sent again.
        retry_millis: Option<i64>,
    },
    /// As soon as it was written to a connection.
    Written,
}

/// The bounds of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// When an event counts as settled.
    pub settlement: Settlement,
    /// How much may be under way on one connection.
    pub window: Window,
    /// Events in memory. When full, the journal is not read on.
    pub max_events: usize,
    /// Bytes of events in memory, exceeded by one page at most. When full, the journal is not read on.
    pub max_bytes: usize,
    /// Events of one author that wait in memory while it is blocked. Further ones are passed over, and read
    /// when its turn comes.
    pub author_backlog: usize,
    /// Gaps in what is settled, each some 32 bytes. When full, the journal is not read on: an author who is
    /// blocked for very long then holds back the others after all.
    pub max_gaps: usize,
    /// Events asked for at once.
    pub page: usize,
    /// Milliseconds between two [`Action::Store`].
    pub store_millis: i64,
    /// How long a [`Driver`] that is to stop waits for acknowledgements of what is under way, in milliseconds. A serial
    /// consumer whose line breaks while it handles an event may wait for ever to acknowledge it.
    pub drain_millis: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settlement: Settlement::Acknowledged { retry_millis: Some(60_000) },
            window: Window::default(),
            max_events: 32_768,
            max_bytes: 32 << 20,
            author_backlog: 16,
            max_gaps: 262_144,
            page: 512,
            store_millis: 500,
            drain_millis: 2_500,
        }
    }
}
