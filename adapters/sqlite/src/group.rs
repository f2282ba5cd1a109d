//! The open group of the one writer: everything until [`Group::commit`] is one transaction.

use crate::Result;
use rusqlite::Connection;
use std::{
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The writer's connection with a transaction open. Dropped without a commit, it leaves nothing.
#[derive(Debug)]
pub struct Group<'a> {
    connection: MutexGuard<'a, Connection>,
}

impl<'a> Group<'a> {
    /// Waits for its turn and opens a transaction.
    pub(crate) fn begin(writer: &'a Mutex<Connection>) -> Result<Self> {
        // Whoever panicked here rolled its transaction back while unwinding.
        let connection = writer.lock().unwrap_or_else(PoisonError::into_inner);
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self { connection })
    }

    /// Makes the group durable.
    ///
    /// # Errors
    /// If SQLite fails; nothing of the group is kept then.
    pub fn commit(self) -> Result<()> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Deref for Group<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            // If even this fails, the next group can't begin and says so.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}
