//! Serves a synthetic AT Protocol network, or drives a sync service that reads one and measures it.

mod drive;
mod fill;
mod setting;

use clap::{Parser, Subcommand};
use nexus_bench_sync::{Network, Server, Size};
use std::{error::Error, io::Write, sync::Arc, time::Instant};

/// Serves a synthetic AT Protocol network, or measures a sync service over it.
#[derive(Debug, Parser)]
#[command(name = "nexus-bench-sync", version)]
enum Arguments {
    /// Signs a network, then serves PLC, PDS and firehose on one loopback port until it is ended.
    Serve {
        #[command(flatten)]
        size: Size,
        /// The port; 0 takes a free one.
        #[arg(long, default_value_t = 2_583)]
        port: u16,
    },
    #[command(flatten)]
    Drive(Drive),
}

#[derive(Debug, Subcommand)]
enum Drive {
    /// Adds every repo of a served network to a sync service, reads its channel with acks, and measures.
    Drive(drive::Options),
    /// The same without a consumer: measures until every record is durable.
    Fill(fill::Options),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Only fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Arguments::parse() {
        Arguments::Serve { size, port } => serve(size, port).await,
        Arguments::Drive(Drive::Drive(options)) => Ok(drive::run(&options).await?),
        Arguments::Drive(Drive::Fill(options)) => Ok(fill::run(&options).await?),
    }
}

async fn serve(size: Size, port: u16) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let network = Arc::new(Network::build(size)?);
    let commits = network.commits();
    let server = Server::start(network, port).await?;
    let line = serde_json::json!({
        "origin": format!("http://{}", server.address()),
        "repos": size.repos + usize::from(size.large > 0),
        "commits": commits,
        "signed_in_seconds": started.elapsed().as_secs_f64(),
    });
    println!("{line}");
    std::io::stdout().flush()?;
    server.finish().await;
    Ok(())
}
