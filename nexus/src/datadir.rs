//! The data directory: made when it is missing, and used by one process at a time.

use crate::failure::{Exit, Failure, Outcome};
use std::{
    fs::{File, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

/// The file whose lock says that the directory is in use. It holds the process id of the user, and where that is
/// asked, if it is.
const LOCK: &str = "nexus.lock";

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    lock: File,
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

    /// Writes down where the process is asked that has the directory.
    ///
    /// # Errors
    /// If that can't be written.
    pub(crate) fn tell(&mut self, url: &str) -> Outcome {
        writeln!(self.lock, "{url}")?;
        Ok(())
    }

    /// Where the process is asked that has the directory, if it has said so.
    pub(crate) fn address(path: &Path) -> Option<String> {
        let text = std::fs::read_to_string(path.join(LOCK)).ok()?;
        text.lines().nth(1).map(str::to_owned)
    }

    /// True if a process has the directory.
    pub(crate) fn is_taken(path: &Path) -> bool {
        let lock = File::open(path.join(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
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
        Ok(Self { lock })
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
    let process = lock.read_to_string(&mut owner).ok().and_then(|_| owner.lines().next());
    let owner = process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"));
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
        assert!(!DataDir::is_taken(&path));
        DataDir::take(&path).expect("free again");
    }

    #[test]
    fn who_has_it_says_where_it_is_asked() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut taken = DataDir::take(directory.path()).expect("free");
        assert_eq!((DataDir::is_taken(directory.path()), DataDir::address(directory.path())), (true, None));
        taken.tell("http://127.0.0.1:1").expect("written");
        assert_eq!(DataDir::address(directory.path()).as_deref(), Some("http://127.0.0.1:1"));
        drop(taken);
        let again = DataDir::take(directory.path()).expect("free again");
        assert_eq!(DataDir::address(directory.path()), None, "what the last one said is gone");
        drop(again);
    }
}
