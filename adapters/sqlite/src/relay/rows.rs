//! Rows of events: reading them, and what their text tells without being read whole.

use super::near::Near;
use crate::{Error, Result};
use nexus_model::Seq;
use nexus_nostr::{Event, Seconds};
use rusqlite::Connection;

/// Where a scan reads events.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) connection: &'a Connection,
    /// Those in memory, as long as nothing was removed since the scan's snapshot.
    pub(super) near: Option<&'a Near>,
}

impl<'a> Rows<'a> {
    /// In the file alone.
    pub(super) const fn of(connection: &'a Connection) -> Self {
        Self { connection, near: None }
    }
}

/// Shows `read` the row at `seq`: when it expires, and its JSON. `None` if there is none.
pub(super) fn with<T>(
    connection: &Connection,
    seq: u64,
    read: impl FnOnce(Option<Seconds>, &str) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached("SELECT expires_at, json FROM event WHERE seq = ?")?;
    let mut rows = statement.query((number(seq),))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let expires_at = row.get::<_, Option<i64>>(0)?.map(Seconds::new);
    let json = row.get_ref(1)?.as_str().map_err(|_| Error::Damaged("an event is no text".to_owned()))?;
    read(expires_at, json).map(Some)
}

/// The event at `seq`.
pub(super) fn event(connection: &Connection, seq: u64) -> Result<Option<Event>> {
    with(connection, seq, |_, json| parse(json))
}

/// Reads a stored event.
pub(super) fn parse(json: &str) -> Result<Event> {
    Event::parse(json).map_err(|error| Error::Damaged(format!("an event: {error}")))
}

pub(super) fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

pub(super) const fn position(seq: i64) -> Seq {
    Seq::new(seq.unsigned_abs())
}
