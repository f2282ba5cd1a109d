//! One filter, answered along its plan: entries in the order of time, each held against what the plan left open.

use super::{
    glance::{Glance, Head},
    index::{Entry, Ids, Snapshot, Walk, ages, key, short},
    near::NearEvent,
    rows::{self, Rows},
};
use crate::Result;
use nexus_model::Seq;
use nexus_nostr::{Event, EventId, Filter, Kind, PublicKey, Seconds};
use nexus_relay::{
    index::{Order, Plan, Rest, plan, score},
    ports::Scope,
};
use std::{collections::VecDeque, sync::Arc, time::Instant};

/// After how many entries the clock is looked at.
const LOOK: usize = 16;

/// The events that match a filter and that the viewer may see, one after the other.
pub(super) struct Scan {
    filter: Filter,
    scope: Scope,
    pub(super) order: Order,
    walk: Walk,
    kinds: Option<Vec<Kind>>,
    /// The first bytes of the authors.
    authors: Option<Vec<u32>>,
    rest: Rest,
    ids: Ids,
    /// The entry after those that are in `ready`.
    ahead: Option<Entry>,
    ready: VecDeque<Match>,
    seen: usize,
}

/// An event that matches.
pub(super) struct Match {
    pub(super) entry: Entry,
    /// Its row, if that was needed or wanted.
    pub(super) found: Option<Found>,
}

/// What was seen of an event.
pub(super) struct Found {
    pub(super) id: EventId,
    /// What its row told, if that was looked at.
    pub(super) seen: Option<Seen>,
}

impl Found {
    fn of(head: Head, worth: u64, json: Option<Arc<str>>) -> Self {
        Self { id: head.id, seen: Some(Seen { author: head.pubkey, json, worth }) }
    }
}

/// What the row of an event told.
pub(super) struct Seen {
    pub(super) author: PublicKey,
    /// Its JSON, if that was wanted.
    pub(super) json: Option<Arc<str>>,
    /// How well it answers what was searched for.
    pub(super) worth: u64,
}

/// What is wanted of each match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// That there is one. Events whose ids begin alike may change places.
    Entry,
    /// Its id.
    Id,
    /// All of it, held against the filter even where the index is certain.
    Event,
}

/// What a scan came to.
pub(super) enum Next {
    Match(Match),
    End,
    /// The time is over; there may be more.
    Pause,
}

impl Scan {
    /// Plans the scan. `None` if nothing can match.
    pub(super) fn begin(filter: &Filter, scope: &Scope, snapshot: &Snapshot) -> Result<Option<Self>> {
        let Some(plan) = plan(filter, snapshot) else { return Ok(None) };
        Self::along(&plan, filter, scope, snapshot).map(Some)
    }

    /// The scan that follows `plan`, which must be one for `filter`.
    pub(super) fn along(plan: &Plan<'_>, filter: &Filter, scope: &Scope, snapshot: &Snapshot) -> Result<Self> {
        let authors = plan.authors.map(|authors| {
            let mut authors: Vec<u32> = authors.iter().map(|author| short(author.as_bytes())).collect();
            authors.sort_unstable();
            authors
        });
        let (filter, scope) = (filter.clone(), scope.clone());
        // Few bytes of an author are no proof.
        let rest = if authors.is_some() { Rest::AskFilter } else { plan.rest };
        let walk = snapshot.walk(plan.lists.iter().map(|term| key(*term)), ages(&filter))?;
        let (kinds, order) = (plan.kinds.map(<[Kind]>::to_vec), plan.order);
        let (ids, ahead, ready) = (snapshot.ids(), None, VecDeque::new());
        Ok(Self { filter, scope, order, walk, kinds, authors, rest, ids, ahead, ready, seen: 0 })
    }

    /// The filter.
    pub(super) const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// How many entries were looked at.
    pub(super) const fn seen(&self) -> u64 {
        self.seen as u64
    }

