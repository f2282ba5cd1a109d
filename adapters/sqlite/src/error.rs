//! What can go wrong with a file.

use std::path::PathBuf;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite failed: disk full, file locked, not a database.
    #[error("sqlite failed")]
    Sqlite(#[from] rusqlite::Error),
    /// A file couldn't be looked at, made or moved.
    #[error("{} can't be used", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file belongs to another service or another program.
    #[error("the file is no database of this service (application id {found:#x}, expected {expected:#x})")]
    OtherApplication {
        /// What the file says.
        found: i32,
        /// What this service's files say.
        expected: i32,
    },
    /// The file was written by a newer program.
    #[error("the file has schema version {found}, this program knows {known}: use a newer program")]
    TooNew {
        /// The file's version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The system gave no thread.
    #[error("no thread could be started")]
    Thread(#[source] std::io::Error),
    /// A part of the relay's index can't be written.
    #[error("the index can't be written")]
    Index(#[source] std::sync::Arc<Error>),
    /// A value in the file can't be what this program wrote.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}

impl Error {
    /// True if the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, SystemIoFailure};
        let Self::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | DiskFull | SystemIoFailure))
    }

    /// True if the file isn't what was written.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Damaged(_) => true,
            Self::Sqlite(error) => matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)),
            _ => false,
        }
    }

    /// True if the file belongs to another service or another program.
    pub const fn is_foreign(&self) -> bool {
        matches!(self, Self::OtherApplication { .. })
    }

    /// A closure that names the file in an I/O error.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// A database's result.
pub type Result<T> = std::result::Result<T, Error>;
