//! The fake homeserver as a process of its own, for benchmarks: fills a log, prints its URL, and serves until it
//! is ended.

use clap::Parser;
use nexus_fake_homeserver::{FakeHomeserver, Network, Plan};
use std::net::SocketAddr;

/// A homeserver's reading side with a made-up network. Anybody may write to it; nothing is kept.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Entries of the log.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Users among whom they are spread.
    #[arg(long, default_value_t = 5_000)]
    users: usize,
    /// Chooses among all networks of this size.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main(worker_threads = 1)]
async fn main() -> std::io::Result<()> {
    let Arguments { bind, events, users, seed } = Arguments::parse();
    let homeserver = FakeHomeserver::start_on(bind).await?;
    if events > 0 {
        homeserver.load(&Network::generate(Plan { events, users, seed }));
    }
    println!("{}", homeserver.url());
    tokio::signal::ctrl_c().await
}
