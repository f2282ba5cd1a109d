//! The sync service's backend, picked and opened, and its verbs.

use crate::{
    cli,
    datadir::DataDir,
    failure::{Exit, Failure, Outcome},
    run::Mount,
    settings::{Service as Name, Settings},
};
use nexus_atproto::Did;
use nexus_http::{Paths, Readiness};
use nexus_runtime::Clock;
use nexus_sqlite::{
    Durability, Options,
    sync::{SyncStore, tap::Taken},
};
use nexus_sync::{
    repo::RepoId,
    store::Store as _,
    writer::{self, Input},
};
use nexus_sync_server::{
    config::DatabaseFile,
    service::{Parts, Service},
};
use std::{path::Path, sync::Arc};

/// Repos that are written together.
const PORTION: usize = 1_000;

/// Opens the store.
pub(crate) fn open_store(settings: &Settings) -> Outcome<SyncStore> {
    let path = settings.sync_database();
    std::fs::create_dir_all(beside(&path))?;
    let options = Options { readers: settings.sync.readers.count(), ..Options::new(Durability::Normal) };
    SyncStore::open_with(&path, options).map_err(|error| {
        let told = nexus_runtime::told(&error);
        let hint = "; the database of a Tap is taken over by `nexus sync import-tap FILE`";
        let hint = if error.is_foreign() { hint } else { "" };
        Failure::new(Exit::Failed, format!("can't open {}: {told}{hint}", path.display()))
    })
}

/// The directory of a file.
fn beside(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The service, ready to run.
pub(crate) async fn build(settings: &Settings, clock: &Clock, readiness: &Readiness) -> Outcome<Service> {
    let store = Arc::new(open_store(settings)?);
    let folder = beside(&settings.sync_database()).to_owned();
    let (config, readiness, clock) = (settings.sync.clone(), readiness.clone(), clock.clone());
    Ok(Service::build(Parts { config, store, folder, readiness, clock }).await?)
}

/// Where it is reached. At an address of its own, and alone, every path is its own but `/ready`.
pub(crate) fn mount(settings: &Settings, service: &Service) -> Mount {
    let (router, paths) = service.router();
    let is_alone = settings.sync.bind.is_some() || settings.services == [Name::Sync];
    let all = [Paths::Rest, Paths::Exact("/health")];
    Mount::new(Name::Sync, (router, if is_alone { &all } else { paths }))
}

/// What it tracks, for the operator to see.
pub(crate) fn followed(settings: &Settings) -> String {
    let sync = &settings.sync;
    let relays = sync.relay_url.all().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (&sync.signal_collection, sync.full_network.is_on(), sync.outbox_only.is_on()) {
        (_, _, true) => "nothing: what is stored is delivered".to_owned(),
        (Some(signal), ..) => format!("repos with {signal}, from {relays}"),
        (None, true, _) => format!("the whole network, from {relays}"),
        (None, false, _) => format!("repos added by POST /repos/add, from {relays}"),
    }
}

/// Marks repos to be fetched anew.
pub(crate) fn resync(settings: &Settings, resync: &cli::Resync) -> Outcome {
    let _data = settings.take_data()?;
    let (store, rules, clock) = (open_store(settings)?, settings.sync.rules(), Clock::system());
    let input = if resync.reemit { Input::Reemit } else { Input::Resync };
    let named: Result<Vec<Did>, _> = resync.dids.iter().map(|did| did.parse()).collect();
    let mut portion = named.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let (mut after, mut count) = (RepoId::default(), 0);
    loop {
        if resync.all {
            let repos = store.repos(after, PORTION)?;
            after = repos.last().map_or(after, |repo| repo.id);
            portion = repos.into_iter().map(|repo| repo.did).collect();
        }
        let inputs: Vec<Input> = portion.drain(..).map(input).collect();
        let (told, _) = writer::write(&store, &inputs, &rules, clock.now())?;
        count += told.iter().filter(|told| told.outcome == nexus_sync::decide::Outcome::Applied).count();
        if inputs.is_empty() || !resync.all {
            println!("{count} repos will be fetched again");
            return Ok(());
        }
    }
}

/// Takes over the database of a Tap.
pub(crate) fn import_tap(settings: &Settings, file: &Path) -> Outcome {
    let _data = settings.take_data()?;
    let store = open_store(settings)?;
    let cursor_name = |relay: &str| format!("firehose {relay}");
    let taken = nexus_sqlite::sync::tap::import(&store, file, Clock::system().now(), cursor_name)?;
    let Taken { repos, records, events, skipped } = taken;
    println!("{repos} repos, {records} records and {events} events were taken over, {skipped} rows were left out");
    Ok(())
}

impl Settings {
    /// Takes the data directory. The sync service alone, with a database that was named, keeps everything beside
    /// that, so that several may run in one directory.
    pub(crate) fn take_data(&self) -> Outcome<DataDir> {
        match self.own_database() {
            Some(database) => DataDir::take_beside(database),
            None => DataDir::take(&self.server.data_dir),
        }
    }

    /// Where everything is kept, for the operator to see.
    pub(crate) fn kept_in(&self) -> &Path {
        self.own_database().unwrap_or(&self.server.data_dir)
    }

    fn own_database(&self) -> Option<&Path> {
        let is_alone = self.services == [Name::Sync];
        self.sync.database.as_ref().filter(|_| is_alone).map(DatabaseFile::path)
    }
}
