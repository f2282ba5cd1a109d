//! The market for jobs: an observer of events that were admitted. (NIP-89, NIP-90)
//!
//! It never changes an event, and a client that knows nothing of it meets an ordinary relay. Jobs and counts
//! are stored in the transaction of the event that moves them, since they outlive it.

mod job;
mod tally;
mod validate;

pub use job::{Input, Job, JobQuery, JobState, Provider};
pub use tally::{Counter, Tally};
pub use validate::{Profile, validate};
