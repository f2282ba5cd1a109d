//! `nexus db backup`: one consistent copy, also while Nexus runs.
//!
//! Files of users are never changed once they are there, so they are linked where the disk allows it: before the
//! database is copied, so that none is missed that is deleted meanwhile, and again afterwards, so that none is
//! missed that its rows name. Full text is copied first: it may be behind the database, never ahead of it.

use crate::{
    failure::{Exit, Failure, Outcome},
    relay,
    settings::{Service, Settings},
    social::open_store,
    sync,
};
use std::{
    fs::{self, DirEntry},
    io,
    path::Path,
};

/// How often the copy of the full text is begun anew when files vanish under it.
const TRIES: usize = 5;

/// What the full text's directory holds besides data.
const LOCKS: &str = ".lock";

pub(super) fn run(settings: &Settings, services: &[Service], to: &Path) -> Outcome {
    let there = services.iter().filter(|service| super::database(settings, **service).exists());
    let there: Vec<Service> = there.copied().collect();
    if there.is_empty() {
        return Err(Failure::new(Exit::Failed, "there is nothing to copy yet"));
    }
    fs::create_dir(to).map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", to.display())))?;
    for service in there {
        match service {
            Service::Social => copy_social(settings, to)?,
            Service::Sync => {
                // Its name depends on the dialect, and a copy is looked for by it.
                let database = super::database(settings, service);
                sync::open_store(settings)?.backup(&to.join(database.file_name().unwrap_or_default()))?;
            }
            // Its index is made anew from the copy.
            Service::Relay => relay::backup(settings, &to.join("relay.sqlite"))?,
        }
    }
    println!("{} is a whole copy: run `nexus --data-dir {}`", to.display(), to.display());
    Ok(())
}

fn copy_social(settings: &Settings, to: &Path) -> Outcome {
    let store = open_store(settings)?;
    copy_full_text(&settings.full_text(), &to.join("search"))?;
    copy_tree(&settings.files(), &to.join("files"), Vanished::PassOver)?;
    store.backup(&to.join("social.sqlite"))?;
    copy_tree(&settings.files(), &to.join("files"), Vanished::PassOver)?;
    Ok(())
}

/// Copies the full text while its files may be replaced. Where that fails again and again it is left out: it is
/// built anew at the next start.
fn copy_full_text(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..TRIES {
        match copy_tree(from, to, Vanished::Fail) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::remove_dir_all(to)?,
            outcome => return outcome,
        }
    }
    Ok(())
}

/// What a file means that is gone before it is copied.
#[derive(Clone, Copy)]
enum Vanished {
    /// The copy would not be whole.
    Fail,
    /// Its row is gone as well, since rows go first.
    PassOver,
}

/// Links or copies what is below `from` and not below `to` yet.
fn copy_tree(from: &Path, to: &Path, vanished: Vanished) -> io::Result<()> {
    if !from.exists() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        copy_entry(&entry?, to, vanished).or_else(|error| match vanished {
            Vanished::PassOver if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Vanished::PassOver | Vanished::Fail => Err(error),
        })?;
    }
    Ok(())
}

fn copy_entry(entry: &DirEntry, to: &Path, vanished: Vanished) -> io::Result<()> {
    let (source, target) = (entry.path(), to.join(entry.file_name()));
    match entry.file_type()?.is_dir() {
        true if is_hidden(&source) => Ok(()),
        true => copy_tree(&source, &target, vanished),
        false if target.exists() || source.to_string_lossy().ends_with(LOCKS) => Ok(()),
        false => fs::hard_link(&source, &target).or_else(|_| fs::copy(&source, &target).map(drop)),
    }
}

/// Directories of what is still arriving.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    /// Writes and removes files, and the directories that they are in, until it is told to stop.
    fn come_and_go(root: &Path, stop: &AtomicBool) {
        while !stop.load(Relaxed) {
            for n in 0..50 {
                let directory = root.join(n.to_string());
                fs::create_dir_all(&directory).expect("a directory");
                fs::write(directory.join("file"), "bytes").expect("a file");
            }
            for n in 0..50 {
                fs::remove_dir_all(root.join(n.to_string())).expect("removed");
            }
        }
    }

    #[test]
    fn files_that_go_while_they_are_copied_are_passed_over() {
        let (from, to) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        fs::write(from.path().join("stays"), "bytes").expect("a file");
        let stop = AtomicBool::new(false);
        let copied: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| come_and_go(from.path(), &stop));
            let copy = |n: usize| {
                let to = to.path().join(n.to_string());
                copy_tree(from.path(), &to, Vanished::PassOver).map(|()| to.join("stays").exists())
            };
            let copied = (0..300).map(copy).collect();
            stop.store(true, Relaxed);
            copied
        });
        assert!(copied.iter().all(|whole| matches!(whole, Ok(true))), "{copied:?}");
    }
}
