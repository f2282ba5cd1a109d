//! Questions to the store: pages, counts, lists of ids and of positions, each from the scans of its filters.

use super::{
    index::Snapshot,
    near::Near,
    readers::Question,
    rows::Rows,
    scan::{Found, Match, Next, Scan, Seen, Wanted},
};
use crate::Result;
use nexus_model::Seq;
use nexus_nostr::{EventId, Filter, Seconds, nip::nip45::HyperLogLog};
use nexus_relay::{
    index::Order,
    ports::{Count, Page, Scope, StoredEvent},
};
use rusqlite::Connection;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

/// On how many lists a small question can depend.
const SMALL: usize = 512;

/// The scans of several filters, one after the other.
struct Scans {
    filters: Vec<Filter>,
    scope: Scope,
    waiting: VecDeque<Option<Scan>>,
}

impl Scans {
    fn new(filters: &[Filter], scope: &Scope) -> Self {
        Self { filters: filters.to_vec(), scope: scope.clone(), waiting: VecDeque::new() }
    }

    /// True if there are few lists to look into.
    fn is_small(&self) -> bool {
        self.filters.iter().map(lists).sum::<usize>() <= SMALL
    }

    fn begin(&mut self, snapshot: &Snapshot) -> Result<()> {
        let scans = self.filters.iter().map(|filter| Scan::begin(filter, &self.scope, snapshot));
        self.waiting = scans.collect::<Result<_>>()?;
        Ok(())
    }

    /// The scan that is at work, past those that have nothing to find.
    fn current(&mut self) -> Option<&mut Scan> {
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
        }
        self.waiting.front_mut()?.as_mut()
    }

    fn end_current(&mut self) {
        self.waiting.pop_front();
    }
}

/// How many lists the values of `filter` name at most.
fn lists(filter: &Filter) -> usize {
    let len = |count: Option<usize>| count.unwrap_or(1);
    let kinds = len(filter.kinds().map(<[_]>::len));
    let tags = filter.tags().iter().map(|tag| tag.values().len()).max().unwrap_or(1);
    len(filter.ids().map(<[_]>::len)).max(kinds.saturating_mul(tags.max(len(filter.authors().map(<[_]>::len)))))
}

/// Where an event stands in an answer: what was searched for first, the best first; then by time.
type Place = (Reverse<u64>, Reverse<Seconds>, EventId);

/// The events that match any of some filters, each filter up to its limit.
pub(super) struct PageQuestion {
    scans: Scans,
    /// Events in memory. Once the question was put behind others they may be gone from the file, and aren't asked.
    near: Option<Arc<Near>>,
    /// What the current filter found.
    own: BTreeMap<Place, StoredEvent>,
    /// What all filters found.
    all: BTreeMap<(usize, Reverse<Seconds>, EventId), StoredEvent>,
    /// Bytes that further texts may have. One that doesn't fit is left out: nothing stands for it.
    room: usize,
    more: bool,
    scanned: u64,
}

impl PageQuestion {
    /// The question of which the answer has at most so many `bytes` of texts.
    pub(super) fn new(filters: &[Filter], scope: &Scope, near: Arc<Near>, bytes: usize) -> Self {
        let (scans, own, all) = (Scans::new(filters, scope), BTreeMap::new(), BTreeMap::new());
        Self { scans, near: Some(near), own, all, room: bytes, more: false, scanned: 0 }
    }

    /// Adds an event to what the current filter found.
    fn add(&mut self, (place, mut event): (Place, StoredEvent)) {
        match self.room.checked_sub(event.json.len()) {
            Some(room) => self.room = room,
            None => event.json = Arc::default(),
        }
        self.own.insert(place, event);
    }

    /// Takes the last event out of what the current filter found.
    fn drop_last(&mut self) {
        self.room += self.own.pop_last().map_or(0, |(_, event)| event.json.len());
    }

    /// Adds what the current filter found to the answer.
    fn end_filter(&mut self, order: Order) {
        for (rank, ((.., created_at, id), event)) in std::mem::take(&mut self.own).into_iter().enumerate() {
            let rank = if order == Order::Score { rank } else { usize::MAX };
            self.all.insert((rank, created_at, id), event);
        }
        self.scanned += self.scans.current().map_or(0, |scan| scan.seen());
        self.scans.end_current();
    }

    fn finish(&mut self) -> Page {
        let mut seen = HashSet::new();
        let events = std::mem::take(&mut self.all).into_values().filter(|event| seen.insert(event.id));
        let mut events: Vec<StoredEvent> = events.collect();
        let whole = events.iter().position(|event| event.json.is_empty()).unwrap_or(events.len());
        let rest = events.drain(whole..).map(|event| (event.created_at, event.id)).collect();
        Page { events, rest, more: self.more, scanned: self.scanned }
    }
}

impl Question for PageQuestion {
    type Answer = Page;

    fn is_small(&self) -> bool {
        self.scans.is_small()
    }

    fn begin(&mut self, _: &Connection, snapshot: &Snapshot) -> Result<()> {
        self.scans.begin(snapshot)
    }

