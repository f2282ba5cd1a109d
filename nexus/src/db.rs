//! The verbs that work on the databases as a whole.

mod backup;
mod mock;

use crate::{
    cli::{Db, Migration, Which},
    datadir::DataDir,
    failure::{Exit, Failure, Outcome},
    settings::{Service, Settings},
    social::open_store,
};
use nexus_sqlite::social::SocialStore;
use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

/// Carries out a verb.
pub(crate) fn run(settings: &Settings, verb: &Db) -> Outcome {
    match verb {
        Db::Migrate(which) => named(which).and_then(|()| migrate(settings)),
        Db::Check(which) => named(which).and_then(|()| check(settings)),
        Db::Clear { which, yes } => named(which).and_then(|()| clear(settings, agreed(*yes))),
        Db::Mock(mock) => mock::run(settings, mock, agreed(mock.yes)),
        Db::Backup { which, to } => named(which).and_then(|()| backup::run(settings, to)),
        Db::Migration(Migration::Run) => migrate(settings),
        Db::Migration(Migration::Check) => pending(settings),
        Db::Migration(Migration::New { name }) => Err(Failure::new(
            Exit::Usage,
            format!("migrations are part of the program, none can be made here: {name:?}"),
        )),
    }
}

/// Whether the operator has agreed beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    Yes,
    Ask,
}

const fn agreed(yes: bool) -> Agreed {
    if yes { Agreed::Yes } else { Agreed::Ask }
}

/// A service that is named must be one.
fn named(which: &Which) -> Outcome {
    let known = |name: &&str| Service::ALL.iter().any(|service| service.as_str() == *name);
    match which.service.as_deref().filter(|name| !known(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(Exit::Usage, format!("there is no service {name:?}"))),
    }
}

fn migrate(settings: &Settings) -> Outcome {
    let _data = DataDir::take(&settings.server.data_dir)?;
    open_store(settings)?;
    println!("{} has this program's schema", settings.social_database().display());
    Ok(())
}

/// Exit code 10 if the schema is older than the program's.
fn pending(settings: &Settings) -> Outcome {
    let path = settings.social_database();
    if !path.exists() {
        println!("there is no database yet");
        return Ok(());
    }
    match SocialStore::pending(&path)? {
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

fn check(settings: &Settings) -> Outcome {
    pending(settings)?;
    if !settings.social_database().exists() {
        return Ok(());
    }
    let found = open_store(settings)?.check()?;
    for finding in &found {
        println!("{finding}");
    }
    match found.len() {
        0 => {
            println!("nothing is wrong with it");
            Ok(())
        }
        count => Err(Failure::new(Exit::Failed, format!("{count} things are wrong with the database"))),
    }
}

/// Everything that belongs to the social service, as far as it is there.
fn belongings(settings: &Settings) -> Vec<PathBuf> {
    let database = settings.social_database();
    let beside = |end: &str| {
        let mut name = database.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    let all = [database.clone(), beside("-wal"), beside("-shm"), settings.files(), settings.full_text()];
    all.into_iter().filter(|path| path.exists()).collect()
}

fn clear(settings: &Settings, agreed: Agreed) -> Outcome {
    let _data = DataDir::take(&settings.server.data_dir)?;
    delete_everything(settings, agreed)
}

/// Deletes all data of the social service, if the operator agrees.
fn delete_everything(settings: &Settings, agreed: Agreed) -> Outcome {
    let belongings = belongings(settings);
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

fn confirm(agreed: Agreed) -> Outcome {
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
