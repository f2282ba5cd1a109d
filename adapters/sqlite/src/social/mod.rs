//! The store of the social service.
//!
//! Users are interned: every table names them by number. Values that people wrote are never interned, so that
//! they leave with their row.

mod apply;
mod check;
mod codec;
mod keys;
mod load;
mod port;
mod queue;
mod session;
mod state;

use self::keys::Keys;
use crate::{Database, Durability, Options, Result, Schema};
use nexus_social::store;
use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The tables and their versions.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4E58_736F, // "NXso"
    newest: include_str!("schema.sql"),
    upgrades: &[],
};

/// The social service's file.
#[derive(Debug)]
pub struct SocialStore {
    database: Database,
    keys: Mutex<Keys>,
}

impl SocialStore {
    /// Opens the file at `path` with the usual options, and makes it if there is none.
    ///
    /// # Errors
    /// If the file can't be opened, is another's, or was written by a newer program.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Options::new(Durability::Normal))
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// As [`SocialStore::open`].
    pub fn open_with(path: &Path, options: Options) -> Result<Self> {
        let database = Database::open(path, &SCHEMA, options)?;
        Ok(Self { database, keys: Mutex::default() })
    }

    /// The version of the file at `path` and the program's, if the file is older. Changes nothing.
    ///
    /// # Errors
    /// If the file can't be read, is another's, or was written by a newer program.
    pub fn pending(path: &Path) -> Result<Option<(u32, u32)>> {
        Database::pending(path, &SCHEMA)
    }

    /// Clears what deletions left in the write-ahead log, if anything is there and no reader needs it. To be
    /// called now and then.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn scrub(&self) -> Result<()> {
        self.database.scrub()
    }

    /// Writes one consistent copy to `to`, while writing goes on.
    ///
    /// # Errors
    /// If the copy can't be written.
    pub fn backup(&self, to: &Path) -> Result<()> {
        self.database.backup(to)
    }

    /// What is wrong with the file, a line for each finding: SQLite's own check, then what the tables promise
    /// each other.
    ///
    /// # Errors
    /// If the check can't be run.
    pub fn check(&self) -> Result<Vec<String>> {
        let mut found = self.database.check()?;
        found.extend(self.database.read(check::invariants)?);
        Ok(found)
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// If the file can't be looked at.
    pub fn size(&self) -> Result<u64> {
        self.database.size()
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, Keys> {
        // What an interrupted group added is forgotten when the next one begins.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<crate::Error> for store::Error {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Damaged(what) => Self::Damaged(what),
            crate::Error::TooNew { found, known } => Self::TooNew { found, known },
            other => Self::Backend(Box::new(other)),
        }
    }
}
