//! Many subscriptions, each for one author; every event matches exactly one. Measures the time from sending
//! an event to its arrival at the subscriber, and how many a second go through.

use crate::{
    connection::{Connection, Failure, label_of},
    events::{self, Prepared},
    report::{Sample, rate},
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What to open and send.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Subscriptions in all.
    #[arg(long, default_value_t = 10_000)]
    subscriptions: usize,
    /// Connections that share them.
    #[arg(long, default_value_t = 500)]
    connections: usize,
    /// Events to send, one after the other.
    #[arg(long, default_value_t = 2_000)]
    events: usize,
}

/// Opens, sends, and prints the time to delivery.
pub(crate) async fn run(url: &str, seed: u64, options: &Options) -> Result<(), Failure> {
    let (arrivals, mut arrived) = mpsc::channel(1_024);
    let each = options.subscriptions.div_ceil(options.connections);
    let mut listeners = Vec::with_capacity(options.connections);
    for n in 0..options.connections {
        let mut connection = Connection::open(url).await?;
        for author in n * each..((n + 1) * each).min(options.subscriptions) {
            subscribe(&mut connection, seed, author).await?;
        }
        listeners.push(tokio::spawn(listen(connection, arrivals.clone())));
    }
    drop(arrivals);
    let mut publisher = Connection::open(url).await?;
    let started = Instant::now();
    let mut times = Vec::with_capacity(options.events);
    for n in 0..options.events {
        let event = note(seed, n, options.subscriptions);
        times.push(deliver(&mut publisher, &event, &mut arrived).await?);
    }
    println!(
        "fan-out: {:.0} events/s one at a time over {} subscriptions, delivery {}",
        rate(options.events, started.elapsed()),
        options.subscriptions,
        Sample::new(times)
    );
    listeners.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

async fn subscribe(connection: &mut Connection, seed: u64, author: usize) -> Result<(), Failure> {
    let key = events::pubkey(&events::author(seed, author));
    connection.send(format!(r#"["REQ","s{author}",{{"authors":["{key}"],"limit":0}}]"#)).await?;
    connection.next_of("EOSE").await.map(drop)
}

async fn listen(mut connection: Connection, arrivals: mpsc::Sender<(String, Instant)>) {
    while let Ok(frame) = connection.next().await {
        let id = || frame.split(r#""id":""#).nth(1).and_then(|rest| rest.get(..64)).map(str::to_owned);
        if label_of(&frame) == "EVENT"
            && let Some(id) = id()
            && arrivals.send((id, Instant::now())).await.is_err()
        {
            return;
        }
    }
}

fn note(seed: u64, number: usize, authors: usize) -> Prepared {
    let pair = events::author(seed, fastrand::Rng::with_seed(number as u64).usize(..authors));
    events::signed(&pair, events::unix_seconds(), 1, "[]", &format!("fan-out {number}"))
}

async fn deliver(
    publisher: &mut Connection,
    event: &Prepared,
    arrived: &mut mpsc::Receiver<(String, Instant)>,
) -> Result<Duration, Failure> {
    let sent = Instant::now();
    publisher.send(event.frame.clone()).await?;
    loop {
        let (id, at) = arrived.recv().await.ok_or(Failure::Closed)?;
        if *id == *event.id {
            return Ok(at - sent);
        }
    }
}
