//! What the parts of the consumer share about one relay.

use super::tide::Tide;
use bytes::Bytes;
use nexus_atproto::Did;
use nexus_http::Condition;
use nexus_sync::writer::Input;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedSemaphorePermit;

/// One relay's stream.
#[derive(Debug)]
pub(in crate::source) struct Stream {
    /// The relay's base URL, as the configuration has it.
    pub(super) relay: Arc<str>,
    /// Holds while there is a connection.
    pub(super) connected: Condition,
    tide: Mutex<Tide>,
    durable: AtomicI64,
}

/// A message that is in work. Its ticket is handed in when it is finished, its permit is given back when that is
/// durable.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) stream: Arc<Stream>,
    /// Whom it is about.
    pub(super) did: Did,
    pub(super) ticket: u64,
    pub(super) message: Bytes,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) attempt: Attempt,
}

/// Whether the key was fetched anew for this message already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    WithFreshKey,
}

/// A message that is finished, and what the writer is to decide about, if anything.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) stream: Arc<Stream>,
    pub(super) ticket: u64,
    pub(super) input: Option<Input>,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Job {
    /// It is finished, with `input` to be decided about.
    pub(super) fn done(self, input: impl Into<Option<Input>>) -> Done {
        let Self { stream, ticket, permit, .. } = self;
        Done { stream, ticket, input: input.into(), permit }
    }
}

impl Stream {
    pub(super) fn new(relay: &str, connected: Condition, position: Option<i64>) -> Self {
        let tide = Mutex::new(Tide::from(position));
        Self { relay: relay.into(), connected, tide, durable: AtomicI64::new(position.unwrap_or(0)) }
    }

    pub(super) fn tide(&self) -> MutexGuard<'_, Tide> {
        // Nothing panics between two halves of a change.
        self.tide.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The relay's base URL.
    pub(in crate::source) fn relay(&self) -> Arc<str> {
        Arc::clone(&self.relay)
    }

    /// Under what name its position is stored.
    pub(super) fn cursor_name(&self) -> String {
        format!("firehose {}", self.relay)
    }

    /// The position up to which everything is durable, 0 before the first.
    pub(in crate::source) fn durable(&self) -> i64 {
        self.durable.load(Ordering::Relaxed)
    }

    pub(super) fn set_durable(&self, position: i64) {
        self.durable.store(position, Ordering::Relaxed);
    }
}
