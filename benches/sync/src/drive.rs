//! A consumer with acks: adds the repos, counts the backfill, releases the firehose, counts the live events.

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use std::{
    borrow::Cow,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where the network is served.
    #[arg(long, default_value = "http://127.0.0.1:2583")]
    network: String,
    /// The sync service, as host:port.
    #[arg(long, default_value = "127.0.0.1:2480")]
    service: String,
    /// Historical record events to expect.
    #[arg(long, default_value_t = 1_000_000)]
    historical: usize,
    /// Live record events to expect after that.
    #[arg(long, default_value_t = 100_000)]
    live: usize,
    /// Give up when nothing arrives for this long, in seconds.
    #[arg(long, default_value_t = 60)]
    patience: u64,
}

/// Why the measurement ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("an HTTP request failed: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the service can't be reached: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the channel broke: {0}")]
    Broken(#[from] tungstenite::Error),
    #[error("the channel closed after {0} events")]
    Closed(usize),
    #[error("nothing arrived for too long, after {0} events")]
    Silent(usize),
    #[error("nothing became durable for too long, after {0} records")]
    Stuck(u64),
    #[error("an event can't be read: {0}")]
    Event(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Event<'a> {
    id: u64,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Listing {
    cursor: Option<String>,
    repos: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    did: String,
}

type Channel = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Runs both parts and prints their rates.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let http = reqwest::Client::new();
    let dids = every_did(&http, &options.network).await?;
    let mut channel = open(&options.service).await?;
    let started = Instant::now();
    add(&http, &options.service, &dids).await?;
    count(&mut channel, options.historical, options.patience).await?;
    report("backfill", options.historical, started.elapsed());
    http.post(format!("{}/bench/release", options.network)).send().await?.error_for_status()?;
    let started = Instant::now();
    count(&mut channel, options.live, options.patience).await?;
    report("live", options.live, started.elapsed());
    Ok(())
}

/// Has the service track every repo.
pub(crate) async fn add(http: &reqwest::Client, service: &str, dids: &[String]) -> Result<(), Failure> {
    for chunk in dids.chunks(1_000) {
        let url = format!("http://{service}/repos/add");
        http.post(url).json(&json!({"dids": chunk})).send().await?.error_for_status()?;
    }
    Ok(())
}

fn report(part: &str, events: usize, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    println!("{part}: {events} record events delivered and acked in {seconds:.2} s, {:.0}/s", events as f64 / seconds);
}

/// Every repo of the network.
pub(crate) async fn every_did(http: &reqwest::Client, network: &str) -> Result<Vec<String>, Failure> {
    let mut dids = Vec::new();
    let mut cursor = String::from("0");
    loop {
        let url = format!("{network}/xrpc/com.atproto.sync.listRepos?limit=1000&cursor={cursor}");
        let page: Listing = http.get(url).send().await?.error_for_status()?.json().await?;
        dids.extend(page.repos.into_iter().map(|repo| repo.did));
        match page.cursor {
            Some(next) => cursor = next,
            None => return Ok(dids),
        }
    }
}

async fn open(service: &str) -> Result<Channel, Failure> {
    let stream = TcpStream::connect(service).await?;
    stream.set_nodelay(true)?;
    let request = format!("ws://{service}/channel").into_client_request()?;
    Ok(client_async(request, MaybeTlsStream::Plain(stream)).await?.0)
}

/// Reads until `expected` record events have arrived, and acks each event. Acks leave as soon as nothing more is
/// ready to be read.
async fn count(channel: &mut Channel, expected: usize, patience: u64) -> Result<(), Failure> {
    let mut seen = 0;
    while seen < expected {
        let message = match channel.next().now_or_never() {
            Some(message) => message,
            None => {
                channel.flush().await?;
                let next = timeout(Duration::from_secs(patience), channel.next()).await;
                next.map_err(|_| Failure::Silent(seen))?
            }
        };
        let Message::Text(text) = message.ok_or(Failure::Closed(seen))?? else { continue };
        let event: Event<'_> = serde_json::from_str(&text)?;
        seen += usize::from(event.kind == "record");
        channel.feed(Message::text(format!(r#"{{"type":"ack","id":{}}}"#, event.id))).await?;
    }
    Ok(channel.flush().await?)
}
