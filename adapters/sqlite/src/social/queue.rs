//! Notifications, the retry queue, dead letters and source cursors: what is neither object nor edge.

use super::{
    codec::{Cells, operation_number},
    session::Session,
};
use crate::{Error, Group, Result};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    effects::{RetryChange, RetryReason, RetryRow, SourceCursor, SourceLog},
    notification::Notified,
    query::{Page, Position, ScoreRange},
};
use rusqlite::{Connection, params};
use std::{ops::Deref, sync::Arc};

const RETRY: &str = "uri, operation, homeserver, attempts, due, waits_for, error";

fn retry_row(cells: Cells<'_>) -> Result<RetryRow> {
    let waits_for = cells.str_or_null(5)?;
    Ok(RetryRow {
        uri: cells.str(0)?.into(),
        operation: cells.operation(1)?,
        homeserver: cells.str(2)?.into(),
        attempts: u32::try_from(cells.count(3)?).unwrap_or(u32::MAX),
        due: cells.time(4)?,
        reason: waits_for.map_or(RetryReason::Transient, |on| RetryReason::Dependency(on.into())),
        error: cells.text(6)?,
    })
}

/// The 16 bytes under which a notification with this key is stored.
pub(super) fn notification_id(key: &str) -> Vec<u8> {
    u128::from_str_radix(key, 16).map_or_else(|_| Vec::new(), |number| number.to_be_bytes().to_vec())
}

/// A notification from `time, body`, which begin at `at`.
pub(super) fn notified(cells: Cells<'_>, at: usize, receiver: PubkyId) -> Result<Notified> {
    let body = cells.json(at + 1)?.ok_or_else(|| Error::Damaged("a notification without a body".into()))?;
    Ok(Notified { receiver, body, time: cells.time(at)? })
}

/// A part of a list as `LIMIT` and `OFFSET`.
fn window(page: Page) -> (i64, i64) {
    let clamp = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    (clamp(page.limit), clamp(page.skip))
}

impl<C: Deref<Target = Connection>> Session<'_, C> {
    pub(super) fn retry_row(&self, uri: &str) -> Result<Option<RetryRow>> {
        self.one(&format!("SELECT {RETRY} FROM retries WHERE uri = ?1"), [uri], retry_row)
    }

    pub(super) fn retries_for(&self, uri: &str, limit: usize) -> Result<Vec<RetryRow>> {
        let sql = format!("SELECT {RETRY} FROM retries WHERE waits_for = ?1 ORDER BY due, uri LIMIT ?2");
        self.all(&sql, params![uri, i64::try_from(limit).unwrap_or(i64::MAX)], retry_row)
    }

    pub(super) fn retries_due(&self, now: Timestamp, page: Page) -> Result<Vec<RetryRow>> {
        let sql = format!("SELECT {RETRY} FROM retries WHERE due <= ?1 ORDER BY due, uri LIMIT ?2 OFFSET ?3");
        let (limit, skip) = window(page);
        self.all(&sql, params![now.millis(), limit, skip], retry_row)
    }

    pub(super) fn dead_page(&self, page: Page) -> Result<Vec<RetryRow>> {
        let sql = format!("SELECT {RETRY} FROM dead_letters ORDER BY n DESC LIMIT ?1 OFFSET ?2");
        let (limit, skip) = window(page);
        self.all(&sql, params![limit, skip], retry_row)
    }

    pub(super) fn notification_page(
        &self,
        receiver: &PubkyId,
        range: ScoreRange,
        after: Option<&Position>,
        page: Page,
    ) -> Result<Vec<Notified>> {
        let sql = "SELECT time, body FROM notifications WHERE receiver = ?1 AND time BETWEEN ?2 AND ?3 \
                   AND (?6 IS NULL OR time < ?6 OR body < ?7) ORDER BY time DESC, body DESC LIMIT ?4 OFFSET ?5";
        let (limit, skip) = window(page);
        let (time, body) = after.map(|after| (after.score, &*after.member)).unzip();
        // Nothing after that one is newer, so what is left to compare are those of its time.
        let newest = time.map_or(range.max, |time| range.max.min(time));
        let params = params![self.number_or_none(receiver)?, range.min, newest, limit, skip, time, body];
        self.all(sql, params, |c| notified(c, 0, *receiver))
    }

    pub(super) fn each_notification(&self, sink: &mut dyn FnMut(Notified)) -> Result<()> {
        let sql = "SELECT k.id, n.time, n.body FROM notifications n JOIN keys k ON k.n = n.receiver \
                   ORDER BY k.id, n.time, n.body";
        self.each(sql, [], |c| {
            sink(notified(c, 1, c.user(0)?)?);
            Ok(())
        })
    }

    pub(super) fn cursor_of(&self, log: &SourceLog) -> Result<Option<u64>> {
        let (homeserver, user) = match log {
            SourceLog::Homeserver(homeserver) => (homeserver, 0),
            SourceLog::User { homeserver, user } => (homeserver, self.number_or_none(user)?),
        };
        let sql = "SELECT cursor FROM cursors WHERE homeserver = ?1 AND user = ?2";
        self.one(sql, params![&**homeserver, user], |c| c.count(0))
    }

    pub(super) fn every_cursor(&self) -> Result<Vec<SourceCursor>> {
        let sql = "SELECT c.homeserver, c.cursor, k.id FROM cursors c LEFT JOIN keys k ON k.n = c.user";
        self.all(sql, [], |c| {
            let homeserver: Arc<str> = c.str(0)?.into();
            let log = match c.str_or_null(2)? {
                None => SourceLog::Homeserver(homeserver),
                Some(_) => SourceLog::User { homeserver, user: c.user(2)? },
            };
            Ok(SourceCursor { log, cursor: c.count(1)? })
        })
    }
}

