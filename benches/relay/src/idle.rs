//! Connections that say nothing: opens them, holds them, and reads how much memory the relay's process takes.

use crate::connection::{Connection, Failure};
use std::time::Duration;

/// What to open.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Connections to hold open.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Subscriptions on each.
    #[arg(long, default_value_t = 5)]
    subscriptions: usize,
    /// The relay's process id, to read its memory before and after.
    #[arg(long)]
    pid: Option<u32>,
    /// How long to hold them, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Opens, holds and prints the memory that each connection takes.
pub(crate) async fn run(url: &str, options: &Options) -> Result<(), Failure> {
    let before = options.pid.and_then(resident);
    let mut open = Vec::with_capacity(options.connections);
    for n in 0..options.connections {
        let mut connection = Connection::open(url).await?;
        for s in 0..options.subscriptions {
            // No kind that strangers may not read: the relay would refuse it.
            let filter = format!("{{\"kinds\":[{}],\"#p\":[\"{:064x}\"],\"limit\":0}}", 1_000 + s, n * 100 + s);
            connection.send(format!(r#"["REQ","s{s}",{filter}]"#)).await?;
            connection.next_of("EOSE").await?;
        }
        open.push(connection);
    }
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    println!("idle: {} connections with {} subscriptions each are open", open.len(), options.subscriptions);
    if let (Some(before), Some(after)) = (before, options.pid.and_then(resident)) {
        let each = after.saturating_sub(before) as f64 / open.len().max(1) as f64;
        println!("resident memory: {before} KiB before, {after} KiB now, {each:.1} KiB a connection");
    }
    Ok(())
}

/// Resident memory of a process in KiB, where the system tells it.
fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
