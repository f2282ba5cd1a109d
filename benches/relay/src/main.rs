//! Measures a Nostr relay from outside, over its WebSocket: any relay, so that two can be compared in the same
//! run. It shares no code with the relay service on purpose: a fault in our codec must not hide here. Only `store`
//! and `match` measure our own code: the relay's store and its live index, without sockets.
//!
//! Everything is bounded: each command sends a fixed number of events or runs for a fixed time, and ends.

mod connection;
mod events;
mod fanout;
mod idle;
mod ingest;
mod lines;
mod matching;
mod paced;
mod query;
mod report;
mod sample;
mod store;

use clap::{Parser, Subcommand};
use connection::Failure;

/// Measures a Nostr relay over its WebSocket.
#[derive(Debug, Parser)]
#[command(name = "nexus-bench-relay", version)]
struct Arguments {
    /// The relay, for instance ws://127.0.0.1:8080.
    #[arg(long, global = true, default_value = "ws://127.0.0.1:8080")]
    url: String,
    /// Another seed makes other keys and events: use a new one to send new events to the same relay.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends new events as fast as the relay acknowledges them (closed loop).
    Ingest(ingest::Options),
    /// Sends events at a fixed rate, whatever the relay does (open loop), and measures the time to OK.
    Paced(paced::Options),
    /// Sends queries one after the other and measures the time to EOSE.
    Query(query::Options),
    /// Opens many subscriptions, sends events that each match one, and measures the time to delivery.
    Fanout(fanout::Options),
    /// Files subscriptions in the live index, without a relay, and measures the time to find those that want an event.
    Match(matching::Options),
    /// Opens connections that then say nothing, holds them, and reads a process's memory.
    Idle(idle::Options),
    /// Writes events as lines of JSON to standard output, to be imported.
    Lines(lines::Options),
    /// Stores events in the relay's own store, without a relay, and asks it.
    Store(store::Options),
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let Arguments { url, seed, command } = Arguments::parse();
    match command {
        Command::Ingest(options) => ingest::run(&url, seed, &options).await,
        Command::Paced(options) => paced::run(&url, seed, &options).await,
        Command::Query(options) => query::run(&url, seed, &options).await,
        Command::Fanout(options) => fanout::run(&url, seed, &options).await,
        Command::Match(options) => {
            matching::run(seed, &options);
            Ok(())
        }
        Command::Idle(options) => idle::run(&url, &options).await,
        Command::Lines(options) => lines::run(seed, &options),
        Command::Store(options) => store::run(seed, &options).await,
    }
}
