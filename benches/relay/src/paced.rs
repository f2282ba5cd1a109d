//! Open loop: events leave at their appointed times, and latency counts from the appointed time, so that a
//! relay that stalls can't hide it by slowing its clients down.

use crate::{
    connection::{Connection, Failure, parse_ok},
    events::{self, Prepared},
    report::{Sample, rate},
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use tokio::time::{sleep_until, timeout};

/// What to send.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Events a second, over all connections.
    #[arg(long, default_value_t = 2_000)]
    rate: usize,
    /// For how long, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: usize,
    /// Connections that share the rate.
    #[arg(long, default_value_t = 4)]
    connections: usize,
}

/// Sends at the rate and prints how long OKs took.
pub(crate) async fn run(url: &str, seed: u64, options: &Options) -> Result<(), Failure> {
    let prepared = events::network(seed, options.rate * options.seconds);
    let share = prepared.len().div_ceil(options.connections);
    let gap = Duration::from_secs_f64(options.connections as f64 / options.rate as f64);
    let started = Instant::now();
    let senders: Vec<_> =
        prepared.chunks(share).map(|chunk| tokio::spawn(send_paced(url.to_owned(), chunk.to_vec(), gap))).collect();
    let mut latencies = Vec::with_capacity(prepared.len());
    for sender in senders {
        latencies.extend(sender.await??);
    }
    let (sent, answered) = (prepared.len(), latencies.len());
    println!(
        "paced: {:.0} events/s offered, {answered} of {sent} answered, OK {}",
        rate(sent, started.elapsed()),
        Sample::new(latencies)
    );
    Ok(())
}

async fn send_paced(url: String, events: Vec<Prepared>, gap: Duration) -> Result<Vec<Duration>, Failure> {
    let mut connection = Connection::open(&url).await?;
    let started = tokio::time::Instant::now();
    let mut due = HashMap::with_capacity(1_000);
    let mut latencies = Vec::with_capacity(events.len());
    for (n, event) in events.iter().enumerate() {
        let appointed = started + gap * n as u32;
        while tokio::time::Instant::now() < appointed {
            tokio::select! {
                () = sleep_until(appointed) => break,
                frame = connection.next_of("OK") => note(&frame?, &mut due, &mut latencies)?,
            }
        }
        // A late wake-up within the timer's millisecond isn't the relay's fault; anything more is.
        let now = tokio::time::Instant::now();
        let asked = if now - appointed < Duration::from_millis(2) { now } else { appointed };
        due.insert(event.id.clone(), asked);
        connection.send(event.frame.clone()).await?;
    }
    while !due.is_empty() {
        let Ok(frame) = timeout(Duration::from_secs(10), connection.next_of("OK")).await else { break };
        note(&frame?, &mut due, &mut latencies)?;
    }
    Ok(latencies)
}

fn note(
    frame: &str,
    due: &mut HashMap<std::sync::Arc<str>, tokio::time::Instant>,
    latencies: &mut Vec<Duration>,
) -> Result<(), Failure> {
    let Some((id, true)) = parse_ok(frame) else { return Err(Failure::Refused(frame.to_owned())) };
    latencies.extend(due.remove(id).map(|appointed| appointed.elapsed()));
    Ok(())
}
