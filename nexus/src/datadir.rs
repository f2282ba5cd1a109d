//! The data directory: made when it is missing, and used by one process at a time.

use crate::failure::{Exit, Failure, Outcome};
use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

/// The file whose lock says that the directory is in use. It holds the process id of the user.
const LOCK: &str = "nexus.lock";

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    _lock: File,
}

impl DataDir {
    /// Takes the directory, making it if it is missing.
    ///
    /// # Errors
    /// If it can't be made or written, or another process has it.
    pub(crate) fn take(path: &Path) -> Outcome<Self> {
        let cannot = |what: &str, error: std::io::Error| {
            Failure::new(Exit::Failed, format!("{what} {}: {error}; set `server.data_dir`", path.display()))
        };
        std::fs::create_dir_all(path).map_err(|error| cannot("can't make the data directory", error))?;
        Self::lock(path, &path.join(LOCK))
    }

    /// Takes a database for this process, and nothing else in its directory.
    ///
    /// # Errors
    /// As [`DataDir::take`].
    pub(crate) fn take_beside(database: &Path) -> Outcome<Self> {
        let directory = database.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory)?;
        let mut file = database.to_owned().into_os_string();
        file.push(".lock");
        Self::lock(database, Path::new(&file))
    }

    fn lock(path: &Path, file: &Path) -> Outcome<Self> {
        let cannot = |what: &str, error: std::io::Error| {
            Failure::new(Exit::Failed, format!("{what} {}: {error}; set `server.data_dir`", path.display()))
        };
        let opened = File::options().create(true).truncate(false).read(true).write(true).open(file);
        let mut lock = opened.map_err(|error| cannot("can't write to the data directory", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, lock)),
            Err(TryLockError::Error(error)) => return Err(cannot("can't lock the data directory", error)),
        }
        sign(&mut lock)?;
        Ok(Self { _lock: lock })
    }
}

/// Writes down who has the directory.
fn sign(lock: &mut File) -> Outcome {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())?;
    Ok(())
}

fn in_use(path: &Path, mut lock: File) -> Failure {
    let mut owner = String::new();
    let known = lock.read_to_string(&mut owner).is_ok() && !owner.trim().is_empty();
    let owner = if known { format!("process {}", owner.trim()) } else { "another process".to_owned() };
    let message =
        format!("{owner} uses the data directory {}: stop it, or choose another with --data-dir", path.display());
    Failure::new(Exit::Locked, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_has_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("deep/data");
        let first = DataDir::take(&path).expect("free");
        let refused = DataDir::take(&path).expect_err("taken");
        assert_eq!(refused.exit_code(), std::process::ExitCode::from(3));
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        DataDir::take(&path).expect("free again");
    }
}