    fn go_on(&mut self, connection: &Connection, end: Instant) -> Result<Option<Page>> {
        let near = self.near.take();
        let rows = Rows { connection, near: near.as_deref() };
        while let Some(scan) = self.scans.current() {
            let (order, limit) = (scan.order, scan.filter().limit().unwrap_or(usize::MAX));
            let is_full = match scan.next(rows, Wanted::Event, end)? {
                Next::Pause => return Ok(None),
                Next::End => true,
                Next::Match(found) => {
                    stored(found).into_iter().for_each(|found| self.add(found));
                    let is_over = self.own.len() > limit;
                    if is_over {
                        self.more = true;
                        self.drop_last();
                    }
                    is_over && order == Order::Time
                }
            };
            if is_full {
                self.end_filter(order);
            }
        }
        Ok(Some(self.finish()))
    }
}

fn stored(Match { entry, found }: Match) -> Option<(Place, StoredEvent)> {
    let Found { id, seen } = found?;
    let Seen { json, worth, .. } = seen?;
    let (seq, created_at) = (Seq::new(entry.seq()), entry.created_at());
    Some(((Reverse(worth), Reverse(created_at), id), StoredEvent { seq, id, created_at, json: json? }))
}

/// How many events match any of some filters, up to a cap.
pub(super) struct CountQuestion {
    scans: Scans,
    cap: u64,
    count: Count,
    /// What was counted, if several filters may find it.
    seen: Option<HashSet<u64>>,
}

impl CountQuestion {
    pub(super) fn new(filters: &[Filter], cap: u64, registers: Option<HyperLogLog>, scope: &Scope) -> Self {
        let seen = (filters.len() > 1).then(HashSet::new);
        Self { scans: Scans::new(filters, scope), cap, count: Count { count: 0, capped: false, registers }, seen }
    }

    fn add(&mut self, found: &Match) {
        if self.seen.as_mut().is_some_and(|seen| !seen.insert(found.entry.seq())) {
            return;
        }
        if self.count.count == self.cap {
            self.count.capped = true;
            return;
        }
        self.count.count += 1;
        let seen = found.found.as_ref().and_then(|found| found.seen.as_ref());
        if let (Some(registers), Some(seen)) = (&mut self.count.registers, seen) {
            registers.add(&seen.author);
        }
    }
}

impl Question for CountQuestion {
    type Answer = Count;

    fn is_small(&self) -> bool {
        self.scans.is_small()
    }

    fn begin(&mut self, _: &Connection, snapshot: &Snapshot) -> Result<()> {
        self.scans.begin(snapshot)
    }

    fn go_on(&mut self, connection: &Connection, end: Instant) -> Result<Option<Count>> {
        let wanted = if self.count.registers.is_some() { Wanted::Event } else { Wanted::Entry };
        while !self.count.capped
            && let Some(scan) = self.scans.current()
        {
            match scan.next(Rows::of(connection), wanted, end)? {
                Next::Pause => return Ok(None),
                Next::End => self.scans.end_current(),
                Next::Match(found) => self.add(&found),
            }
        }
        Ok(Some(self.count.clone()))
    }
}

/// When and under which id the newest events that match were written.
pub(super) struct IdsQuestion {
    scans: Scans,
    max: usize,
    ids: Vec<(Seconds, EventId)>,
}

impl IdsQuestion {
    pub(super) fn new(filter: &Filter, max: usize, scope: &Scope) -> Self {
        Self { scans: Scans::new(std::slice::from_ref(filter), scope), max, ids: Vec::new() }
    }
}

impl Question for IdsQuestion {
    type Answer = Vec<(Seconds, EventId)>;

    fn begin(&mut self, _: &Connection, snapshot: &Snapshot) -> Result<()> {
        self.scans.begin(snapshot)
    }

    fn go_on(&mut self, connection: &Connection, end: Instant) -> Result<Option<Self::Answer>> {
        while self.ids.len() < self.max
            && let Some(scan) = self.scans.current()
        {
            match scan.next(Rows::of(connection), Wanted::Id, end)? {
                Next::Pause => return Ok(None),
                Next::End => self.scans.end_current(),
                Next::Match(one) => {
                    self.ids.extend(one.found.map(|found| (one.entry.created_at(), found.id)));
                }
            }
        }
        Ok(Some(std::mem::take(&mut self.ids)))
    }
}

/// Where the events are that match, at most so many.
pub(super) struct PlacesQuestion {
    scans: Scans,
    max: usize,
    places: Vec<u64>,
}

impl PlacesQuestion {
    pub(super) fn new(filter: &Filter, max: usize) -> Self {
        Self { scans: Scans::new(std::slice::from_ref(filter), &Scope::operator()), max, places: Vec::new() }
    }
}

impl Question for PlacesQuestion {
    type Answer = Vec<u64>;

    fn begin(&mut self, _: &Connection, snapshot: &Snapshot) -> Result<()> {
        self.scans.begin(snapshot)
    }

    fn go_on(&mut self, connection: &Connection, end: Instant) -> Result<Option<Vec<u64>>> {
        while self.places.len() < self.max
            && let Some(scan) = self.scans.current()
        {
            match scan.next(Rows::of(connection), Wanted::Id, end)? {
                Next::Pause => return Ok(None),
                Next::End => self.scans.end_current(),
                Next::Match(found) => self.places.push(found.entry.seq()),
            }
        }
        Ok(Some(std::mem::take(&mut self.places)))
    }
}
