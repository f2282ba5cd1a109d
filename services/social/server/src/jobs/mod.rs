//! Jobs: work on everything that is indexed, at its times or when the operator asks. A run is asked for at the
//! [`Desk`] and done by the [`Worker`]. Of one job there is one run at a time, and none goes on after its deadline
//! (spec e.5). When the times come is the program's business.

mod desk;
mod trust;
mod worker;

pub use desk::{AskedBy, Desk, Job, Refused, Requests, Run};
pub use trust::{JobError, TrustJob};
pub use worker::Worker;

/// The one job that there is.
pub const TRUST: &str = "trust-recompute";
