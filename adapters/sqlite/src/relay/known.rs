//! What is stored, as far as decisions ask. The open group is part of it.

use super::optional;
use crate::{Error, Result};
use nexus_model::Seq;
use nexus_nostr::{Event, EventId, PublicKey, Seconds, nip::nip09::Address};
use nexus_relay::{
    decide::{Known, Row},
    market::Job,
};
use rusqlite::{Connection, Params};
use std::sync::Arc;

/// The stored state, seen through one connection.
pub(super) struct Stored<'a>(pub(super) &'a Connection);

impl Known for Stored<'_> {
    type Error = Error;

    fn by_id(&self, id: &EventId) -> Result<Option<Row>> {
        self.row("SELECT seq, json FROM event WHERE id = ?", (id.as_bytes(),))
    }

    fn version(&self, address: &Address) -> Result<Option<Row>> {
        let key = (address.pubkey.as_bytes(), address.kind.get(), &address.d);
        self.row("SELECT seq, json FROM event WHERE pubkey = ? AND kind = ? AND d = ?", key)
    }

    fn deleters(&self, id: &EventId) -> Result<Vec<PublicKey>> {
        let mut statement = self.0.prepare_cached("SELECT pubkey FROM deleted_event WHERE id = ?")?;
        let keys = statement.query_map((id.as_bytes(),), |row| row.get(0).map(PublicKey::from_bytes))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    fn deleted_until(&self, address: &Address) -> Result<Option<Seconds>> {
        let key = (address.kind.get(), address.pubkey.as_bytes(), &address.d);
        self.moment("SELECT until FROM deleted_address WHERE kind = ? AND pubkey = ? AND d = ?", key)
    }

    fn vanished_until(&self, author: &PublicKey) -> Result<Option<Seconds>> {
        self.moment("SELECT until FROM vanished WHERE pubkey = ?", (author.as_bytes(),))
    }

    fn job(&self, id: &EventId) -> Result<Option<Job>> {
        let sql = "SELECT json FROM job WHERE id = ?";
        let json = self.0.prepare_cached(sql)?.query_row((id.as_bytes(),), |row| row.get::<_, String>(0));
        optional(json)?.map(|json| job(&json)).transpose()
    }
}

impl Stored<'_> {
    fn row(&self, sql: &str, key: impl Params) -> Result<Option<Row>> {
        let found = self.0.prepare_cached(sql)?.query_row(key, |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        optional(found)?.map(|(seq, json)| Ok(Row { seq: position(seq), event: Arc::new(event(&json)?) })).transpose()
    }

    fn moment(&self, sql: &str, key: impl Params) -> Result<Option<Seconds>> {
        optional(self.0.prepare_cached(sql)?.query_row(key, |row| row.get(0).map(Seconds::new)))
    }
}

pub(super) const fn position(seq: i64) -> Seq {
    Seq::new(seq.unsigned_abs())
}

pub(super) fn event(json: &str) -> Result<Event> {
    Event::parse(json).map_err(|error| Error::Damaged(format!("an event: {error}")))
}

pub(super) fn job(json: &str) -> Result<Job> {
    serde_json::from_str(json).map_err(|error| Error::Damaged(format!("a job: {error}")))
}
