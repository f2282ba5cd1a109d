//! A connection as the social tables use it: short ways to ask, and users by number.

use super::{codec::Cells, keys::Keys};
use crate::Result;
use nexus_pubky::PubkyId;
use rusqlite::{Connection, Params};
use std::{cell::RefCell, ops::Deref, sync::MutexGuard};

/// A reader's snapshot or the writer's group.
pub(super) struct Session<'a, C> {
    connection: C,
    /// The writer has numbers at hand.
    keys: Option<RefCell<MutexGuard<'a, Keys>>>,
}

impl<'a> Session<'a, &'a Connection> {
    pub(super) const fn of_reader(connection: &'a Connection) -> Self {
        Self { connection, keys: None }
    }
}

impl<'a> Session<'a, crate::Group<'a>> {
    pub(super) fn of_writer(connection: crate::Group<'a>, mut keys: MutexGuard<'a, Keys>) -> Self {
        keys.begin();
        Self { connection, keys: Some(RefCell::new(keys)) }
    }

    pub(super) fn commit(self) -> Result<()> {
        self.connection.commit()?;
        if let Some(keys) = &self.keys {
            keys.borrow_mut().committed();
        }
        Ok(())
    }

    /// The number of a user, given now if there is none yet.
    pub(super) fn intern(&self, id: &PubkyId) -> Result<i64> {
        if let Some(number) = self.number(id)? {
            return Ok(number);
        }
        self.run("INSERT INTO keys (id) VALUES (?1)", [id.as_str()])?;
        let number = self.connection.last_insert_rowid();
        if let Some(keys) = &self.keys {
            keys.borrow_mut().given(id, number);
        }
        Ok(number)
    }
}

impl<C: Deref<Target = Connection>> Session<'_, C> {
    /// Runs a statement and gives how many rows it changed.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// The first row, if any.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(Cells<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(|row| read(Cells::of(row))).transpose()
    }

    /// Hands each row to `take`.
    pub(super) fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut take: impl FnMut(Cells<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            take(Cells::of(row))?;
        }
        Ok(())
    }

    /// Every row.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(Cells<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, params, |cells| {
            all.push(read(cells)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// True if there is a row.
    pub(super) fn exists(&self, sql: &str, params: impl Params) -> Result<bool> {
        Ok(self.one(sql, params, |_| Ok(()))?.is_some())
    }

    /// The number of a user, if one was ever given.
    pub(super) fn number(&self, id: &PubkyId) -> Result<Option<i64>> {
        if let Some(number) = self.keys.as_ref().and_then(|keys| keys.borrow().get(id)) {
            return Ok(Some(number));
        }
        let found = self.one("SELECT n FROM keys WHERE id = ?1", [id.as_str()], |cells| cells.int(0))?;
        if let (Some(keys), Some(number)) = (&self.keys, found) {
            keys.borrow_mut().found(id, number);
        }
        Ok(found)
    }

    /// The number of a user, or one that nobody has: a lookup by it finds nothing.
    pub(super) fn number_or_none(&self, id: &PubkyId) -> Result<i64> {
        Ok(self.number(id)?.unwrap_or(-1))
    }
}
