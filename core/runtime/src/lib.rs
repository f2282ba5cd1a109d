//! What running services share: tasks that have a name and an owner, shutdown in two steps, the thread that commits
//! in groups, the clock, logs, metrics and traces.
//!
//! The clock is handed to whoever needs the time, so that tests can hold it. No service logic here.

mod causes;
mod clock;
pub mod groups;
mod signals;
mod tasks;
mod telemetry;

pub use causes::told;
pub use clock::Clock;
pub use signals::{Descriptors, raise_descriptor_limit, stop_on_signal};
pub use tasks::{Failure, Tasks};
pub use telemetry::{LogFormat, Otlp, Render, Telemetry, TelemetryError, TelemetryOptions, check_level};
pub use tokio_util::sync::CancellationToken;
