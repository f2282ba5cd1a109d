//! The store alone, without sockets and signatures: how many events a second become durable as it grows, and how
//! long questions take. Unlike the other measurements this one is of our own code.

use crate::{
    connection::Failure,
    events::{self, Prepared},
    query::Shape,
    report::{Sample, rate},
    sample::Known,
};
use fastrand::Rng;
use nexus_model::Verified;
use nexus_nostr::{Event, EventId, Filter, Seconds};
use nexus_relay::ports::{Outcome, PreparedEvent, Scope, StorageAdapter, Viewer};
use nexus_sqlite::{
    Durability,
    relay::{Settings, SqliteStorage},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// What to store and ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The store's file. It is made if there is none.
    #[arg(long, default_value = "relay-bench.db")]
    path: PathBuf,
    /// Events to store in all, of which the speed is printed ten times.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// Tasks that store at the same time.
    #[arg(long, default_value_t = 8)]
    tasks: usize,
    /// Events that each task stores at once, waiting until they are durable.
    #[arg(long, default_value_t = 50)]
    batch: usize,
    /// Questions of each shape.
    #[arg(long, default_value_t = 1_000)]
    samples: usize,
}

/// Stores, asks, and prints.
pub(crate) async fn run(seed: u64, options: &Options) -> Result<(), Failure> {
    let opened = Instant::now();
    let store = Arc::new(open(&options.path)?);
    println!("opened in {:.2} s", opened.elapsed().as_secs_f64());
    let step = options.events.div_ceil(10);
    for part in 0..10 {
        // Each part is a network of its own, so that not all of it must be in memory. Authors are the same.
        let prepared = events::part(seed, options.events, part * step..((part + 1) * step).min(options.events));
        ingest(&store, &prepared, options).await?;
        if part == 9 {
            duplicates(&store, &prepared, options).await?;
            ask(&store, seed, &prepared, options).await?;
        }
    }
    sizes(&options.path)
}

fn open(path: &Path) -> Result<SqliteStorage, Failure> {
    SqliteStorage::open_with(path, Settings::new(Durability::Full)).map_err(Failure::store)
}

/// Stores what is new.
async fn ingest(store: &Arc<SqliteStorage>, prepared: &[Prepared], options: &Options) -> Result<(), Failure> {
    let events = parse(prepared);
    let (started, worked) = (Instant::now(), processor_time());
    let latencies = store_all(store, events, options).await?;
    let (elapsed, worked) = (started.elapsed(), processor_time().saturating_sub(worked));
    let last = store.last_seq().await.map_err(Failure::store)?;
    println!(
        "ingest: {:.0} events/s durable, {:.0} µs of processor time each, batch {}, at {last}",
        rate(prepared.len(), elapsed),
        worked.as_secs_f64() * 1e6 / prepared.len() as f64,
        Sample::new(latencies)
    );
    Ok(())
}

/// Asks for ids that are stored, as a relay does before it verifies, and stores them once more.
async fn duplicates(store: &Arc<SqliteStorage>, prepared: &[Prepared], options: &Options) -> Result<(), Failure> {
    let started = Instant::now();
    for event in prepared {
        let id: EventId = event.id.parse().map_err(Failure::store)?;
        assert!(store.event_exists(&id).await.map_err(Failure::store)?, "{} was stored", event.id);
    }
    println!("duplicates looked up: {:.0} events/s, one after the other", rate(prepared.len(), started.elapsed()));
    let events = parse(prepared);
    let started = Instant::now();
    store_all(store, events, options).await?;
    println!("duplicates stored again: {:.0} events/s", rate(prepared.len(), started.elapsed()));
    Ok(())
}

fn parse(prepared: &[Prepared]) -> Vec<PreparedEvent> {
    let parse = |event: &Prepared| Event::parse(event.json()).expect("the network's events are events");
    let now = Seconds::new(i64::try_from(events::unix_seconds()).unwrap_or(i64::MAX));
    prepared.iter().map(|event| PreparedEvent::new(Verified::by_operator(parse(event)), now, None)).collect()
}

async fn store_all(
    store: &Arc<SqliteStorage>,
    events: Vec<PreparedEvent>,
    options: &Options,
) -> Result<Vec<Duration>, Failure> {
    let share = events.len().div_ceil(options.tasks).max(1);
    let tasks: Vec<_> = events
        .chunks(share)
        .map(|share| {
            let (store, share, batch) = (store.clone(), share.to_vec(), options.batch.max(1));
            tokio::spawn(async move {
                let mut times = Vec::new();
                for batch in share.chunks(batch) {
                    let started = Instant::now();
                    let outcomes = store.store_batch(batch.to_vec()).await.map_err(Failure::store)?;
                    let is_kept = |outcome: &Outcome| matches!(outcome, Outcome::Stored(_) | Outcome::Duplicate);
                    assert!(outcomes.iter().all(is_kept), "every event is kept");
                    times.push(started.elapsed());
                }
                Ok::<_, Failure>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}

/// Asks each shape of question, one after the other.
async fn ask(store: &SqliteStorage, seed: u64, stored: &[Prepared], options: &Options) -> Result<(), Failure> {
    let settled = Instant::now();
    store.compact().map_err(Failure::store)?;
    println!("index settled in {:.2} s", settled.elapsed().as_secs_f64());
    let (known, mut dice) = (Known::of(stored), Rng::with_seed(seed.wrapping_add(99)));
    let scope = Scope { viewer: Viewer::Client(Vec::new()), ..Scope::operator() };
    for shape in Shape::ALL {
        let texts: Vec<String> = (0..options.samples).map(|_| shape.filter(&known, &mut dice)).collect();
        let (mut times, mut rows) = (Vec::with_capacity(options.samples), 0);
        for text in &texts {
            let filter = Filter::parse(text).map_err(Failure::store)?;
            let filter = filter.clone().with_limit(filter.limit().unwrap_or(500));
            let started = Instant::now();
            let page = store.query(&[filter], &scope).await.map_err(Failure::store)?;
            times.push(started.elapsed());
            rows += page.events.len();
        }
        let average = rows as f64 / options.samples.max(1) as f64;
        println!("query {}: {}, {average:.1} events each", shape.name(), Sample::new(times));
    }
    count(store, &scope).await
}

/// Counts everything, and lists the ids of everything, as a negotiation does.
async fn count(store: &SqliteStorage, scope: &Scope) -> Result<(), Failure> {
    let started = Instant::now();
    let count = store.count(&[Filter::new()], u64::MAX, None, scope).await.map_err(Failure::store)?;
    println!("count of all {}: {:.1} ms", count.count, started.elapsed().as_secs_f64() * 1_000.0);
    let started = Instant::now();
    let ids = store.ids(&Filter::new(), 100_000, scope).await.map_err(Failure::store)?;
    println!("ids of {}: {:.1} ms", ids.len(), started.elapsed().as_secs_f64() * 1_000.0);
    Ok(())
}

/// What this process has worked since it began, in hundredths of a second. Zero where there is no `/proc`.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn sizes(path: &Path) -> Result<(), Failure> {
    let mut index = path.as_os_str().to_owned();
    index.push("-index");
    let files = std::fs::read_dir(index)?.collect::<Result<Vec<_>, _>>()?;
    let index: u64 = files.iter().filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum();
    let rows = std::fs::metadata(path)?.len();
    println!(
        "on disk: {:.0} MB of rows, {:.0} MB of index in {} files",
        rows as f64 / 1e6,
        index as f64 / 1e6,
        files.len()
    );
    Ok(())
}
