//! A consumer with acks: adds the repos, counts the backfill, releases the firehose, counts the live events.

use crate::setting::{Failure, Setting};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use std::{
    borrow::Cow,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    setting: Setting,
    /// Historical record events to expect.
    #[arg(long, default_value_t = 1_000_000)]
    historical: usize,
    /// Live record events to expect after that.
    #[arg(long, default_value_t = 100_000)]
    live: usize,
}

#[derive(Deserialize)]
struct Event<'a> {
    id: u64,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

type Channel = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Runs both parts and prints their rates.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let setting = &options.setting;
    let http = reqwest::Client::new();
    let dids = setting.every_did(&http).await?;
    let mut channel = open(&setting.service).await?;
    let started = Instant::now();
    setting.add(&http, &dids).await?;
    count(&mut channel, options.historical, setting.patience).await?;
    report("backfill", options.historical, started.elapsed());
    http.post(format!("{}/bench/release", setting.network)).send().await?.error_for_status()?;
    let started = Instant::now();
    count(&mut channel, options.live, setting.patience).await?;
    report("live", options.live, started.elapsed());
    Ok(())
}

fn report(part: &str, events: usize, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    println!("{part}: {events} record events delivered and acked in {seconds:.2} s, {:.0}/s", events as f64 / seconds);
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
