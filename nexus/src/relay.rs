//! The relay's store, picked and opened, and the service over it.

pub(crate) mod verbs;

use crate::{
    failure::{Exit, Failure, Outcome},
    run::Mount,
    settings::{Service as Name, Settings},
};
use nexus_relay_server::{
    config::StorageKind,
    service::{Parts, Service},
};
use nexus_runtime::Clock;
use nexus_sqlite::{
    Database, Durability, Options,
    relay::{Examined, Patience, Queues, Recent, Settings as StoreSettings, SqliteStorage, examine},
};
use std::{collections::BTreeSet, num::NonZero, path::Path, sync::Arc};

/// Opens the store.
pub(crate) fn open_store(settings: &Settings) -> Outcome<SqliteStorage> {
    let StorageKind::Sqlite = settings.relay.storage.kind;
    let path = settings.relay_database();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let storage = &settings.relay.storage;
    let store = StoreSettings {
        options: Options { readers: storage.readers.count(), ..Options::new(Durability::Full) },
        recent: Recent { flush: storage.recent.get(), max: storage.recent_most.get() },
        near: usize::try_from(storage.near.get()).unwrap_or(usize::MAX),
        queues: Queues {
            calls: storage.queue.count(),
            group: storage.group.count(),
            questions: storage.queries.count(),
        },
        patience: Patience { slice: storage.query_slice.duration(), total: storage.query_time.duration() },
    };
    SqliteStorage::open_with(&path, store).map_err(|error| {
        let told = nexus_runtime::told(&error);
        Failure::new(Exit::Failed, format!("can't open {}: {told}", path.display()))
    })
}

/// Says what is wrong with the database and its index, which another process may use meanwhile, and what to do.
pub(crate) fn check(settings: &Settings) -> Outcome {
    let path = settings.relay_database();
    let Examined { faults, notes } = examine(&path)?;
    notes.iter().for_each(|note| println!("{note}"));
    if faults.is_empty() {
        println!("nothing is wrong with it");
        return Ok(());
    }
    faults.iter().for_each(|fault| println!("{fault}"));
    let remedies: BTreeSet<_> = faults.iter().map(|fault| fault.remedy(&path)).collect();
    remedies.iter().for_each(|remedy| println!("what to do: {remedy}"));
    Err(Failure::new(Exit::Failed, format!("{} things are wrong with the database", faults.len())))
}

/// Copies the database, which another process may use meanwhile.
pub(crate) fn backup(settings: &Settings, to: &Path) -> Outcome {
    Ok(open_file(settings)?.backup(to)?)
}

/// The file alone, without the index beside it, which belongs to whoever runs the relay.
fn open_file(settings: &Settings) -> Outcome<Database> {
    let options = Options::new(Durability::Full);
    Ok(Database::open(&settings.relay_database(), &nexus_sqlite::relay::SCHEMA, options)?)
}

/// The service, ready to run.
pub(crate) async fn build(settings: &Settings, clock: &Clock) -> Outcome<Service<SqliteStorage>> {
    let parts = Parts {
        config: settings.relay.clone(),
        store: Arc::new(open_store(settings)?),
        clock: clock.clone(),
        judge: settings.relay.judge(),
        processors: std::thread::available_parallelism().map_or(1, NonZero::get),
    };
    Ok(Service::build(parts).await?)
}

/// Where it is reached.
pub(crate) fn mount(service: &Service<SqliteStorage>) -> Mount {
    Mount::new(Name::Relay, service.router())
}

/// The address that clients are to use, for the operator to see.
pub(crate) fn address(settings: &Settings) -> String {
    match &settings.relay.url {
        Some(url) => url.as_str().to_owned(),
        None => "any name it is reached by; with `relay.url` clients can authenticate".to_owned(),
    }
}
