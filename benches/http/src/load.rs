//! The two loops. In the open one, a thread of its own gives out the appointments, and latency counts from there: a
//! server that stalls can't hide it by slowing its clients down, and the timer of an asynchronous runtime, which
//! counts in milliseconds, doesn't bunch requests together.

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
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

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
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(Client::open(server).await?);
    }
    let started = Instant::now();
    let turns = Arc::new(match gap {
        Some(gap) => Turns::appointed(started, gap, duration)?,
        None => Turns::AtOnce { next: AtomicU64::new(0), end: started + duration },
    });
    let workers: Vec<_> =
        clients.into_iter().map(|client| tokio::spawn(work(client, mix.clone(), turns.clone()))).collect();
    let mut times = Vec::new();
    for worker in workers {
        times.extend(worker.await??);
    }
    Ok(Measured { elapsed: started.elapsed(), times })
}

/// A request's number, and the time from which its latency counts.
type Turn = (u64, Instant);

/// Who asks when.
enum Turns {
    /// Whoever is free asks again.
    AtOnce { next: AtomicU64, end: Instant },
    /// Whoever is free takes the next appointment. They wait without bound: that is what is measured.
    Appointed(Mutex<UnboundedReceiver<Turn>>),
}

impl Turns {
    /// One appointment each `gap`, given out by a thread that does nothing else.
    fn appointed(started: Instant, gap: Duration, duration: Duration) -> Result<Self, Failure> {
        let (appointments, turns) = unbounded_channel();
        thread::Builder::new().name("pace".to_owned()).spawn(move || pace(started, gap, duration, &appointments))?;
        Ok(Self::Appointed(Mutex::new(turns)))
    }

    async fn next(&self) -> Option<Turn> {
        match self {
            Self::AtOnce { next, end } => {
                let now = Instant::now();
                (now < *end).then(|| (next.fetch_add(1, Ordering::Relaxed), now))
            }
            Self::Appointed(turns) => turns.lock().await.recv().await,
        }
    }
}

/// Gives out appointments until the time is over or nobody takes them. That this thread itself wakes late is not the
/// server's fault: what it gives out counts from when it does.
fn pace(started: Instant, gap: Duration, duration: Duration, appointments: &UnboundedSender<Turn>) {
    for number in 0u64.. {
        let appointed = gap.mul_f64(number as f64);
        if appointed >= duration {
            break;
        }
        thread::sleep((started + appointed).saturating_duration_since(Instant::now()));
        if appointments.send((number, Instant::now())).is_err() {
            break;
        }
    }
}

async fn work(mut client: Client, mix: Arc<Mix>, turns: Arc<Turns>) -> Result<Vec<(&'static str, Duration)>, Failure> {
    let mut times = Vec::new();
    while let Some((number, since)) = turns.next().await {
        let (kind, ask) = mix.ask(number);
        client.ask(&ask).await?;
        times.push((kind, since.elapsed()));
    }
    Ok(times)
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

    #[tokio::test]
    async fn appointments_are_given_out_one_by_one_until_the_time_is_over() {
        let (started, gap) = (Instant::now(), Duration::from_millis(2));
        let turns = Turns::appointed(started, gap, Duration::from_millis(20)).unwrap();
        for number in 0..10 {
            let (given, since) = turns.next().await.unwrap();
            assert_eq!(given, number);
            assert!(since >= started + gap * u32::try_from(number).unwrap(), "{number} is given out too early");
        }
        assert_eq!(turns.next().await, None);
    }
}
