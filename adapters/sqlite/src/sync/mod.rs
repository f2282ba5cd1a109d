//! The store of the sync service, in the compact form that makes millions of indexed records affordable.

mod codec;
mod draft;
mod port;
mod recent;
mod rows;
pub mod tap;

use self::{draft::Numbers, recent::Recent};
use crate::{Checkpoints, Database, Durability, Options, Result, Schema};
use nexus_sync::store;
use std::{path::Path, sync::Mutex};

/// The tables and their versions.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4E58_7379, // "NXsy"
    newest: include_str!("schema.sql"),
    upgrades: &[],
};

/// Records of many repos are written all over the index: the longer the WAL, the more often a page is written into
/// it before it is copied.
const CHECKPOINT_PAGES: u32 = 16_000;

/// Page cache of the writer in KiB: what is written stays together by repos, so that more serves nobody, and is never
/// given back.
const CACHE_KIB: u32 = 32 * 1024;

/// The sync service's file. Nobody else may write it while it is open.
#[derive(Debug)]
pub struct SyncStore {
    database: Database,
    numbers: Mutex<Numbers>,
    recent: Recent,
}

impl SyncStore {
    /// Opens the file at `path` with the usual options, and makes it if there is none. Events and upstream cursors
    /// are in one file and roll back together, so commits needn't survive power loss.
    ///
    /// # Errors
    /// If the file can't be opened, is another's, or was written by a newer program.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Options::new(Durability::Normal))
    }

    /// Opens the file at `path`. The WAL is as long and the cache as large as suits it, whatever `options` say.
    ///
    /// # Errors
    /// As [`SyncStore::open`].
    pub fn open_with(path: &Path, options: Options) -> Result<Self> {
        let checkpoints = Checkpoints::InCommits(CHECKPOINT_PAGES);
        let options = Options { checkpoints, cache_kib: CACHE_KIB, ..options };
        let database = Database::open(path, &SCHEMA, options)?;
        Ok(Self { database, numbers: Mutex::default(), recent: Recent::default() })
    }

    /// Writes one consistent copy to `to`, while writing goes on.
    ///
    /// # Errors
    /// If the copy can't be written.
    pub fn backup(&self, to: &Path) -> Result<()> {
        self.database.backup(to)
    }

    /// What SQLite finds wrong with the file; nothing, if all is well.
    ///
    /// # Errors
    /// If the check can't be run.
    pub fn check(&self) -> Result<Vec<String>> {
        self.database.check()
    }

    /// Bytes on disk.
    ///
    /// # Errors
    /// If the file can't be looked at.
    pub fn size(&self) -> Result<u64> {
        self.database.size()
    }
}

impl From<crate::Error> for store::Error {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Damaged(what) => Self::Damaged { what },
            damage if damage.is_damage() => Self::Damaged { what: nexus_runtime::told(&damage) },
            other => Self::Backend(Box::new(other)),
        }
    }
}