    /// The next match.
    pub(super) fn next(&mut self, rows: Rows<'_>, wanted: Wanted, end: Instant) -> Result<Next> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Next::Match(ready));
            }
            self.seen += 1;
            if self.seen.is_multiple_of(LOOK) && Instant::now() >= end {
                return Ok(Next::Pause);
            }
            let Some(entry) = self.take_entry()? else { return Ok(Next::End) };
            if !self.may_match(entry) {
                continue;
            }
            let matching = self.check(rows, entry, wanted)?;
            if wanted == Wanted::Entry {
                self.ready.extend(matching);
            } else {
                self.gather(rows, entry, matching, wanted)?;
            }
        }
    }

    fn take_entry(&mut self) -> Result<Option<Entry>> {
        match self.ahead.take() {
            Some(entry) => Ok(Some(entry)),
            None => self.walk.next(),
        }
    }

    /// Brings events into the order of their ids whose first bytes are the same.
    fn gather(&mut self, rows: Rows<'_>, first: Entry, one: Option<Match>, wanted: Wanted) -> Result<()> {
        let mut alike: Vec<Match> = one.into_iter().collect();
        self.ahead = self.walk.next()?;
        while let Some(next) = self.ahead
            && next.is_twin_of(first)
        {
            if self.may_match(next) {
                alike.extend(self.check(rows, next, wanted)?);
            }
            self.ahead = self.walk.next()?;
        }
        alike.sort_by_key(|one| one.found.as_ref().map(|found| found.id));
        self.ready.extend(alike);
        Ok(())
    }

    /// What the entry alone tells.
    fn may_match(&self, entry: Entry) -> bool {
        self.scope.max_seq.is_none_or(|max| Seq::new(entry.seq()) <= max)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.binary_search(&entry.kind()).is_ok())
            && self.authors.as_ref().is_none_or(|authors| authors.binary_search(&entry.author()).is_ok())
    }

    fn check(&mut self, rows: Rows<'_>, entry: Entry, wanted: Wanted) -> Result<Option<Match>> {
        let must_look = self.scope.may_hide(entry.kind()) || self.rest == Rest::AskFilter || wanted == Wanted::Event;
        if !must_look && !entry.expires() && wanted == Wanted::Entry {
            return Ok(Some(Match { entry, found: None }));
        }
        if !must_look
            && !entry.expires()
            && let Some(id) = self.ids.get(entry.seq())?
        {
            return Ok(Some(Match { entry, found: Some(Found { id, seen: None }) }));
        }
        let found = self.read(rows, entry.seq(), wanted)?;
        Ok(found.map(|found| Match { entry, found: Some(found) }))
    }

    /// What is wanted of the event at `seq`, if there is one and it matches.
    fn read(&self, rows: Rows<'_>, seq: u64, wanted: Wanted) -> Result<Option<Found>> {
        let wants_all = wanted == Wanted::Event;
        if let Some(NearEvent { head, expires_at, json }) = rows.near.and_then(|near| near.get(seq)) {
            let worth = self.look(seq, expires_at, Glance::again(head, &json), &json)?;
            return Ok(worth.map(|worth| Found::of(head, worth, wants_all.then_some(json))));
        }
        let found = rows::with(rows.connection, seq, |expires_at, json| {
            let glance = Glance::at(json)?;
            let Some(worth) = self.look(seq, expires_at, glance, json)? else { return Ok(None) };
            let json: Option<Arc<str>> = wants_all.then(|| json.into());
            if let (Some(near), Some(json)) = (rows.near, &json) {
                near.add(seq, NearEvent { head: glance.head, expires_at, json: Arc::clone(json) });
            }
            Ok(Some(Found::of(glance.head, worth, json)))
        })?;
        Ok(found.flatten())
    }

    /// How well the event in `json` answers, if it matches and may be seen. It is read whole only if a glance doesn't
    /// tell.
    fn look(&self, seq: u64, expires_at: Option<Seconds>, glance: Glance<'_>, json: &str) -> Result<Option<u64>> {
        if !self.scope.covers(Seq::new(seq), expires_at) {
            return Ok(None);
        }
        let may_be_hidden = self.scope.may_hide(glance.head.kind);
        let seen = if may_be_hidden || self.order == Order::Score { None } else { glance.meets(&self.filter) };
        if let Some(matches) = seen {
            return Ok(matches.then_some(0));
        }
        let event = rows::parse(json)?;
        let matches = self.filter.matches(&event) && self.scope.allows(&event);
        Ok(matches.then(|| self.worth(&event)))
    }

    fn worth(&self, event: &Event) -> u64 {
        match (self.order, self.filter.search()) {
            (Order::Score, Some(query)) => score(query, event),
            _ => 0,
        }
    }
}
