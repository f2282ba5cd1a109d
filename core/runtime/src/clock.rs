//! The time, as something that is handed in.

use nexus_model::Timestamp;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells the time: the system's, or one that a test holds.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `time` until it is moved. Clones stand together.
    pub fn fixed(time: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(time.millis()))))
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> Timestamp {
        let millis = match &self.0 {
            Some(held) => held.load(Ordering::Relaxed),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64),
        };
        Timestamp::from_millis(millis)
    }

    /// Moves a held clock by `millis`; the system's clock stays as it is.
    pub fn advance(&self, millis: i64) {
        if let Some(held) = &self.0 {
            held.fetch_add(millis, Ordering::Relaxed);
        }
    }
}
