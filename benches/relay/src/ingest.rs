//! Closed loop: each connection keeps a number of events unacknowledged and sends the next as an OK arrives.

use crate::{
    connection::{Connection, Failure, parse_ok},
    events::{self, Prepared},
    report::{Sample, rate},
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// What to send.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections that send at the same time.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Events that each connection keeps unacknowledged.
    #[arg(long, default_value_t = 100)]
    in_flight: usize,
    /// Events in all.
    #[arg(long, default_value_t = 50_000)]
    events: usize,
    /// Send every event a second time afterwards, and measure that alone too.
    #[arg(long)]
    duplicates: bool,
}

/// Sends the events and prints how many a second were acknowledged.
pub(crate) async fn run(url: &str, seed: u64, options: &Options) -> Result<(), Failure> {
    let prepared: Arc<[Prepared]> = events::network(seed, options.events).into();
    measure("new events", url, &prepared, options).await?;
    if options.duplicates {
        measure("duplicates", url, &prepared, options).await?;
    }
    Ok(())
}

async fn measure(name: &str, url: &str, prepared: &Arc<[Prepared]>, options: &Options) -> Result<(), Failure> {
    let share = prepared.len().div_ceil(options.connections);
    let started = Instant::now();
    let senders: Vec<_> = (0..options.connections)
        .map(|n| {
            let (url, prepared, in_flight) = (url.to_owned(), prepared.clone(), options.in_flight);
            let range = (n * share).min(prepared.len())..((n + 1) * share).min(prepared.len());
            tokio::spawn(async move { send_all(&url, &prepared[range], in_flight).await })
        })
        .collect();
    let mut latencies = Vec::with_capacity(prepared.len());
    for sender in senders {
        latencies.extend(sender.await??);
    }
    let elapsed = started.elapsed();
    println!(
        "{name}: {:.0} events/s acknowledged ({} connections × {} in flight, {} events), OK {}",
        rate(prepared.len(), elapsed),
        options.connections,
        options.in_flight,
        prepared.len(),
        Sample::new(latencies)
    );
    Ok(())
}

/// Sends `events` and gives the time that each OK took.
async fn send_all(url: &str, events: &[Prepared], in_flight: usize) -> Result<Vec<Duration>, Failure> {
    let mut connection = Connection::open(url).await?;
    let mut waiting = HashMap::with_capacity(in_flight);
    let mut latencies = Vec::with_capacity(events.len());
    let mut next = events.iter();
    while latencies.len() < events.len() {
        for event in next.by_ref().take(in_flight - waiting.len()) {
            waiting.insert(event.id.clone(), Instant::now());
            connection.feed(event.frame.clone()).await?;
        }
        connection.flush().await?;
        let frame = connection.next_of("OK").await?;
        match parse_ok(&frame) {
            Some((id, true)) => latencies.extend(waiting.remove(id).map(|sent| sent.elapsed())),
            _ => return Err(Failure::Refused(frame.to_string())),
        }
    }
    Ok(latencies)
}
