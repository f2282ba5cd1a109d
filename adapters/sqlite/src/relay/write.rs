//! Writing: decisions carried out in the open group.

use super::{
    draft::Draft,
    glance::Head,
    group::OpenGroup,
    index::{Snapshot, age, key},
    known::{Stored, job, job_of},
    near::NearEvent,
    rows::{self, number},
    standing,
};
use crate::{Error, Result};
use nexus_model::Seq;
use nexus_nostr::{
    Event, EventId, Kind, PublicKey, Seconds, TagName,
    nip::{nip09::Address, nip59, nip90},
};
use nexus_relay::{
    decide::{Decision, Effects, Tombstone, decide},
    index::Term,
    market::{self, Job, Mark, Tally},
    ports::{Entry, Outcome, RemovalReason, StoredEvent},
};
use roaring::RoaringTreemap;
use rusqlite::{Connection, Params};
use std::sync::Arc;

/// The open group, with the journal's newest position.
pub(super) struct Writer<'a> {
    pub(super) connection: &'a Connection,
    pub(super) index: &'a Snapshot,
    pub(super) open: OpenGroup,
    pub(super) last: u64,
    /// True if there is something to commit.
    pub(super) is_changed: bool,
}

impl Writer<'_> {
    /// To be called before the group is committed.
    pub(super) fn finish(&mut self) -> Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        self.open.drop_removed();
        self.run("UPDATE journal SET last = ?", (number(self.last),))
    }

    pub(super) fn store(&mut self, draft: &Draft) -> Result<Outcome> {
        let known = Stored { connection: self.connection, index: self.index, open: &self.open };
        match decide(&known, &draft.prepared)? {
            Decision::Leave(outcome) => Ok(outcome),
            Decision::Store(effects) => {
                self.apply(effects)?;
                self.insert(draft).map(Outcome::Stored)
            }
        }
    }

    /// Removes the events at these positions that `concerned` agrees to, and gives their number.
    pub(super) fn remove_all(
        &mut self,
        seqs: &[u64],
        reason: RemovalReason,
        concerned: impl Fn(Option<Seconds>, &Event) -> bool,
    ) -> Result<u64> {
        let mut removed = 0;
        for seq in seqs {
            let read = |expires_at, json: &str| Ok((expires_at, rows::parse(json)?));
            if let Some((expires_at, event)) = rows::with(self.connection, *seq, read)?
                && concerned(expires_at, &event)
            {
                self.remove(*seq, &event.id, reason)?;
                if reason == RemovalReason::Expired {
                    self.expire(&event)?;
                }
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Forgets removed events of which the index has no entries left.
    pub(super) fn forget_gone(&mut self, purged: &RoaringTreemap) -> Result<()> {
        purged.iter().try_for_each(|event| self.run("DELETE FROM gone WHERE event = ?", (number(event),)))
    }

    fn apply(&mut self, effects: Effects) -> Result<()> {
        for (row, reason) in effects.removed {
            self.remove(row.seq.get(), &row.event.id, reason)?;
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
        self.mark(effects.marks)?;
        match effects.vanished {
            Some((author, until)) => self.vanish(author, until),
            None => Ok(()),
        }
    }

    fn insert(&mut self, draft: &Draft) -> Result<Seq> {
        let (event, seq) = (draft.prepared.event(), Seq::new(self.last + 1));
        self.last += 1;
        let expires_at = draft.prepared.expires_at().map(Seconds::get);
        let row = (number(self.last), draft.prepared.received_at().get(), expires_at, &*draft.json);
        self.run("INSERT INTO event VALUES (?, ?, ?, ?)", row)?;
        self.open.add(self.last, event.id, Address::of(event), &draft.entries);
        let stored = StoredEvent { seq, id: event.id, created_at: event.created_at, json: draft.json.clone() };
        self.open.journal.push(Entry::Created { stored, event: Arc::clone(event) });
        let head = Head { id: event.id, pubkey: event.pubkey, created_at: event.created_at, kind: event.kind };
        let (expires_at, json) = (draft.prepared.expires_at(), draft.json.clone());
        self.open.events.push((self.last, NearEvent { head, expires_at, json }));
        Ok(seq)
    }

    fn remove(&mut self, seq: u64, id: &EventId, reason: RemovalReason) -> Result<()> {
        self.run("DELETE FROM event WHERE seq = ?", (number(seq),))?;
        self.last += 1;
        self.open.removed.insert(seq);
        self.open.journal.push(Entry::Removed { seq: Seq::new(self.last), id: *id, reason });
        self.run("INSERT INTO gone VALUES (?)", (number(seq),))?;
        self.run("INSERT INTO removal VALUES (?, ?, ?)", (number(self.last), id.as_bytes(), reason as i64))
    }

    fn bury(&mut self, tombstone: Tombstone) -> Result<()> {
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

    /// Remembers of an event that it has expired: if it was the newest version at an address, or a request for a job.
    fn expire(&mut self, event: &Event) -> Result<()> {
        if let Some(address) = Address::of(event) {
            let key = (address.kind.get(), address.pubkey.as_bytes(), &address.d, event.created_at.get());
            self.run("INSERT OR REPLACE INTO expired_address VALUES (?, ?, ?, ?)", key)?;
        }
        if nip90::is_request(event.kind)
            && let Some(tally) = job_of(self.connection, &event.id)?.as_ref().and_then(Tally::expired)
        {
            self.count(&tally)?;
        }
        Ok(())
    }

    fn vanish(&mut self, author: PublicKey, until: Seconds) -> Result<()> {
        let sql = "INSERT INTO vanished VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)";
        self.run(sql, (author.as_bytes(), until.get()))?;
        let hex = author.to_string();
        let wraps = [Kind::GIFT_WRAP, Kind::EPHEMERAL_GIFT_WRAP].map(|kind| Term::TagKind(TagName::P, &hex, kind));
        let mut seqs = self.on_lists([Term::Author(author)].into_iter().chain(wraps), until)?;
        seqs.sort_unstable();
        seqs.dedup();
        self.remove_all(&seqs, RemovalReason::Vanished, |_, event| {
            event.pubkey == author || event.kind.is_gift_wrap() && nip59::is_recipient(event, &author)
        })?;
        self.forget_jobs(&author)
    }

    /// Where the events are that were written up to `until` and stand on one of the lists.
    fn on_lists<'t>(&self, lists: impl Iterator<Item = Term<'t>>, until: Seconds) -> Result<Vec<u64>> {
        let oldest = age(until);
        let keys: Vec<u64> = lists.map(key).collect();
        let mut seqs: Vec<u64> = keys.iter().flat_map(|key| self.open.on_list(*key, oldest)).collect();
        let mut walk = self.index.walk(keys, (oldest, u64::MAX))?;
        while let Some(entry) = walk.next()? {
            seqs.push(entry.seq());
        }
        Ok(seqs)
    }

    fn forget_jobs(&mut self, author: &PublicKey) -> Result<()> {
        for job in self.jobs("SELECT json FROM job WHERE customer = ?", author)? {
            self.mark(market::marks(Some(&job), None))?;
            for provider in job.providers.keys() {
                let key = (provider.as_bytes(), job.id.as_bytes());
                self.run("DELETE FROM job_provider WHERE pubkey = ? AND id = ?", key)?;
            }
        }
        self.run("DELETE FROM standing WHERE pubkey = ?", (author.as_bytes(),))?;
        self.run("DELETE FROM job WHERE customer = ?", (author.as_bytes(),))?;
        let sql = "SELECT j.json FROM job_provider p JOIN job j ON j.id = p.id WHERE p.pubkey = ?";
        for mut job in self.jobs(sql, author)? {
            job.forget_provider(author);
            self.write_job(&job)?;
        }
        self.run("DELETE FROM job_provider WHERE pubkey = ?", (author.as_bytes(),))
    }

    fn jobs(&self, sql: &str, of: &PublicKey) -> Result<Vec<Job>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_map((of.as_bytes(),), |row| row.get::<_, String>(0))?;
        found.map(|json| job(&json?)).collect()
    }

    /// Writes how all providers' jobs went, in place of what is known.
    pub(super) fn replace_standings(&mut self, marks: Vec<Mark>) -> Result<()> {
        self.is_changed = true;
        standing::replace(self.connection, marks)
    }

    /// Adds to what is known of providers.
    fn mark(&mut self, marks: Vec<Mark>) -> Result<()> {
        self.is_changed = true;
        standing::add(self.connection, marks)
    }

    pub(super) fn write_job(&mut self, job: &Job) -> Result<()> {
        let json = serde_json::to_string(job).map_err(|error| Error::Damaged(format!("a job: {error}")))?;
        let created_at = job.request.as_ref().map(|request| request.created_at.get());
        let customer = job.request.as_ref().map(|request| *request.customer.as_bytes());
        self.run("INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?)", (job.id.as_bytes(), created_at, customer, json))?;
        let sql = "INSERT INTO job_provider VALUES (?, ?, ?) \
                   ON CONFLICT DO UPDATE SET created_at = excluded.created_at WHERE created_at IS NOT excluded.created_at";
        for provider in job.providers.keys() {
            self.run(sql, (provider.as_bytes(), job.id.as_bytes(), created_at))?;
        }
        Ok(())
    }

    fn count(&mut self, tally: &Tally) -> Result<()> {
        let sum = "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET amount = amount + excluded.amount";
        let most = "INSERT INTO tally VALUES (?, ?, ?, ?) \
                    ON CONFLICT DO UPDATE SET amount = max(amount, excluded.amount)";
        let sql = if tally.counter.register().is_some() { most } else { sum };
        let amount = i64::try_from(tally.amount).unwrap_or(i64::MAX / 2);
        self.run(sql, (tally.day, tally.kind.get(), tally.counter.name(), amount))
    }

    /// Runs a statement, and gives the number of rows that it changed.
    pub(super) fn run_counted(&mut self, sql: &str, row: impl Params) -> Result<u64> {
        self.is_changed = true;
        Ok(self.connection.prepare_cached(sql)?.execute(row)? as u64)
    }

    /// Runs a statement.
    pub(super) fn run(&mut self, sql: &str, row: impl Params) -> Result<()> {
        self.run_counted(sql, row).map(drop)
    }
}
