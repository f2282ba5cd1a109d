//! How long to wait: between two looks at a quiet log, and after failures. Pure.

use std::time::Duration;

/// Looks often at a log where something happens, seldom at one where nothing does.
///
/// The pause is a tenth of the time since the last activity, so that news waits for a twentieth of the silence
/// that preceded it on average, and a silence of any length costs a logarithmic number of looks until the
/// longest pause is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polling {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl Polling {
    /// The pause after a look that found nothing, when the last one that found something was `quiet` ago.
    pub(crate) fn pause(self, quiet: Duration) -> Duration {
        (quiet / 10).clamp(self.shortest, self.longest.max(self.shortest))
    }
}

/// Doubles from failure to failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The pause after one more failure.
    pub(crate) fn failed(&mut self) -> Duration {
        let pause = self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest.max(self.first));
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// All is well again.
    pub(crate) const fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLLING: Polling = Polling { shortest: Duration::from_millis(20), longest: Duration::from_secs(5) };

    #[test]
    fn a_quiet_log_is_looked_at_less_and_less() {
        assert_eq!(POLLING.pause(Duration::ZERO), Duration::from_millis(20));
        assert_eq!(POLLING.pause(Duration::from_secs(1)), Duration::from_millis(100));
        assert_eq!(POLLING.pause(Duration::from_secs(3600)), Duration::from_secs(5));
    }

    #[test]
    fn failures_double_the_pause_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));
        let pauses: Vec<_> = (0..8).map(|_| backoff.failed().as_secs()).collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        backoff.succeeded();
        assert_eq!(backoff.failed().as_secs(), 60);
    }

    proptest! {
        #[test]
        fn pauses_keep_their_bounds(quiet in 0u64..10_000_000, failures in 0usize..100) {
            let pause = POLLING.pause(Duration::from_millis(quiet));
            prop_assert!(pause >= POLLING.shortest && pause <= POLLING.longest);
            let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(60));
            for _ in 0..failures { backoff.failed(); }
            prop_assert!(backoff.failed() <= Duration::from_secs(60));
        }
    }
}
