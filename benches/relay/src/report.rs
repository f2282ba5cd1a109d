//! Numbers for people: quantiles of a sample, and one line for each measurement.

use std::{fmt, time::Duration};

/// A sample of durations, sorted.
#[derive(Debug)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    /// Sorts what was measured.
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The duration that `share` (0 to 1) of the sample don't exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |share| self.quantile(share).as_secs_f64() * 1_000.0;
        let (median, high, worst) = (millis(0.5), millis(0.99), millis(1.0));
        write!(f, "p50 {median:.3} ms, p99 {high:.3} ms, max {worst:.3} ms ({} samples)", self.0.len())
    }
}

/// Events a second.
pub(crate) fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_from_the_sorted_sample() {
        let sample = Sample::new((0..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(sample.quantile(0.5), Duration::from_millis(50));
        assert_eq!(sample.quantile(0.99), Duration::from_millis(99));
        assert_eq!(Sample::new(Vec::new()).quantile(0.5), Duration::ZERO);
    }
}