impl<'a> Session<'a, Group<'a>> {
    pub(super) fn apply_retry(&self, change: &RetryChange) -> Result<()> {
        match change {
            RetryChange::Put(row) => self.put_retry("INSERT OR REPLACE INTO retries", row),
            RetryChange::Remove(uri) => self.run("DELETE FROM retries WHERE uri = ?1", [&**uri]).map(drop),
            RetryChange::Bury(row) => {
                self.run("DELETE FROM retries WHERE uri = ?1", [&*row.uri])?;
                self.run("DELETE FROM dead_letters WHERE uri = ?1", [&*row.uri])?;
                self.put_retry("INSERT INTO dead_letters", row)
            }
            RetryChange::Release { on, due } => {
                self.run("UPDATE retries SET due = ?2 WHERE waits_for = ?1", params![&**on, due.millis()]).map(drop)
            }
            RetryChange::Revive { uri, due } => self.revive(uri.as_deref(), *due),
        }
    }

    fn put_retry(&self, insert: &str, row: &RetryRow) -> Result<()> {
        let waits_for = match &row.reason {
            RetryReason::Dependency(on) => Some(&**on),
            RetryReason::Transient => None,
        };
        let params = params![
            &*row.uri,
            operation_number(row.operation),
            &*row.homeserver,
            row.attempts,
            row.due.millis(),
            waits_for,
            row.error
        ];
        self.run(&format!("{insert} ({RETRY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"), params).map(drop)
    }

    fn revive(&self, uri: Option<&str>, due: Timestamp) -> Result<()> {
        let revived = format!(
            "INSERT OR IGNORE INTO retries ({RETRY}) SELECT uri, operation, homeserver, 0, ?2, waits_for, error \
             FROM dead_letters WHERE ?1 IS NULL OR uri = ?1"
        );
        self.run(&revived, params![uri, due.millis()])?;
        self.run("DELETE FROM dead_letters WHERE ?1 IS NULL OR uri = ?1", [uri]).map(drop)
    }

    pub(super) fn put_notification(&self, notified: &Notified) -> Result<()> {
        let sql = "INSERT INTO notifications (receiver, id, time, body) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (receiver, id) DO UPDATE SET time = excluded.time";
        let id = notification_id(&notified.body.key());
        let params = params![self.intern(&notified.receiver)?, id, notified.time.millis(), notified.body.to_json()];
        self.run(sql, params).map(drop)
    }

    pub(super) fn put_cursor(&self, cursor: &SourceCursor) -> Result<()> {
        let (homeserver, user) = match &cursor.log {
            SourceLog::Homeserver(homeserver) => (homeserver, 0),
            SourceLog::User { homeserver, user } => (homeserver, self.intern(user)?),
        };
        let number = i64::try_from(cursor.cursor).unwrap_or(i64::MAX);
        let sql = "INSERT OR REPLACE INTO cursors (homeserver, user, cursor) VALUES (?1, ?2, ?3)";
        self.run(sql, params![&**homeserver, user, number]).map(drop)
    }
}
