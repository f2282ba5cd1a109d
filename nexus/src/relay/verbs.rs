//! The relay's verbs: what can be typed, and who does it. All of them have the store to themselves.

mod lines;
mod peers;

use super::open_store;
use crate::{
    datadir::DataDir,
    db::{agreed, confirm, must_exist},
    failure::{Exit, Failure, Outcome},
    settings::{Service, Settings},
};
use clap::{Args, Subcommand};
use nexus_nostr::{Filter, Seconds, SigningKey};
use nexus_relay::market;
use nexus_relay_server::{
    adapters::NativeRuntime,
    transfer::{self, OfflineRelay, offline},
};
use nexus_runtime::Clock;
use nexus_sqlite::relay::SqliteStorage;
use std::{num::NonZero, path::PathBuf, sync::Arc};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Runs the relay alone.
    Run,
    /// Reads events from lines of JSON. Lines that are left out are told and counted, the rest goes on.
    Import(Import),
    /// Writes events as lines of JSON, the oldest first.
    Export(Export),
    /// Prints the events that match a filter, the newest first.
    Scan {
        /// The filter, as JSON.
        #[arg(value_parser = filter)]
        filter: Box<Filter>,
    },
    /// Counts the events that match a filter.
    Count {
        /// The filter, as JSON.
        #[arg(default_value = "{}", value_parser = filter)]
        filter: Box<Filter>,
    },
    /// Removes events.
    Delete(Delete),
    /// Merges what can be merged, and gives room back to the disk.
    Compact,
    /// The market for jobs.
    #[command(subcommand)]
    Market(Market),
    /// Makes a secret key, and prints it with its public key.
    Keygen,
    /// Brings this relay and another one level, once.
    Mirror(Mirror),
    /// Follows other relays without serving anybody.
    Router {
        /// A file with `[[streams]]` as in the configuration, which is read again when it is changed. Without
        /// one, `relay.streams`.
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Where from; `-` is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Skips the check of ids and signatures: for a dump of one's own.
    #[arg(long)]
    no_verify: bool,
    /// Takes events that only their author may publish.
    #[arg(long)]
    allow_protected: bool,
    /// Lines that are taken in together.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Where to; `-` is standard output.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Only events that match this filter, as JSON.
    #[arg(long, default_value = "{}", value_parser = filter)]
    filter: Box<Filter>,
    /// Only events not written before, in seconds since 1970.
    #[arg(long)]
    since: Option<i64>,
    /// Only events not written after, in seconds since 1970.
    #[arg(long)]
    until: Option<i64>,
    /// The newest first.
    #[arg(long)]
    reverse: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Events that match this filter, as JSON.
    #[arg(long, value_parser = filter, required_unless_present = "age")]
    filter: Option<Box<Filter>>,
    /// Events older than so many seconds.
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..))]
    age: Option<i64>,
    /// Only says how many there are.
    #[arg(long)]
    dry_run: bool,
    /// Does not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Market {
    /// Makes the jobs again from stored events.
    Rebuild,
}

