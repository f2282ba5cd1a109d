//! The two loops. In the open one, latency counts from the appointed time, so that a server that stalls can't
//! hide it by slowing its clients down.

use crate::{
    client::{Client, Failure},
    mix::Mix,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// What one loop measured.
pub(crate) struct Measured {
    elapsed: Duration,
    times: Vec<(&'static str, Duration)>,
}

impl Measured {
    /// Requests answered a second.
    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Quantiles over all requests.
    pub(crate) fn latency(&self) -> String {
        quantiles(self.times.iter().map(|(_, time)| *time).collect())
    }

    /// Quantiles of each kind of request.
    pub(crate) fn by_kind(&self) -> BTreeMap<&'static str, String> {
        let mut kinds = BTreeMap::<_, Vec<_>>::new();
        for (kind, time) in &self.times {
            kinds.entry(*kind).or_default().push(*time);
        }
        kinds.into_iter().map(|(kind, times)| (kind, quantiles(times))).collect()
    }
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let millis = |share: f64| {
        let at = (times.len().saturating_sub(1) as f64 * share).round() as usize;
        times.get(at).copied().unwrap_or_default().as_secs_f64() * 1_000.0
    };
    format!(
        "p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms ({} answers)",
        millis(0.5),
        millis(0.99),
        millis(1.0),
        times.len()
    )
}

/// Each connection asks again as soon as it is answered.
pub(crate) async fn closed(
    server: &str,
    mix: &Arc<Mix>,
    connections: usize,
    duration: Duration,
) -> Result<Measured, Failure> {
    run(server, mix, connections, duration, None).await
}

/// The connections together ask `rate` times a second, whatever the server does.
pub(crate) async fn open(
    server: &str,
    mix: &Arc<Mix>,
    connections: usize,
    duration: Duration,
    rate: f64,
) -> Result<Measured, Failure> {
    run(server, mix, connections, duration, Some(Duration::from_secs_f64(1.0 / rate))).await
}

async fn run(
    server: &str,
    mix: &Arc<Mix>,
    connections: usize,
    duration: Duration,
    gap: Option<Duration>,
) -> Result<Measured, Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut workers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let client = Client::open(server).await?;
        workers.push(tokio::spawn(work(client, mix.clone(), next.clone(), started, duration, gap)));
    }
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await??);
    }
    Ok(Measured { elapsed: started.elapsed(), times })
}

async fn work(
    mut client: Client,
    mix: Arc<Mix>,
    next: Arc<AtomicU64>,
    started: Instant,
    duration: Duration,
    gap: Option<Duration>,
) -> Result<Vec<(&'static str, Duration)>, Failure> {
    let mut times = Vec::new();
    while started.elapsed() < duration {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let asked = match gap {
            Some(gap) => appointment(started + gap.mul_f64(number as f64)).await,
            None => Instant::now(),
        };
        let (kind, ask) = mix.ask(number);
        client.ask(&ask).await?;
        times.push((kind, asked.elapsed()));
    }
    Ok(times)
}

/// Waits for the appointed time and gives the time that latency counts from: the appointed one if it has passed
/// already, else the moment of waking, because the timer's millisecond isn't the server's fault.
async fn appointment(appointed: Instant) -> Instant {
    if Instant::now() >= appointed {
        return appointed;
    }
    sleep_until(appointed).await;
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_quantiles_are_those_of_the_sample() {
        let times = (1..=100).map(|n| (if n % 2 == 0 { "even" } else { "odd" }, Duration::from_millis(n))).collect();
        let measured = Measured { elapsed: Duration::from_secs(2), times };
        assert!((measured.rate() - 50.0).abs() < f64::EPSILON);
        assert_eq!(measured.latency(), "p50 51.000 ms, p99 99.000 ms, max 100.000 ms (100 answers)");
        assert_eq!(measured.by_kind().len(), 2);
        assert!(measured.by_kind()["odd"].starts_with("p50 51.000 ms"));
    }
}
