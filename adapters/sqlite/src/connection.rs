//! Opening connections, all with the same few settings.

use crate::Result;
use rusqlite::{Connection, OpenFlags};
use std::{path::Path, time::Duration};

/// What a commit promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A commit survives power loss: `synchronous=FULL`. For services that promise it to clients.
    Full,
    /// A commit survives `kill -9`; power loss may take back the last ones, data and cursors together.
    Normal,
}

/// When the log is copied into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// By the commit with which it has this many pages of 4 KiB, which takes that much longer.
    InCommits(u32),
    /// By whoever calls [`crate::Database::checkpoint`] now and then. Commits do it only if that stays away.
    Apart,
}

/// How a file is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// What a commit promises.
    pub durability: Durability,
    /// When the log is copied into the file.
    pub checkpoints: Checkpoints,
    /// Readers at once; further ones wait.
    pub readers: usize,
    /// Page cache of the writer in KiB. Readers have an eighth of it each.
    pub cache_kib: u32,
    /// How long to wait for another process that holds the file, in milliseconds.
    pub busy_ms: u32,
}

impl Checkpoints {
    const fn pages(self) -> u32 {
        match self {
            Self::InCommits(pages) => pages,
            Self::Apart => NEGLECTED_PAGES,
        }
    }

    /// How long the WAL's file may stay after it was copied, so that it is not cut and grown again with each round.
    const fn kept_bytes(self) -> u32 {
        let pages = match self {
            Self::InCommits(pages) => pages,
            Self::Apart => CHECKPOINT_PAGES,
        };
        pages.saturating_mul(WAL_BYTES_PER_PAGE)
    }
}

impl Options {
    /// The defaults with this durability: checkpoints in commits at 16 MiB, 4 readers, 64 MiB of cache, 5 s of patience.
    pub const fn new(durability: Durability) -> Self {
        let checkpoints = Checkpoints::InCommits(CHECKPOINT_PAGES);
        Self { durability, checkpoints, readers: 4, cache_kib: 64 * 1024, busy_ms: 5000 }
    }

    /// How long to wait for another process.
    pub(crate) const fn patience(&self) -> Duration {
        Duration::from_millis(self.busy_ms as u64)
    }
}

/// How many statements a connection keeps prepared.
const STATEMENTS: usize = 128;

/// How many pages the WAL has before commits copy it into the file: by default, and where that is done apart.
const CHECKPOINT_PAGES: u32 = 4_000;
const NEGLECTED_PAGES: u32 = 64_000;

/// How long the WAL's file may stay for each of those pages, in bytes: twice what they take.
const WAL_BYTES_PER_PAGE: u32 = 8 * 1024;

/// How much of a file readers map into memory, instead of copying its pages into a cache of their own.
const MAPPED_BYTES: i64 = 2 << 30;

/// Opens the one connection that writes, and makes the file if there is none. Deleted content is overwritten.
pub(crate) fn open_writer(path: &Path, options: &Options) -> Result<Connection> {
    let connection = Connection::open(path)?;
    configure(&connection, options, options.cache_kib)?;
    let synchronous = match options.durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "wal_autocheckpoint", options.checkpoints.pages())?;
    connection.pragma_update(None, "journal_size_limit", options.checkpoints.kept_bytes())?;
    Ok(connection)
}

/// Opens a connection that copies the log into the file, and does nothing else.
pub(crate) fn open_checkpointer(path: &Path, options: &Options) -> Result<Connection> {
    let connection = Connection::open(path)?;
    configure(&connection, options, options.cache_kib / 8)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(path: &Path, options: &Options) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection, options, options.cache_kib / 8)?;
    connection.pragma_update(None, "mmap_size", MAPPED_BYTES)?;
    Ok(connection)
}

fn configure(connection: &Connection, options: &Options, cache_kib: u32) -> Result<()> {
    connection.busy_timeout(options.patience())?;
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
