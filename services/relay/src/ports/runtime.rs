//! What only the environment has: time, randomness, processors for cryptography, a log.

use super::{MaybeSend, MaybeSync};
use nexus_model::{Raw, Timestamp, Verified};
use nexus_nostr::{Error, Event};
use std::future::Future;

/// The environment.
pub trait RuntimeAdapter: MaybeSend + MaybeSync {
    /// Random bytes that nobody can guess.
    fn random_bytes(&self, len: usize) -> Vec<u8>;

    /// The time.
    fn now(&self) -> Timestamp;

    /// Checks id and signature of an event.
    ///
    /// # Errors
    /// What doesn't hold.
    fn verify_signature(&self, event: Raw<Event>) -> Result<Verified<Event>, Error>;

    /// Checks several events, on several processors where there are any. Gives one answer for each.
    fn verify_batch(
        &self,
        events: Vec<Raw<Event>>,
    ) -> impl Future<Output = Vec<Result<Verified<Event>, Error>>> + MaybeSend {
        async move { events.into_iter().map(|event| self.verify_signature(event)).collect() }
    }

    /// Writes to the log. The message tells facts, never contents.
    fn log(&self, level: LogLevel, message: &str);
}

/// How urgent a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Of use to whoever looks for a fault.
    Debug,
    /// Of use to whoever runs the relay.
    Info,
    /// Something went wrong, and the relay goes on.
    Warn,
    /// Something must be done.
    Error,
}
