//! The store of the relay. An answer of `OK` promises that the event survives power loss, so commits are full.

mod known;
mod port;
mod query;
mod write;

use crate::{Database, Durability, Options, Result, Schema};
use nexus_nostr::Kind;
use nexus_relay::{market::Counter, ports::StorageError};
use std::path::Path;

/// The tables and their versions.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4E58_726C, // "NXrl"
    newest: include_str!("schema.sql"),
    upgrades: &[],
};

/// The relay's file. Its futures never wait: they block, and belong on a thread that may.
#[derive(Debug)]
pub struct SqliteStorage {
    database: Database,
}

impl SqliteStorage {
    /// Opens the file at `path` with the usual options, and makes it if there is none.
    ///
    /// # Errors
    /// If the file can't be opened, is another's, or was written by a newer program.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Options::new(Durability::Full))
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// As [`SqliteStorage::open`].
    pub fn open_with(path: &Path, options: Options) -> Result<Self> {
        Ok(Self { database: Database::open(path, &SCHEMA, options)? })
    }

    /// The file: for backup, checks and its size.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// What the market counted on `day` for requests of `kind`.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn tally(&self, day: i64, kind: Kind, counter: Counter) -> Result<u64> {
        self.database.read(|connection| {
            let sql = "SELECT amount FROM tally WHERE day = ? AND kind = ? AND counter = ?";
            let amount =
                connection.prepare_cached(sql)?.query_row((day, kind.get(), counter.as_str()), |row| row.get(0));
            Ok(optional(amount)?.map_or(0, i64::unsigned_abs))
        })
    }
}

fn optional<T>(found: rusqlite::Result<T>) -> Result<Option<T>> {
    match found {
        Ok(value) => Ok(Some(value)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn failed(error: crate::Error) -> StorageError {
    match error {
        crate::Error::Damaged(_) => StorageError::Damaged("a row can't be what was written"),
        other => StorageError::Unavailable(Box::new(other)),
    }
}