#[derive(Debug, Args)]
pub(crate) struct Mirror {
    /// The other relay, ws:// or wss://.
    url: String,
    /// Only events that match this filter, as JSON. Without kinds, nothing private goes either way.
    #[arg(long, default_value = "{}", value_parser = filter)]
    filter: Box<Filter>,
    /// From there (down), to there (up), or both.
    #[arg(long, value_enum, default_value_t = Way::Down)]
    dir: Way,
    /// Takes events that only their author may publish.
    #[arg(long)]
    allow_protected: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Way {
    Down,
    Up,
    Both,
}

impl Verb {
    /// True if it is only another way to say that the relay runs.
    pub(crate) const fn runs(&self) -> bool {
        matches!(self, Self::Run)
    }
}

fn filter(text: &str) -> Result<Box<Filter>, String> {
    Filter::parse(text).map(Box::new).map_err(|error| error.to_string())
}

/// Carries out a verb.
pub(crate) fn run(settings: &Settings, verb: &Verb) -> Outcome {
    if matches!(verb, Verb::Keygen) {
        return keygen();
    }
    if matches!(verb, Verb::Export(_) | Verb::Scan { .. } | Verb::Count { .. }) {
        must_exist(settings, Service::Relay)?;
    }
    let _data = DataDir::take(&settings.server.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("nexus").enable_all().build()?;
    runtime.block_on(carry_out(settings, verb))
}

async fn carry_out(settings: &Settings, verb: &Verb) -> Outcome {
    let store = Arc::new(open_store(settings)?);
    let now = Seconds::from(Clock::system().now());
    match verb {
        Verb::Run | Verb::Keygen => Ok(()),
        Verb::Import(import) => lines::import(&Arc::new(relay(settings, &store).await?), import).await,
        Verb::Export(export) => lines::export(&store, export, now).await,
        Verb::Scan { filter } => lines::scan(&store, filter, now).await,
        Verb::Count { filter } => {
            println!("{}", transfer::count(&*store, filter, now).await?);
            Ok(())
        }
        Verb::Delete(delete) => remove(&store, delete, now).await,
        Verb::Compact => compact(settings, &store),
        Verb::Market(Market::Rebuild) => {
            let rebuilt = market::rebuild(&*store).await?;
            println!("{} events were read, {} jobs were changed", rebuilt.events, rebuilt.changed);
            Ok(())
        }
        Verb::Mirror(mirror) => peers::mirror(settings, &relay(settings, &store).await?, mirror).await,
        Verb::Router { file } => peers::router(settings, relay(settings, &store).await?, file.as_deref()).await,
    }
}

/// The relay with its rules, which serves nobody.
async fn relay(settings: &Settings, store: &Arc<SqliteStorage>) -> Outcome<OfflineRelay<SqliteStorage>> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = NativeRuntime::start(Clock::system(), threads)?;
    Ok(offline(Arc::clone(store), runtime, settings.relay.settings()).await?)
}

fn keygen() -> Outcome {
    let mut bytes = [0; 32];
    let key = loop {
        // All but a handful of numbers are keys.
        fill(&mut bytes)?;
        if let Ok(key) = SigningKey::from_bytes(bytes) {
            break key;
        }
    };
    println!("secret  {}", hex(&bytes));
    println!("public  {}", key.public_key());
    eprintln!("`relay.secret_key` takes the first; whoever has it can speak for the relay");
    Ok(())
}

/// Random bytes that nobody can guess.
fn fill(bytes: &mut [u8]) -> Outcome {
    use std::io::Read as _;
    Ok(std::fs::File::open("/dev/urandom")?.read_exact(bytes)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn remove(store: &SqliteStorage, delete: &Delete, now: Seconds) -> Outcome {
    let mut filter = delete.filter.as_deref().cloned().unwrap_or_default();
    if let Some(age) = delete.age {
        let newest = now.plus(-age);
        filter = filter.clone().with_until(filter.until().map_or(newest, |until| until.min(newest)));
    }
    let count = transfer::would_remove(store, &filter).await?;
    println!("{count} events match {}", filter.to_json());
    if delete.dry_run || count == 0 {
        return Ok(());
    }
    confirm(agreed(delete.yes))?;
    println!("{} events were removed", transfer::remove(store, &filter).await?);
    Ok(())
}

fn compact(settings: &Settings, store: &SqliteStorage) -> Outcome {
    let before = store.database().size()?;
    store.compact()?;
    let after = store.database().size()?;
    println!("{}: {before} bytes before, {after} now", settings.relay_database().display());
    Ok(())
}

/// Fails if something was left out, as scripts want to know.
fn nothing_left_out(count: u64, what: &str) -> Outcome {
    if count == 0 { Ok(()) } else { Err(Failure::new(Exit::Failed, format!("{count} {what}"))) }
}
