//! How each provider's jobs went: sums, and the latest moment.

use super::known::job;
use crate::{Error, Result};
use nexus_nostr::PublicKey;
use nexus_relay::market::{Mark, Measure, Standing, Standings};
use rusqlite::Connection;

const SUM: &str = "INSERT INTO standing VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount";
const LATEST: &str =
    "INSERT INTO standing VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET amount = max(amount, excluded.amount)";

/// What is known of a provider.
pub(super) fn read(connection: &Connection, provider: &PublicKey) -> Result<Standing> {
    let mut statement = connection.prepare_cached("SELECT measure, amount FROM standing WHERE pubkey = ?")?;
    let mut rows = statement.query((provider.as_bytes(),))?;
    let mut standing = Standing::default();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let measure = Measure::parse(&name).ok_or_else(|| Error::Damaged(format!("measure {name:?}")))?;
        standing.add(measure, row.get(1)?);
    }
    Ok(standing)
}

/// Adds to what is known of providers.
pub(super) fn add(connection: &Connection, marks: impl IntoIterator<Item = Mark>) -> Result<()> {
    for mark in marks {
        let sql = if mark.measure == Measure::LastSeen { LATEST } else { SUM };
        connection.prepare_cached(sql)?.execute((mark.provider.as_bytes(), mark.measure.name(), mark.amount))?;
    }
    Ok(())
}

/// Writes how all providers' jobs went, in place of what is known.
pub(super) fn replace(connection: &Connection, marks: impl IntoIterator<Item = Mark>) -> Result<()> {
    connection.execute("DELETE FROM standing", ())?;
    add(connection, marks)
}

/// Counts all jobs that are there, in place of what is known.
pub(super) fn count_again(connection: &Connection) -> Result<()> {
    let mut standings = Standings::default();
    let mut statement = connection.prepare("SELECT json FROM job WHERE created_at IS NOT NULL")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        standings.count(&job(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    replace(connection, standings.marks())
}
