//! How long to wait before something is tried again, as answers and failures say.

use super::Random;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// The longest pause that a server may ask for.
const LONGEST: Duration = Duration::from_secs(3_600);

/// 1, 2, 4, 8 and then always 10 seconds, and a random part below one, so that those who failed together come apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause.
    pub(super) fn next(&mut self, random: &Random) -> Duration {
        let seconds = 2_u64.saturating_pow(self.failures).min(10);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(seconds * 1_000 + random(1_000))
    }

    /// It went well.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since it last went well.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }
}

/// The pause that an answer asks for: seconds until later (`Retry-After`), or the moment when the limit is lifted
/// (`RateLimit-Reset`, seconds since 1970, or from now if the number is small).
pub(super) fn asked(headers: &HeaderMap, now_millis: i64) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let after = number(RETRY_AFTER.as_str()).map(|seconds| seconds.saturating_mul(1_000));
    let reset = || number("ratelimit-reset").map(|at| until(at, now_millis));
    let millis = after.or_else(reset)?;
    Some(Duration::from_millis(millis.max(0).unsigned_abs()).min(LONGEST))
}

/// The pause before a server lets in anybody again, if its last answer said that the limit is used up.
pub(super) fn used_up(headers: &HeaderMap, now_millis: i64) -> Option<Duration> {
    let left = headers.get("ratelimit-remaining")?.to_str().ok()?.trim();
    (left == "0").then(|| asked(headers, now_millis)).flatten()
}

fn until(at: i64, now_millis: i64) -> i64 {
    const YEAR: i64 = 366 * 24 * 3_600;
    let millis = at.saturating_mul(1_000);
    if at < YEAR { millis } else { millis - now_millis }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn pauses_grow_to_ten_seconds_and_begin_anew() {
        let random: Random = Arc::new(|below| below - 1);
        let mut backoff = Backoff::default();
        let seconds: Vec<_> = (0..6).map(|_| backoff.next(&random).as_millis()).collect();
        assert_eq!(seconds, [1_999, 2_999, 4_999, 8_999, 10_999, 10_999]);
        backoff.reset();
        assert_eq!(backoff.next(&random).as_millis(), 1_999);
        assert_eq!(Backoff { failures: u32::MAX }.next(&random).as_millis(), 10_999);
    }

    #[test]
    fn servers_say_how_long_in_several_ways() {
        let now = 1_800_000_000_000;
        let asks = |fields: &[(&'static str, &str)]| asked(&headers(fields), now).map(|pause| pause.as_secs());
        assert_eq!(asks(&[("retry-after", "7")]), Some(7));
        assert_eq!(asks(&[("ratelimit-reset", "1800000030")]), Some(30));
        assert_eq!(asks(&[("ratelimit-reset", "12")]), Some(12));
        assert_eq!(asks(&[("retry-after", "5"), ("ratelimit-reset", "12")]), Some(5));
        assert_eq!(asks(&[("ratelimit-reset", "1700000000")]), Some(0));
        assert_eq!(asks(&[("retry-after", "999999999999")]), Some(3_600));
        assert_eq!(asks(&[("retry-after", "soon")]), None);
        assert_eq!(asks(&[]), None);
        let left = |left| used_up(&headers(&[("ratelimit-remaining", left), ("ratelimit-reset", "9")]), now);
        assert_eq!((left("0").map(|pause| pause.as_secs()), left("1")), (Some(9), None));
    }
}
