//! The market for jobs: an observer of events that were admitted. (NIP-89, NIP-90)
//!
//! It never changes an event, and a client that knows nothing of it meets an ordinary relay. Jobs and counts
//! are stored in the transaction of the event that moves them, since they outlive it.

mod job;
mod rebuild;
mod reputation;
mod standing;
mod tally;
mod validate;

pub use job::{Input, Job, JobQuery, JobState, PROVIDERS, Provider, Request};
pub use rebuild::{Rebuilt, rebuild};
pub use reputation::{Labels, Performance, labels};
pub use standing::{Mark, Measure, Standing, Standings, marks};
pub use tally::{Counter, Tally};
pub use validate::{Profile, validate};

use nexus_nostr::{Kind, nip::nip90};

/// True for the kinds that jobs are made of: requests, results, feedback, and the deletions that cancel.
pub const fn is_of_the_market(kind: Kind) -> bool {
    nip90::is_request(kind) || nip90::is_result(kind) || matches!(kind, Kind::JOB_FEEDBACK | Kind::DELETION)
}
