//! What becomes of a verified event, given what is stored: the one place where replacing, deleting, vanishing
//! and expiring is decided. Pure: a store shows what it has through [`Known`], the uncommitted group included,
//! and carries out the [`Effects`] in the same transaction.

use crate::{
    market::{self, Job, Mark, Tally},
    ports::{Outcome, PreparedEvent, RemovalReason},
};
use nexus_model::Seq;
use nexus_nostr::{
    Event, EventId, Kind, PublicKey, Seconds,
    nip::{
        nip09::{self, Address},
        nip59, nip90,
    },
};
use std::sync::Arc;

/// What a store has, as far as a decision asks.
pub trait Known {
    /// Why the store can't say.
    type Error;

    /// The event `id`.
    fn by_id(&self, id: &EventId) -> Result<Option<Row>, Self::Error>;

    /// The version that is kept at `address`.
    fn version(&self, address: &Address) -> Result<Option<Row>, Self::Error>;

    /// Who asked for the deletion of `id`, whether they might or not.
    fn deleters(&self, id: &EventId) -> Result<Vec<PublicKey>, Self::Error>;

    /// Up to when versions at `address` are deleted.
    fn deleted_until(&self, address: &Address) -> Result<Option<Seconds>, Self::Error>;

    /// When the newest version at `address` that has expired was written.
    fn expired_until(&self, address: &Address) -> Result<Option<Seconds>, Self::Error>;

    /// Up to when the author vanished.
    fn vanished_until(&self, author: &PublicKey) -> Result<Option<Seconds>, Self::Error>;

    /// The job that the request `id` opened.
    fn job(&self, id: &EventId) -> Result<Option<Job>, Self::Error>;
}

/// A stored event.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its position.
    pub seq: Seq,
    /// The event.
    pub event: Arc<Event>,
}

/// What is to be done with an event.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing. The outcome says why.
    Leave(Outcome),
    /// Store it, and do this besides.
    Store(Effects),
}

/// What the storing of one event changes besides.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Events to remove, with everything derived from them.
    pub removed: Vec<(Row, RemovalReason)>,
    /// Deletions to remember, for events that come later or come again.
    pub tombstones: Vec<Tombstone>,
    /// An author who vanishes: their events up to that moment are to be removed, and the gift wraps for them.
    pub vanished: Option<(PublicKey, Seconds)>,
    /// Jobs to write.
    pub jobs: Vec<Job>,
    /// What to count.
    pub tallies: Vec<Tally>,
    /// What to count for providers.
    pub marks: Vec<Mark>,
}

/// A deletion that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tombstone {
    /// `author` wants this event gone.
    Event {
        /// The event.
        id: EventId,
        /// Who deleted it.
        author: PublicKey,
    },
    /// Versions at this address up to that moment are gone.
    Address {
        /// The address.
        address: Address,
        /// The newest moment concerned.
        until: Seconds,
    },
}

/// Decides about `prepared`.
///
/// # Errors
/// Only those of the store.
pub fn decide<K: Known>(known: &K, prepared: &PreparedEvent) -> Result<Decision, K::Error> {
    let event = prepared.event();
    if prepared.expires_at().is_some_and(|end| end <= prepared.received_at()) {
        return Ok(Decision::Leave(Outcome::Expired));
    }
    if known.by_id(&event.id)?.is_some() {
        return Ok(Decision::Leave(Outcome::Duplicate));
    }
    if is_vanished(known, event)? {
        return Ok(Decision::Leave(Outcome::Vanished));
    }
    if is_deleted(known, event)? {
        return Ok(Decision::Leave(Outcome::Deleted));
    }
    if is_over(known, prepared)? {
        return Ok(Decision::Leave(Outcome::Expired));
    }
    let mut effects = Effects::default();
    if let Some(address) = Address::of(event) {
        let before = known.version(&address)?;
        if before.as_ref().is_some_and(|row| !event.supersedes(row.event.created_at, &row.event.id))
            || known.expired_until(&address)?.is_some_and(|until| event.created_at <= until)
        {
            return Ok(Decision::Leave(Outcome::Superseded));
        }
        effects.removed.extend(before.map(|row| (row, RemovalReason::Replaced)));
    }
    match event.kind {
        Kind::DELETION => delete(known, event, &mut effects)?,
        Kind::VANISH => effects.vanished = Some((event.pubkey, event.created_at)),
        _ => follow_job(known, prepared, &mut effects)?,
    }
    Ok(Decision::Store(effects))
}

