//! Measures live delivery. First what a change costs that concerns none of many sleeping listeners; then, over
//! real sockets on loopback, the time from a change's commit to each listener that wants it. Listeners and server
//! share this process and its cores.
//!
//! Bounded: a fixed number of listeners and changes, and a time limit.

mod cost;
mod history;
mod listeners;

use clap::Parser;
use history::{History, Shown};
use nexus_delivery::{Limits, Tail};
use nexus_runtime::CancellationToken;
use std::{error::Error, sync::Arc, time::Duration};

/// Measures live delivery.
#[derive(Clone, Debug, Parser)]
#[command(name = "nexus-bench-live", version)]
struct Arguments {
    /// Listeners over sockets: every other one by SSE, the rest by WebSocket.
    #[arg(long, default_value_t = 1_000)]
    listeners: usize,
    /// Authors; each listener follows one, each change is by one in turn.
    #[arg(long, default_value_t = 100)]
    authors: usize,
    /// Changes.
    #[arg(long, default_value_t = 2_000)]
    changes: u64,
    /// Changes a second.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Numbers of sleeping listeners for the first part.
    #[arg(long, value_delimiter = ',', default_value = "0,1000,10000,100000")]
    sleeping: Vec<usize>,
}

type Failure = Box<dyn Error + Send + Sync>;

/// A tail over an empty history, without bounds on listeners.
async fn tail() -> Result<(Arc<History>, Tail), Failure> {
    let history = Arc::new(History::default());
    let limits = Limits { sessions: usize::MAX, sessions_per_client: usize::MAX, ..Limits::default() };
    let tail = Tail::open(history.clone(), Arc::new(Shown), limits).await?;
    Ok((history, tail))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    for sleeping in &arguments.sleeping {
        let cost = cost::of_a_change(*sleeping).await?;
        println!("{sleeping} sleeping listeners: {:.2} µs for a change that concerns none", cost.as_secs_f64() * 1e6);
    }
    let (history, tail) = tail().await?;
    let stop = CancellationToken::new();
    let following = tokio::spawn(tail.clone().run(stop.clone()));
    let limit = Duration::from_secs(60 + arguments.changes / u64::from(arguments.rate));
    let report = tokio::time::timeout(limit, listeners::measure(&arguments, &history, tail)).await??;
    println!("{report}");
    stop.cancel();
    following.await??;
    Ok(())
}
