//! Measures the social API over HTTP on loopback. First in a closed loop, for its capacity; then in an open loop
//! at half of that, for the latency that a client sees. It asks as the web client does (spec f.5) and works
//! against any server of that API, so that two can be compared in the same run.
//!
//! Bounded by time and connections; it reads only.

mod client;
mod load;
mod mix;

use clap::Parser;
use client::{Client, Failure};
use mix::Mix;
use std::{sync::Arc, time::Duration};

/// Measures the social API over HTTP.
#[derive(Debug, Parser)]
#[command(name = "nexus-bench-http", version)]
struct Arguments {
    /// The server, as host:port.
    #[arg(long, default_value = "127.0.0.1:8080")]
    server: String,
    /// Connections that ask at the same time.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How long each of the two parts takes, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Ask only requests whose path begins with this.
    #[arg(long, default_value = "/")]
    only: String,
    /// Chooses what is asked.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let mut client = Client::open(&arguments.server).await?;
    let mix = Arc::new(Mix::learn(&mut client, &arguments.only, arguments.seed).await?);
    let duration = Duration::from_secs(arguments.seconds);
    let full = load::closed(&arguments.server, &mix, arguments.connections, duration).await?;
    println!("capacity: {:.0} requests/s over {} connections, {}", full.rate(), arguments.connections, full.latency());
    let half = load::open(&arguments.server, &mix, arguments.connections, duration, full.rate() / 2.0).await?;
    println!("half load: {:.0} requests/s, {}", half.rate(), half.latency());
    for (name, latency) in half.by_kind() {
        println!("  {name}: {latency}");
    }
    Ok(())
}