/// True if `event` was written by someone who has vanished since, or is a gift wrap for them.
fn is_vanished<K: Known>(known: &K, event: &Event) -> Result<bool, K::Error> {
    let before = |author: &PublicKey| {
        let until = known.vanished_until(author)?;
        Ok(until.is_some_and(|until| event.created_at <= until))
    };
    if before(&event.pubkey)? {
        return Ok(true);
    }
    if event.kind.is_gift_wrap() {
        for recipient in nip59::recipients(event) {
            if before(&recipient)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn is_deleted<K: Known>(known: &K, event: &Event) -> Result<bool, K::Error> {
    if known.deleters(&event.id)?.iter().any(|author| nip09::may_delete(author, event)) {
        return Ok(true);
    }
    let Some(address) = Address::of(event) else {
        return Ok(false);
    };
    Ok(known.deleted_until(&address)?.is_some_and(|until| event.created_at <= until))
}

/// True for a request whose job has run out: who sends it again doesn't open the job again.
fn is_over<K: Known>(known: &K, prepared: &PreparedEvent) -> Result<bool, K::Error> {
    if !nip90::is_request(prepared.event().kind) {
        return Ok(false);
    }
    let job = known.job(&prepared.event().id)?;
    let end = job.and_then(|job| job.request).and_then(|request| request.expires_at);
    Ok(end.is_some_and(|end| end <= prepared.received_at()))
}

/// A deletion by id takes effect whatever the times say, one by address up to its own time. (NIP-09)
fn delete<K: Known>(known: &K, deletion: &Event, effects: &mut Effects) -> Result<(), K::Error> {
    for id in nip09::event_ids(deletion) {
        cancel_job(known, &id, &deletion.pubkey, effects)?;
        if let Some(row) = known.by_id(&id)? {
            if !nip09::may_delete(&deletion.pubkey, &row.event) {
                continue;
            }
            remove_once(effects, row);
        }
        effects.tombstones.push(Tombstone::Event { id, author: deletion.pubkey });
    }
    for address in nip09::addresses(deletion) {
        if let Some(row) = known.version(&address)?
            && row.event.created_at <= deletion.created_at
        {
            remove_once(effects, row);
        }
        effects.tombstones.push(Tombstone::Address { address, until: deletion.created_at });
    }
    Ok(())
}

fn remove_once(effects: &mut Effects, row: Row) {
    if effects.removed.iter().all(|(removed, _)| removed.seq != row.seq) {
        effects.removed.push((row, RemovalReason::Deleted));
    }
}

/// Cancels the job of the request `id`, if `author` is the customer; also when the request itself has expired.
fn cancel_job<K: Known>(known: &K, id: &EventId, author: &PublicKey, effects: &mut Effects) -> Result<(), K::Error> {
    let Some(mut job) = known.job(id)? else { return Ok(()) };
    let is_repeated = job.cancelled || effects.jobs.iter().any(|cancelled| cancelled.id == *id);
    if let Some(request) = job.request.as_ref().filter(|request| request.customer == *author && !is_repeated) {
        effects.tallies.push(Tally::cancelled(request));
        job.cancel();
        effects.jobs.push(job);
    }
    Ok(())
}

/// Requests open jobs, results and feedback move them; whichever comes first.
fn follow_job<K: Known>(known: &K, prepared: &PreparedEvent, effects: &mut Effects) -> Result<(), K::Error> {
    let event = prepared.event();
    let Some(id) = Job::concerned(event) else {
        return Ok(());
    };
    let before = known.job(&id)?;
    let mut job = before.clone().unwrap_or_else(|| Job::new(id));
    let latency = job.apply(prepared);
    effects.tallies.extend(Tally::of(event, &job, prepared.received_at(), latency));
    effects.marks = market::marks(before.as_ref(), Some(&job));
    effects.jobs.push(job);
    Ok(())
}
