//! Events as lines of JSON, to and from files.

use super::{Export, Import, nothing_left_out};
use crate::{failure::Outcome, lines, progress::reading};
use nexus_nostr::{Filter, Seconds};
use nexus_relay::Protected;
use nexus_relay_server::transfer::{self, Checked, ImportOptions, Offline, OfflineRelay, Order};
use nexus_sqlite::relay::SqliteStorage;
use std::{
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::Arc,
};

/// Lines that are told of one by one when they are left out; further ones are only counted.
const TOLD: u64 = 100;

pub(super) async fn import(relay: &Arc<OfflineRelay<SqliteStorage>>, arguments: &Import) -> Outcome {
    let options = ImportOptions {
        checked: if arguments.no_verify { Checked::Before } else { Checked::Here },
        protected: if arguments.allow_protected { Protected::Taken } else { Protected::Refused },
        batch: arguments.batch as usize,
    };
    let mut told = 0;
    let tell = |number: u64, why: &str| {
        told += 1;
        match told {
            1..=TOLD => eprintln!("line {number}: {why}"),
            _ if told == TOLD + 1 => eprintln!("further lines that are left out are only counted"),
            _ => {}
        }
    };
    let summary = transfer::import::<Offline<SqliteStorage>>(relay, input(&arguments.file)?, options, tell).await?;
    eprintln!("{} lines were read: {} new events, {} known", summary.lines, summary.new, summary.known);
    if summary.unreadable > 0 {
        eprintln!("{} were no events", summary.unreadable);
    }
    for (reason, count) in &summary.refused {
        eprintln!("{count} were refused: {reason}");
    }
    nothing_left_out(summary.left_out(), "lines were left out")
}

fn input(path: &Path) -> Outcome<Box<dyn BufRead + Send>> {
    if lines::is_standard(path) {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = lines::open(path)?;
    let length = file.metadata()?.len();
    Ok(Box::new(BufReader::new(reading("reading", length, file))))
}

pub(super) async fn export(store: &SqliteStorage, arguments: &Export, now: Seconds) -> Outcome {
    let mut filter = Filter::clone(&arguments.filter);
    if let Some(since) = arguments.since {
        filter = filter.with_since(Seconds::new(since));
    }
    if let Some(until) = arguments.until {
        filter = filter.with_until(Seconds::new(until));
    }
    let order = if arguments.reverse { Order::Descending } else { Order::Ascending };
    let written = match lines::is_standard(&arguments.file) {
        true => write(store, &filter, order, now, io::stdout()).await?,
        false => write(store, &filter, order, now, lines::create(&arguments.file)?).await?,
    };
    eprintln!("{written} events were written");
    Ok(())
}

pub(super) async fn scan(store: &SqliteStorage, filter: &Filter, now: Seconds) -> Outcome {
    write(store, filter, Order::Descending, now, io::stdout()).await.map(drop)
}

async fn write(store: &SqliteStorage, filter: &Filter, order: Order, now: Seconds, to: impl Write) -> Outcome<u64> {
    let mut to = BufWriter::new(to);
    let written = transfer::export(store, filter, order, now, &mut to).await?;
    to.flush()?;
    Ok(written)
}
