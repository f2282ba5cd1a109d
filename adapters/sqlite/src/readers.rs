//! A bounded pool of connections that read. When all are in use, the next reader waits for one.

use crate::{Options, Result, connection::open_reader};
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    options: Options,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    in_use: usize,
}

impl Readers {
    /// A pool for the file at `path`. Connections are opened when they are first needed.
    pub(crate) fn new(path: &Path, options: &Options) -> Self {
        let (path, options) = (path.to_owned(), options.clone());
        Self { path, options, pool: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs `read` on one snapshot of what is committed.
    pub(crate) fn read<T, E: From<crate::Error>>(
        &self,
        read: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        self.lend()?.read(read)
    }

    /// The same, or `None` where that would mean waiting for a connection.
    pub(crate) fn try_read<T, E: From<crate::Error>>(
        &self,
        read: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<Option<T>, E> {
        let Some(idle) = self.pool().lend_idle() else { return Ok(None) };
        Lent { readers: self, connection: Some(idle) }.read(read).map(Some)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        // A panic can't leave the pool half changed: each change is one push, pop or addition.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lend(&self) -> Result<Lent<'_>> {
        let is_busy = |pool: &mut Pool| pool.idle.is_empty() && pool.in_use >= self.options.readers.max(1);
        let waited = self.returned.wait_while(self.pool(), is_busy);
        let mut pool = waited.unwrap_or_else(PoisonError::into_inner);
        let idle = pool.idle.pop();
        pool.in_use += 1;
        drop(pool);
        // From here on the place in the pool is given back whatever happens.
        let mut lent = Lent { readers: self, connection: idle };
        if lent.connection.is_none() {
            lent.connection = Some(open_reader(&self.path, &self.options)?);
        }
        Ok(lent)
    }
}

/// A connection that returns to its pool, and the place in the pool even without one.
struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Lent<'_> {
    fn read<T, E: From<crate::Error>>(
        &self,
        read: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let connection = self.connection.as_ref().expect("a lent place has a connection");
        let snapshot = connection.unchecked_transaction().map_err(crate::Error::from)?;
        read(&snapshot)
    }
}

impl Pool {
    /// A connection that nobody uses.
    fn lend_idle(&mut self) -> Option<Connection> {
        let idle = self.idle.pop();
        self.in_use += usize::from(idle.is_some());
        idle
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool();
        pool.in_use -= 1;
        pool.idle.extend(self.connection.take());
        self.readers.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, connection::open_writer};

    #[test]
    fn readers_wait_for_their_turn_and_connections_are_used_again() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let options = Options { readers: 2, ..Options::new(Durability::Normal) };
        open_writer(&path, &options)?.execute_batch("CREATE TABLE a (x); INSERT INTO a VALUES (1)")?;
        let readers = Readers::new(&path, &options);
        let most = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let read = readers.read(|connection| {
                        let mut most = most.lock().expect("no reader panics");
                        *most = readers.pool().in_use.max(*most);
                        Ok::<i64, crate::Error>(connection.query_row("SELECT x FROM a", [], |row| row.get(0))?)
                    });
                    assert_eq!(read.ok(), Some(1));
                });
            }
        });
        assert!(*most.lock().expect("no reader panics") <= 2);
        let pool = readers.pool();
        assert!(pool.in_use == 0 && (1..=2).contains(&pool.idle.len()));
        Ok(())
    }

    #[test]
    fn a_reader_cannot_write_and_a_failed_open_gives_its_place_back() -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let options = Options { readers: 1, ..Options::new(Durability::Normal) };
        let readers = Readers::new(&path, &options);
        assert!(readers.read(|_| Ok::<(), crate::Error>(())).is_err());
        open_writer(&path, &options)?.execute_batch("CREATE TABLE a (x)")?;
        let wrote = readers.read(|c| Ok::<_, crate::Error>(c.execute("INSERT INTO a VALUES (1)", [])?));
        assert!(wrote.is_err());
        Ok(())
    }
}
