//! Writing: decisions carried out in the open group.

use super::known::{Stored, event};
use crate::{Error, Result};
use nexus_model::Seq;
use nexus_nostr::{Event, EventId, Kind, PublicKey, Seconds, TagName, nip::nip50};
use nexus_relay::{
    decide::{Decision, Effects, Tombstone, decide},
    market::{Job, Tally},
    ports::{Outcome, PreparedEvent, RemovalReason},
};
use rusqlite::{Connection, Params};

/// The open group, with the journal's newest position.
pub(super) struct Writer<'a> {
    connection: &'a Connection,
    last: i64,
    /// Whether content was removed.
    pub(super) removed: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(connection: &'a Connection) -> Result<Self> {
        let last = connection.prepare_cached("SELECT last FROM journal")?.query_row([], |row| row.get(0))?;
        Ok(Self { connection, last, removed: 0 })
    }

    /// To be called before the group is committed.
    pub(super) fn finish(self) -> Result<u64> {
        self.run("UPDATE journal SET last = ?", (self.last,))?;
        Ok(self.removed)
    }

    pub(super) fn store(&mut self, prepared: &PreparedEvent) -> Result<Outcome> {
        match decide(&Stored(self.connection), prepared)? {
            Decision::Leave(outcome) => Ok(outcome),
            Decision::Store(effects) => {
                self.apply(effects)?;
                self.insert(prepared).map(Outcome::Stored)
            }
        }
    }

    /// Removes the events that `sql` selects as seq and JSON, and gives their number.
    pub(super) fn remove_selected(&mut self, sql: &str, key: impl Params, reason: RemovalReason) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<rusqlite::Result<_>>()?;
        for (seq, json) in &rows {
            self.remove(*seq, &event(json)?, reason)?;
        }
        Ok(rows.len() as u64)
    }

    fn apply(&mut self, effects: Effects) -> Result<()> {
        for (row, reason) in effects.removed {
            self.remove(number(row.seq), &row.event, reason)?;
        }
        for tombstone in effects.tombstones {
            self.bury(tombstone)?;
        }
        for job in effects.jobs {
            self.write_job(&job)?;
        }
        for tally in effects.tallies {
            self.count(&tally)?;
        }
        match effects.vanished {
            Some((author, until)) => self.vanish(author, until),
            None => Ok(()),
        }
    }

    fn insert(&mut self, prepared: &PreparedEvent) -> Result<Seq> {
        let event = prepared.event();
        self.last += 1;
        let sql = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let expires_at = prepared.expires_at().map(Seconds::get);
        let row = (
            self.last,
            event.id.as_bytes(),
            event.pubkey.as_bytes(),
            event.kind.get(),
            event.created_at.get(),
            prepared.received_at().get(),
            expires_at,
            event.version_key(),
            event.to_json(),
        );
        self.run(sql, row)?;
        for (name, value) in event.tags.indexed() {
            let row = (name.letter(), tag_value(value), event.created_at.get(), event.id.as_bytes(), self.last);
            self.run("INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?, ?)", row)?;
        }
        if let Some(words) = words(event) {
            self.run("INSERT INTO words (rowid, text) VALUES (?, ?)", (self.last, words))?;
        }
        Ok(Seq::new(self.last.unsigned_abs()))
    }

    fn remove(&mut self, seq: i64, event: &Event, reason: RemovalReason) -> Result<()> {
        self.run("DELETE FROM event WHERE seq = ?", (seq,))?;
        if let Some(words) = words(event) {
            self.run("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (seq, words))?;
        }
        for (name, value) in event.tags.indexed() {
            let sql = "DELETE FROM tag WHERE name = ? AND value = ? AND created_at = ? AND id = ?";
            self.run(sql, (name.letter(), tag_value(value), event.created_at.get(), event.id.as_bytes()))?;
        }
        self.last += 1;
        self.removed += 1;
        self.run("INSERT INTO removal VALUES (?, ?, ?)", (self.last, event.id.as_bytes(), reason as i64))
    }

    fn bury(&self, tombstone: Tombstone) -> Result<()> {
        match tombstone {
            Tombstone::Event { id, author } => {
                self.run("INSERT OR IGNORE INTO deleted_event VALUES (?, ?)", (id.as_bytes(), author.as_bytes()))
            }
            Tombstone::Address { address, until } => {
                let sql = "INSERT INTO deleted_address VALUES (?, ?, ?, ?) \
                           ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
                self.run(sql, (address.kind.get(), address.pubkey.as_bytes(), address.d, until.get()))
            }
        }
    }

    fn vanish(&mut self, author: PublicKey, until: Seconds) -> Result<()> {
        let sql = "INSERT INTO vanished VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
        self.run(sql, (author.as_bytes(), until.get()))?;
        let own = "SELECT seq, json FROM event WHERE pubkey = ? AND created_at <= ?";
        self.remove_selected(own, (author.as_bytes(), until.get()), RemovalReason::Vanished)?;
        let wraps = "SELECT e.seq, e.json FROM tag t JOIN event e ON e.seq = t.seq \
                     WHERE t.name = ? AND t.value = ? AND t.created_at <= ? AND e.kind IN (?, ?)";
        let (wrap, ephemeral) = (Kind::GIFT_WRAP.get(), Kind::EPHEMERAL_GIFT_WRAP.get());
        let key = (TagName::P.letter(), tag_value(&author.to_string()), until.get(), wrap, ephemeral);
        self.remove_selected(wraps, key, RemovalReason::Vanished)?;
        self.forget_jobs(&author)
    }

    fn forget_jobs(&self, author: &PublicKey) -> Result<()> {
        self.run("DELETE FROM job_provider WHERE id IN (SELECT id FROM job WHERE customer = ?)", (author.as_bytes(),))?;
        self.run("DELETE FROM job WHERE customer = ?", (author.as_bytes(),))?;
        let sql = "SELECT j.json FROM job_provider p JOIN job j ON j.id = p.id WHERE p.pubkey = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let answered = statement.query_map((author.as_bytes(),), |row| row.get::<_, String>(0))?;
        for json in answered.collect::<rusqlite::Result<Vec<_>>>()? {
            let mut job = super::known::job(&json)?;
            job.forget_provider(author);
            self.write_job(&job)?;
        }
        self.run("DELETE FROM job_provider WHERE pubkey = ?", (author.as_bytes(),))
    }

    pub(super) fn write_job(&self, job: &Job) -> Result<()> {
        let json = serde_json::to_string(job).map_err(|error| Error::Damaged(format!("a job: {error}")))?;
        let created_at = job.request.as_ref().map(|request| request.created_at.get());
        let customer = job.request.as_ref().map(|request| *request.customer.as_bytes());
        self.run("INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?)", (job.id.as_bytes(), created_at, customer, json))?;
        for provider in job.providers.keys() {
            self.run("INSERT OR IGNORE INTO job_provider VALUES (?, ?)", (provider.as_bytes(), job.id.as_bytes()))?;
        }
        Ok(())
    }

    fn count(&self, tally: &Tally) -> Result<()> {
        let sql = "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount";
        let amount = i64::try_from(tally.amount).unwrap_or(i64::MAX / 2);
        self.run(sql, (tally.day, tally.kind.get(), tally.counter.as_str(), amount))
    }

    /// Runs a statement, and gives the number of rows that it changed.
    pub(super) fn run_counted(&self, sql: &str, row: impl Params) -> Result<u64> {
        Ok(self.connection.prepare_cached(sql)?.execute(row)? as u64)
    }

    fn run(&self, sql: &str, row: impl Params) -> Result<()> {
        self.run_counted(sql, row).map(drop)
    }
}

/// The words of an event by which it is found. They must be the same when it is removed.
fn words(event: &Event) -> Option<String> {
    nip50::searchable(event).map(|text| nip50::words(&text).join(" "))
}

/// A tag's value as it is stored: keys and ids take half the room of their digits.
pub(super) fn tag_value(value: &str) -> Vec<u8> {
    match value.parse::<EventId>() {
        Ok(bytes) => [&[1], bytes.as_bytes().as_slice()].concat(),
        Err(_) => [&[0], value.as_bytes()].concat(),
    }
}

fn number(seq: Seq) -> i64 {
    i64::try_from(seq.get()).unwrap_or(i64::MAX)
}
