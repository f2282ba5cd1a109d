//! What running services share: tasks that have a name and an owner, shutdown in two steps, the clock.
//!
//! The clock is handed to whoever needs the time, so that tests can hold it. No service logic here.

mod clock;
mod tasks;

pub use clock::Clock;
pub use tasks::{Failure, Tasks};
pub use tokio_util::sync::CancellationToken;
