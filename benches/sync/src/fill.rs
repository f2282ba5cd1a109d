//! The backfill alone: adds the repos, connects no consumer, and waits until every record is durable.

use crate::setting::{Failure, Setting};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Time between two looks at how much is there.
const LOOK: Duration = Duration::from_millis(20);

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    setting: Setting,
    /// Records to expect.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
}

#[derive(Deserialize)]
struct Stored {
    record_count: u64,
}

/// Runs it and prints the rate.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let http = reqwest::Client::new();
    let setting = &options.setting;
    let dids = setting.every_did(&http).await?;
    let started = Instant::now();
    setting.add(&http, &dids).await?;
    let url = format!("http://{}/stats/record-count", setting.service);
    let (mut records, mut grew) = (0, Instant::now());
    while records < options.records {
        tokio::time::sleep(LOOK).await;
        let Stored { record_count } = http.get(&url).send().await?.error_for_status()?.json().await?;
        if record_count > records {
            (records, grew) = (record_count, Instant::now());
        } else if grew.elapsed() > Duration::from_secs(setting.patience) {
            return Err(Failure::Stuck(records));
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("backfill: {records} records durable in {seconds:.2} s, {:.0}/s", records as f64 / seconds);
    Ok(())
}
