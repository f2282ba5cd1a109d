//! Other relays: brought level once, or followed until somebody ends it.

use super::{Mirror, Way};
use crate::{
    failure::{Exit, Failure, Outcome},
    settings::Settings,
};
use nexus_journal::Head;
use nexus_relay::Protected;
use nexus_relay_server::{
    config::Stream,
    mirror::{Direction, Link, LinkOptions, Method, Router, SyncOptions, sync},
    transfer::{Offline, OfflineRelay},
};
use nexus_runtime::Clock;
use nexus_sqlite::relay::SqliteStorage;
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long another relay may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two looks at the file of streams.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn mirror(settings: &Settings, relay: &OfflineRelay<SqliteStorage>, arguments: &Mirror) -> Outcome {
    let direction = match arguments.dir {
        Way::Down => Direction::Down,
        Way::Up => Direction::Up,
        Way::Both => Direction::Both,
    };
    let protected = if arguments.allow_protected { Protected::Taken } else { Protected::Refused };
    let options = SyncOptions { filter: nexus_nostr::Filter::clone(&arguments.filter), direction, protected };
    let mut link = Link::connect(&arguments.url, link(settings)?).await?;
    let report = sync::<Offline<SqliteStorage>>(relay, &mut link, &options).await?;
    let method = match report.method {
        Method::Negentropy => "by negentropy",
        Method::Paging => "page by page",
    };
    println!("{} compared {method}", arguments.url);
    println!("{} events came, {} were refused here", report.new, report.refused);
    println!("{} events went, {} were refused there", report.sent.taken, report.sent.refused);
    Ok(())
}

fn link(settings: &Settings) -> Outcome<LinkOptions> {
    Ok(LinkOptions { key: settings.relay.own_key()?, patience: PATIENCE, clock: Clock::system() })
}

/// The file of streams.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Streams {
    #[serde(default)]
    streams: Vec<Stream>,
}

pub(super) async fn router(settings: &Settings, relay: OfflineRelay<SqliteStorage>, file: Option<&Path>) -> Outcome {
    let first = match file {
        Some(file) => read(file)?,
        None => settings.relay.streams.to_vec(),
    };
    if first.is_empty() {
        return Err(Failure::new(Exit::Usage, "there are no streams: set `relay.streams`, or name a file"));
    }
    let head = Arc::new(Head::new(relay.delivered()));
    let told = head.clone();
    let relay = Arc::new(relay.with_observer(Box::new(move |seq| told.advance(seq))));
    let (streams, changed) = watch::channel(to_mirror(&first));
    let stop = CancellationToken::new();
    let router = Router::<Offline<SqliteStorage>>::new(relay, head.watch(), link(settings)?);
    let running = tokio::spawn(router.run(changed, stop.clone()));
    println!("follows {} streams", first.len());
    tokio::select! {
        ended = signal() => ended?,
        () = look(file.map(Path::to_owned), &streams) => {}
    }
    stop.cancel();
    running.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    Ok(())
}

/// Waits until somebody wants this to end.
async fn signal() -> Outcome {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Passes changes of the file on, for ever. A file that is wrong leaves everything as it is.
async fn look(file: Option<PathBuf>, streams: &watch::Sender<Vec<nexus_relay_server::mirror::Stream>>) {
    let Some(file) = file else { return std::future::pending().await };
    let mut known = changed_at(&file);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = changed_at(&file);
        if now == known {
            continue;
        }
        known = now;
        match read(&file) {
            Ok(read) => {
                println!("follows {} streams", read.len());
                // The router is there as long as this runs.
                streams.send_replace(to_mirror(&read));
            }
            Err(failure) => eprintln!("nexus: {failure}; nothing is changed"),
        }
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|meta| meta.modified()).ok()
}

fn read(file: &Path) -> Outcome<Vec<Stream>> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    toml::from_str::<Streams>(&text).map(|read| read.streams).map_err(|error| failed(&error))
}

fn to_mirror(streams: &[Stream]) -> Vec<nexus_relay_server::mirror::Stream> {
    streams.iter().map(Stream::to_mirror).collect()
}
