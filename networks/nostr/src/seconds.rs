//! Nostr's clock: whole seconds. A type of its own, because the rest of Nexus counts milliseconds.

use nexus_model::Timestamp;
use std::fmt;

/// Seconds since the Unix epoch, at most 2^63-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seconds(i64);

impl Seconds {
    /// The last moment that `created_at` can name.
    pub const MAX: Self = Self(i64::MAX);

    /// This many seconds after the epoch; what is before it counts as the epoch.
    pub const fn new(seconds: i64) -> Self {
        Self(if seconds < 0 { 0 } else { seconds })
    }

    /// Seconds since the epoch, never negative.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// This moment moved by `seconds`, held within the range.
    #[must_use]
    pub const fn plus(self, seconds: i64) -> Self {
        Self::new(self.0.saturating_add(seconds))
    }

    /// How many seconds lie between the two moments, whichever is first.
    pub const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl From<Timestamp> for Seconds {
    fn from(moment: Timestamp) -> Self {
        Self::new(moment.millis().div_euclid(1000))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
