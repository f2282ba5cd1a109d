//! What is stored, as far as decisions ask. The open group is part of it.

use super::{
    group::OpenGroup,
    index::{Snapshot, key},
    optional, rows,
};
use crate::{Error, Result};
use nexus_nostr::{EventId, PublicKey, Seconds, nip::nip09::Address};
use nexus_relay::{
    decide::{Known, Row},
    index::Term,
    market::Job,
};
use rusqlite::{Connection, Params};
use std::sync::Arc;

/// The stored state, seen by the writer.
pub(super) struct Stored<'a> {
    pub(super) connection: &'a Connection,
    pub(super) index: &'a Snapshot,
    pub(super) open: &'a OpenGroup,
}

impl Known for Stored<'_> {
    type Error = Error;

    fn by_id(&self, id: &EventId) -> Result<Option<Row>> {
        let seq = match self.open.find(id) {
            Some(seq) => Some(seq),
            None => self.index.find(id)?.filter(|seq| !self.open.is_removed(*seq)),
        };
        seq.map_or(Ok(None), |seq| self.row(seq))
    }

    fn version(&self, address: &Address) -> Result<Option<Row>> {
        if let Some(seq) = self.open.version(address) {
            return self.row(seq);
        }
        let list = key(Term::Version(address.pubkey, address.kind, &address.d));
        let mut walk = self.index.walk([list], (0, u64::MAX))?;
        while let Some(entry) = walk.next()? {
            if self.open.is_removed(entry.seq()) {
                continue;
            }
            let row = self.row(entry.seq())?;
            // Two addresses may have the same list.
            if let Some(row) = row.filter(|row| Address::of(&row.event).as_ref() == Some(address)) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn deleters(&self, id: &EventId) -> Result<Vec<PublicKey>> {
        let mut statement = self.connection.prepare_cached("SELECT pubkey FROM deleted_event WHERE id = ?")?;
        let keys = statement.query_map((id.as_bytes(),), |row| row.get(0).map(PublicKey::from_bytes))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    fn deleted_until(&self, address: &Address) -> Result<Option<Seconds>> {
        let key = (address.kind.get(), address.pubkey.as_bytes(), &address.d);
        self.moment("SELECT until FROM deleted_address WHERE kind = ? AND pubkey = ? AND d = ?", key)
    }

    fn expired_until(&self, address: &Address) -> Result<Option<Seconds>> {
        let key = (address.kind.get(), address.pubkey.as_bytes(), &address.d);
        self.moment("SELECT until FROM expired_address WHERE kind = ? AND pubkey = ? AND d = ?", key)
    }

    fn vanished_until(&self, author: &PublicKey) -> Result<Option<Seconds>> {
        self.moment("SELECT until FROM vanished WHERE pubkey = ?", (author.as_bytes(),))
    }

    fn job(&self, id: &EventId) -> Result<Option<Job>> {
        job_of(self.connection, id)
    }
}

impl Stored<'_> {
    fn row(&self, seq: u64) -> Result<Option<Row>> {
        let row = rows::event(self.connection, seq)?;
        Ok(row.map(|event| Row { seq: nexus_model::Seq::new(seq), event: Arc::new(event) }))
    }

    fn moment(&self, sql: &str, key: impl Params) -> Result<Option<Seconds>> {
        optional(self.connection.prepare_cached(sql)?.query_row(key, |row| row.get(0).map(Seconds::new)))
    }
}

/// The job that the request `id` opened.
pub(super) fn job_of(connection: &Connection, id: &EventId) -> Result<Option<Job>> {
    let sql = "SELECT json FROM job WHERE id = ?";
    let json = connection.prepare_cached(sql)?.query_row((id.as_bytes(),), |row| row.get::<_, String>(0));
    optional(json)?.map(|json| job(&json)).transpose()
}

pub(super) fn job(json: &str) -> Result<Job> {
    serde_json::from_str(json).map_err(|error| Error::Damaged(format!("a job: {error}")))
}
