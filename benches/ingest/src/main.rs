//! Measures the social service's ingestion against a fake homeserver in a process of its own: how many events a
//! second become durable and indexed, and how long a single write takes until a reader sees it.
//!
//! `cargo build --release -p nexus-fake-homeserver -p nexus-bench-ingest && target/release/nexus-bench-ingest`

mod cpu;
mod homeserver;
mod latency;
mod pipeline;

use clap::Parser;
use std::{error::Error, path::PathBuf, time::Duration};

/// Measures ingestion from a homeserver to durable and indexed.
#[derive(Parser)]
struct Arguments {
    /// The fake homeserver's program. Without it: beside this one.
    #[arg(long)]
    homeserver: Option<PathBuf>,
    /// Events in its log.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Users among whom they are spread.
    #[arg(long, default_value_t = 5_000)]
    users: usize,
    /// Chooses among all networks of this size.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes that are timed one by one afterwards.
    #[arg(long, default_value_t = 200)]
    writes: usize,
    /// Longest pause between two of those, in milliseconds; each is chosen evenly below it.
    #[arg(long, default_value_t = 1_000)]
    pause: u64,
    /// Records fetched at once.
    #[arg(long, default_value_t = 16)]
    fetches: u64,
    /// Where to keep the data. Without it: a temporary directory.
    #[arg(long)]
    data: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let log = homeserver::Plan { events: arguments.events, users: arguments.users, seed: arguments.seed };
    let homeserver = homeserver::Homeserver::start(arguments.homeserver, log)?;
    let temporary = tempfile::tempdir()?;
    let data = arguments.data.unwrap_or_else(|| temporary.path().to_owned());
    let pipeline = pipeline::Pipeline::start(&data, &homeserver.url, arguments.fetches)?;
    let took = pipeline.caught_up().await;
    let spent = [std::process::id(), homeserver.process()].map(|process| cpu::time_of(process).unwrap_or_default());
    report(arguments.events, took, &pipeline)?;
    println!("processor time: pipeline {:.2?}, homeserver and its making of the log {:.2?}", spent[0], spent[1]);
    let mut times = latency::measure(&homeserver.url, &pipeline, arguments.writes, arguments.pause).await?;
    times.sort_unstable();
    let at =
        |share: f64| times.get((times.len().saturating_sub(1) as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "write to visible: p50 {:.1?}, p99 {:.1?}, longest {:.1?} ({} writes)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
    pipeline.stop().await
}

fn report(events: usize, took: Duration, pipeline: &pipeline::Pipeline) -> Result<(), Box<dyn Error>> {
    let rate = events as f64 / took.as_secs_f64();
    println!("{events} events in {took:.2?}: {rate:.0} events/s to durable and indexed");
    println!(
        "{} posts indexed, {} retries waiting, {} bytes on disk",
        pipeline.posts(),
        pipeline.waiting()?,
        pipeline.size()?
    );
    Ok(())
}
