//! The verbs that work on the databases as a whole.

mod backup;
mod check;
mod mock;
mod refetch;

use crate::{
    cli::{Db, Migration, Which},
    datadir::DataDir,
    failure::{Exit, Failure, Outcome},
    relay,
    settings::{Service, Settings},
    social::open_store,
    sync,
};
use nexus_sqlite::{Database, social::SocialStore};
use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

/// Carries out a verb.
pub(crate) fn run(settings: &Settings, verb: &Db) -> Outcome {
    match verb {
        Db::Migrate(which) => migrate(settings, &chosen(which)?),
        Db::Check { which, refetch } => {
            let lost = if *refetch { check::Lost::Refetched } else { check::Lost::Told };
            chosen(which)?.into_iter().try_for_each(|service| check::run(settings, service, lost))
        }
        Db::Clear { which, yes } => clear(settings, &chosen(which)?, agreed(*yes)),
        Db::Mock(mock) => mock::run(settings, mock, agreed(mock.yes)),
        Db::Backup { which, to } => backup::run(settings, &chosen(which)?, to),
        Db::Migration(Migration::Run) => migrate(settings, &[Service::Social]),
        Db::Migration(Migration::Check) => pending(settings, Service::Social),
        Db::Migration(Migration::New { name }) => Err(Failure::new(
            Exit::Usage,
            format!("migrations are part of the program, none can be made here: {name:?}"),
        )),
    }
}

/// Whether the operator has agreed beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    Yes,
    Ask,
}

pub(crate) const fn agreed(yes: bool) -> Agreed {
    if yes { Agreed::Yes } else { Agreed::Ask }
}

/// The service that is named, which must be one, or all.
fn chosen(which: &Which) -> Outcome<Vec<Service>> {
    let Some(name) = which.service.as_deref() else { return Ok(Service::ALL.to_vec()) };
    let named = Service::ALL.iter().find(|service| service.as_str() == name);
    named
        .map(|service| vec![*service])
        .ok_or_else(|| Failure::new(Exit::Usage, format!("there is no service {name:?}")))
}

fn database(settings: &Settings, service: Service) -> PathBuf {
    match service {
        Service::Social => settings.social_database(),
        Service::Sync => settings.sync_database(),
        Service::Relay => settings.relay_database(),
    }
}

fn migrate(settings: &Settings, services: &[Service]) -> Outcome {
    let _data = DataDir::take(&settings.server.data_dir)?;
    for service in services {
        match service {
            Service::Social => drop(open_store(settings)?),
            Service::Sync => drop(sync::open_store(settings)?),
            Service::Relay => drop(relay::open_store(settings)?),
        }
        println!("{} has this program's schema", database(settings, *service).display());
    }
    Ok(())
}

/// Refuses to read a database that isn't there: where a directory was misspelled, one would be made and found empty.
pub(crate) fn must_exist(settings: &Settings, service: Service) -> Outcome {
    let path = database(settings, service);
    match path.exists() {
        true => Ok(()),
        false => Err(Failure::new(Exit::Failed, format!("there is no database {}", path.display()))),
    }
}

/// Exit code 10 if the schema is older than the program's.
fn pending(settings: &Settings, service: Service) -> Outcome {
    let path = database(settings, service);
    if !path.exists() {
        println!("there is no database {} yet", path.display());
        return Ok(());
    }
    let pending = match service {
        Service::Social => SocialStore::pending(&path),
        Service::Sync => Database::pending(&path, &nexus_sqlite::sync::SCHEMA),
        Service::Relay => Database::pending(&path, &nexus_sqlite::relay::SCHEMA),
    };
    let pending = pending
        .map_err(|error| Failure::new(Exit::Failed, format!("{}: {}", path.display(), nexus_runtime::told(&error))))?;
    match pending {
        None => {
            println!("{} has this program's schema", path.display());
            Ok(())
        }
        Some((found, known)) => Err(Failure::new(
            Exit::Pending,
            format!("{} has schema version {found}, this program {known}: run `nexus db migrate`", path.display()),
        )),
    }
}

/// Everything that belongs to a service, as far as it is there.
fn belongings(settings: &Settings, service: Service) -> Vec<PathBuf> {
    let database = database(settings, service);
    let beside = |end: &str| {
        let mut name = database.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    let files = [database.clone(), beside("-wal"), beside("-shm")];
    let others = match service {
        Service::Social => vec![settings.files(), settings.full_text()],
        Service::Sync => Vec::new(),
        Service::Relay => vec![beside("-index")],
    };
    files.into_iter().chain(others).filter(|path| path.exists()).collect()
}

fn clear(settings: &Settings, services: &[Service], agreed: Agreed) -> Outcome {
    let _data = DataDir::take(&settings.server.data_dir)?;
    delete_everything(settings, services, agreed)
}

/// Deletes all data of some services, if the operator agrees.
fn delete_everything(settings: &Settings, services: &[Service], agreed: Agreed) -> Outcome {
    let belongings: Vec<PathBuf> = services.iter().flat_map(|service| belongings(settings, *service)).collect();
    if belongings.is_empty() {
        println!("there is nothing to delete");
        return Ok(());
    }
    for path in &belongings {
        println!("{} will be deleted", path.display());
    }
    confirm(agreed)?;
    belongings.iter().try_for_each(|path| Ok(delete(path)?))
}

fn delete(path: &Path) -> io::Result<()> {
    if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

pub(crate) fn confirm(agreed: Agreed) -> Outcome {
    if agreed == Agreed::Yes {
        return Ok(());
    }
    let refused = |why: &str| Failure::new(Exit::NotConfirmed, format!("{why}; nothing was deleted"));
    if !io::stdin().is_terminal() {
        return Err(refused("nobody can be asked here: give --yes"));
    }
    print!("Delete this for good? Type yes: ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(refused("not confirmed")) }
}
