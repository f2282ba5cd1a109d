//! Politeness towards one host: so many requests at once, so many in a second, and none while it asks for patience.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// Lets requests to one host through.
#[derive(Debug)]
pub(super) struct Turnstile {
    places: Semaphore,
    every: Duration,
    next: Mutex<Instant>,
}

impl Turnstile {
    /// At most `places` at once and, unless it is 0, `rate` in a second.
    pub(super) fn new(places: usize, rate: u32) -> Self {
        let every = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        Self { places: Semaphore::new(places.max(1)), every, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a place and a moment. While the host asks for patience nobody waits: the error says for how long.
    pub(super) async fn enter(&self) -> Result<Option<SemaphorePermit<'_>>, Duration> {
        // The semaphore is never closed.
        let place = self.places.acquire().await.ok();
        loop {
            let now = Instant::now();
            let at = {
                let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
                if *next <= now {
                    // What was not used is not saved up.
                    *next = now + self.every;
                    return Ok(place);
                }
                *next
            };
            if at > now + self.every {
                return Err(at - now);
            }
            sleep_until(at).await;
        }
    }

    /// Lets nobody through for a while.
    pub(super) fn pause(&self, pause: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + pause);
    }

    /// How long nobody is let through, if at all.
    pub(super) fn paused(&self) -> Option<Duration> {
        let next = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        Some(next.saturating_duration_since(Instant::now())).filter(|left| *left > self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_and_nobody_waits_for_a_pause_to_end() {
        let turnstile = Turnstile::new(2, 10);
        let begun = Instant::now();
        for _ in 0..5 {
            turnstile.enter().await.unwrap();
        }
        assert_eq!(begun.elapsed().as_millis() / 100, 4);
        assert_eq!(turnstile.paused(), None);
        turnstile.pause(Duration::from_secs(7));
        assert!(turnstile.paused().is_some_and(|left| left > Duration::from_secs(6)));
        assert!(turnstile.enter().await.is_err_and(|left| left > Duration::from_secs(6)));
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(7)).await;
        turnstile.enter().await.unwrap();
    }

    #[tokio::test]
    async fn only_so_many_are_inside() {
        let turnstile = Turnstile::new(2, 0);
        let (first, _second) = (turnstile.enter().await, turnstile.enter().await);
        let third = tokio::time::timeout(Duration::from_millis(10), turnstile.enter()).await;
        assert!(third.is_err());
        drop(first);
        turnstile.enter().await.unwrap();
    }
}
