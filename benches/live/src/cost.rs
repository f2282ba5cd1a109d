//! What a change costs while nobody who listens wants it.

use crate::{Failure, history::By, tail};
use nexus_delivery::Start;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const CHANGES: u32 = 100_000;

/// The time that the tail takes for each of many changes while `sleeping` listeners wait for other authors.
pub(crate) async fn of_a_change(sleeping: usize) -> Result<Duration, Failure> {
    let (history, tail) = tail().await?;
    let mut sessions = Vec::with_capacity(sleeping);
    for number in 0..sleeping {
        let mut session = tail.subscribe("bench", Arc::new(By(format!("nobody {number}"))), Start::Now)?;
        // Asked once, it falls asleep.
        drop(futures_util::poll!(Box::pin(session.next())));
        sessions.push(session);
    }
    let mut last = tail.position();
    for _ in 0..CHANGES {
        last = history.append("ada");
    }
    let begun = Instant::now();
    while tail.position() < last {
        tail.pull().await?;
    }
    Ok(begun.elapsed() / CHANGES)
}
