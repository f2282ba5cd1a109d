//! One file of one service: its writer, its readers, and what an operator does with it.

use crate::{
    Error, Group, Options, Result, Schema,
    connection::{open_checkpointer, open_reader, open_writer},
    readers::Readers,
};
use rusqlite::{Connection, backup::Backup};
use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How often, at most, commits that removed content clear the WAL.
const SCRUB_PAUSE: Duration = Duration::from_secs(1);

/// An open file.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    options: Options,
    writer: Mutex<Connection>,
    readers: Readers,
    scrub: Scrub,
    /// Copies the log while the writer goes on. Opened when it is first needed.
    checkpointer: Mutex<Option<Connection>>,
}

/// How many pages of the log are worth starting it anew: then the writer waits while the last few are copied.
const RESTART_PAGES: u64 = 2_000;

/// Whether the WAL may hold removed content, and when it was last cleared.
#[derive(Debug, Default)]
struct Scrub {
    is_due: AtomicBool,
    last: Mutex<Option<Instant>>,
}

impl Database {
    /// Opens the file at `path`, makes it if there is none, and brings its schema forward.
    ///
    /// # Errors
    /// If the file can't be opened or migrated, is another service's, or was written by a newer program.
    pub fn open(path: &Path, schema: &Schema, options: Options) -> Result<Self> {
        let mut connection = open_writer(path, &options)?;
        schema.migrate(&mut connection)?;
        let readers = Readers::new(path, &options);
        let (writer, path) = (Mutex::new(connection), path.to_owned());
        Ok(Self { path, options, writer, readers, scrub: Scrub::default(), checkpointer: Mutex::default() })
    }

    /// The version of the file at `path` and that of `schema`, if the file is older. Changes nothing.
    ///
    /// # Errors
    /// If the file can't be read, is another service's, or was written by a newer program.
    pub fn pending(path: &Path, schema: &Schema) -> Result<Option<(u32, u32)>> {
        let connection = open_reader(path, &Options::new(crate::Durability::Normal))?;
        let found = schema.found(&connection)?;
        Ok((found < schema.version()).then_some((found, schema.version())))
    }

    /// Opens the writer's transaction; waits while another is open.
    ///
    /// # Errors
    /// If SQLite fails or another process holds the file for too long.
    pub fn group(&self) -> Result<Group<'_>> {
        Group::begin(&self.writer)
    }

    /// Runs `read` on one snapshot of what is committed; waits while all readers are busy.
    ///
    /// # Errors
    /// Those of `read`, or if SQLite fails.
    pub fn read<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.readers.read(read)
    }

    /// Copies the log into the file as far as readers let it, while the writer goes on. Where the log has become
    /// long, what came meanwhile is copied while the writer waits, so that it begins the log anew.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn checkpoint(&self) -> Result<()> {
        if self.backfill()? < RESTART_PAGES {
            return Ok(());
        }
        // What came during the first copy, so that the writer waits for less.
        self.backfill()?;
        copy_log(&self.writer.lock().unwrap_or_else(PoisonError::into_inner)).map(drop)
    }

    /// Copies the log beside the writer, and gives its length in pages.
    fn backfill(&self) -> Result<u64> {
        let mut checkpointer = self.checkpointer.lock().unwrap_or_else(PoisonError::into_inner);
        if checkpointer.is_none() {
            *checkpointer = Some(open_checkpointer(&self.path, &self.options)?);
        }
        checkpointer.as_ref().map_or(Ok(0), copy_log)
    }

    /// The same, or `None` where that would mean waiting for a reader.
    ///
    /// # Errors
    /// Those of `read`, or if SQLite fails.
    pub(crate) fn try_read<T, E: From<Error>>(
        &self,
        read: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<Option<T>, E> {
        self.readers.try_read(read)
    }

    /// To be called after a commit that removed content. The file itself was overwritten by then
    /// (`secure_delete`), the WAL still holds it: see [`Self::clear_log`].
    pub fn content_removed(&self) {
        self.remember_removal();
        self.clear_log();
    }

    /// To be called after any commit: clears the WAL if it may hold removed content. What can't be cleared now,
    /// because that was done within the last second, a reader still needs it or SQLite fails, is left to a later
    /// call: the commit is durable all the same.
    pub fn clear_log(&self) {
        let last = || *self.scrub.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.scrub.is_due.load(Ordering::Relaxed) || last().is_some_and(|last| last.elapsed() < SCRUB_PAUSE) {
            return;
        }
        if let Err(error) = self.scrub() {
            tracing::warn!(error = nexus_runtime::told(&error), "the log still holds what was removed");
        }
    }

    /// To be called after a commit that removed content, by those who leave it to others to clear the WAL.
    pub(crate) fn remember_removal(&self) {
        self.scrub.is_due.store(true, Ordering::Relaxed);
    }

    /// Clears the WAL if it may hold removed content and no reader needs it. To be called now and then.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn scrub(&self) -> Result<()> {
        if !self.scrub.is_due.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Only one connection at a time can be at the log.
        let _log = self.checkpointer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        *self.scrub.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        writer.busy_timeout(Duration::ZERO)?;
        let busy = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        writer.busy_timeout(self.options.patience())?;
        self.scrub.is_due.store(busy?, Ordering::Relaxed);
        Ok(())
    }

    /// Writes one consistent copy of the file to `to`, while writing goes on. A file that is there already is
    /// replaced once the copy is whole.
    ///
    /// # Errors
    /// If SQLite fails or `to` can't be written.
    pub fn backup(&self, to: &Path) -> Result<()> {
        let partial = to.with_added_extension("partial");
        remove_if_there(&partial)?;
        let source = open_reader(&self.path, &self.options)?;
        // The snapshot is held, so the copy needn't begin anew when something is committed meanwhile.
        let snapshot = source.unchecked_transaction()?;
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let mut copy = Connection::open(&partial)?;
        Backup::new(&snapshot, &mut copy)?.step(-1)?;
        copy.pragma_update(None, "journal_mode", "DELETE")?;
        copy.close().map_err(|(_, error)| error)?;
        std::fs::rename(&partial, to).map_err(Error::file(to))
    }

    /// What SQLite finds wrong with the file; nothing, if all is well.
    ///
    /// # Errors
    /// If the check can't be run.
    pub fn check(&self) -> Result<Vec<String>> {
        self.read(|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check")?;
            let found = statement.query_map([], |row| row.get::<_, String>(0))?;
            let found: Vec<_> = found.collect::<rusqlite::Result<_>>()?;
            Ok(if found == ["ok"] { Vec::new() } else { found })
        })
    }

    /// Bytes on disk: the file and its WAL.
    ///
    /// # Errors
    /// If the files can't be looked at.
    pub fn size(&self) -> Result<u64> {
        let length = |path: &Path| std::fs::metadata(path).map(|meta| meta.len());
        let file = length(&self.path).map_err(Error::file(&self.path))?;
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        Ok(file + length(Path::new(&wal)).unwrap_or(0))
    }

    #[cfg(test)]
    pub(crate) fn with_writer<T>(&self, change: impl FnOnce(&mut Connection) -> T) -> T {
        change(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Copies what it can of the log without waiting for anybody, and gives the log's length in pages.
fn copy_log(connection: &Connection) -> Result<u64> {
    let pages = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1))?;
    // Less than nothing if another connection is at it.
    Ok(u64::try_from(pages).unwrap_or(0))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}
