//! The state machine of a channel.

use super::author::{Author, Backlog, Listed};
use super::connection::{Connection, ConnectionId, Trust};
use super::{Config, Event, Order, Settled, Settlement};
use nexus_model::{Seq, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What a channel wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<T> {
    /// Write an event to a connection, then call [`Channel::written`].
    Send {
        /// To which.
        connection: ConnectionId,
        /// Which event.
        seq: Seq,
        /// What to write.
        payload: T,
    },
    /// Read events of the journal, all authors, then call [`Channel::read`].
    Read {
        /// After this position.
        after: Seq,
        /// At most so many.
        limit: usize,
    },
    /// Read events of one author, then call [`Channel::read_author`].
    ReadAuthor {
        /// Whose.
        author: Arc<str>,
        /// After this position.
        after: Seq,
        /// At most so many.
        limit: usize,
    },
    /// Make [`Channel::settled`] durable, then call [`Channel::stored`].
    Store,
}

/// What a channel holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open connections.
    pub connections: usize,
    /// Events in memory.
    pub events: usize,
    /// Bytes of events in memory.
    pub bytes: usize,
    /// Events under way.
    pub under_way: usize,
    /// Authors with something under way, waiting or passed over.
    pub authors: usize,
    /// Authors of whom something was passed over.
    pub parked: usize,
    /// Gaps in what is settled.
    pub gaps: usize,
    /// Up to where everything is settled.
    pub floor: Seq,
    /// Positions up to the end of the journal that are not settled.
    pub unsettled: u64,
    /// Times an event was handed to a connection.
    pub sent: u64,
    /// Times an event had to be sent again.
    pub returned: u64,
    /// Events settled.
    pub settled: u64,
}

/// An acknowledged channel: see the [module](super).
///
/// Feed it, then take [`Self::next_action`] until there is none; come back at [`Self::deadline`].
#[derive(Debug)]
pub struct Channel<T> {
    config: Config,
    settled: Settled,
    entries: HashMap<Seq, Entry<T>>,
    bytes: usize,
    authors: HashMap<Arc<str>, Author>,
    /// Authors who can send, in turn.
    ready: VecDeque<Arc<str>>,
    /// Authors whose passed-over events are to be read.
    to_fetch: VecDeque<Arc<str>>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The same connections by number, to find an author's home.
    homes: Vec<ConnectionId>,
    with_room: BTreeSet<(Trust, ConnectionId)>,
    /// Connections that have room though authors wait for it.
    stranding: BTreeSet<ConnectionId>,
    last_connection: u64,
    /// When what was written is sent again.
    due: BTreeSet<(Timestamp, Seq)>,
    /// Up to where the journal was read, and how far it is known to go.
    position: Seq,
    head: Seq,
    reading: Reading,
    storing: Storing,
    sent: u64,
    returned: u64,
    settled_count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    No,
    Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storing {
    /// Nothing has changed since the last time.
    Clean,
    /// Something has, first noticed then; `None` before the first look at the clock.
    Dirty(Option<Timestamp>),
    /// Asked for; `changed` since then or not.
    Asked { changed: Changed },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    No,
    Yes,
}

#[derive(Debug)]
struct Entry<T> {
    author: Arc<str>,
    order: Order,
    bytes: usize,
    payload: T,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Never sent.
    New,
    /// On a connection; to be sent again at `due`, once it is written.
    UnderWay { connection: ConnectionId, due: Option<Timestamp> },
    /// Was sent, and waits to be sent again.
    Returned,
}

impl<T: Clone> Channel<T> {
    /// A channel that goes on where `settled` says.
    pub fn new(config: Config, settled: Settled) -> Self {
        let position = settled.floor();
        Self {
            config,
            settled,
            entries: HashMap::new(),
            bytes: 0,
            authors: HashMap::new(),
            ready: VecDeque::new(),
            to_fetch: VecDeque::new(),
            connections: BTreeMap::new(),
            homes: Vec::new(),
            with_room: BTreeSet::new(),
            stranding: BTreeSet::new(),
            last_connection: 0,
            due: BTreeSet::new(),
            position,
            head: position,
            reading: Reading::No,
            storing: Storing::Clean,
            sent: 0,
            returned: 0,
            settled_count: 0,
        }
    }

    /// What is settled, to be stored.
    pub const fn settled(&self) -> &Settled {
        &self.settled
    }

    /// What the channel holds and has done.
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.connections.len(),
            events: self.entries.len(),
            bytes: self.bytes,
            under_way: self.connections.values().map(|connection| connection.events.len()).sum(),
            authors: self.authors.len(),
            parked: self.authors.values().filter(|author| author.backlog != Backlog::Loaded).count(),
            gaps: self.settled.gaps(),
            floor: self.settled.floor(),
            unsettled: self.settled.unsettled(self.head),
            sent: self.sent,
            returned: self.returned,
            settled: self.settled_count,
        }
    }

    /// The journal goes up to `head`.
    pub fn appended(&mut self, head: Seq) {
        self.head = self.head.max(head);
    }

    /// A connection is open and takes events.
    pub fn open(&mut self, now: Timestamp) -> ConnectionId {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        self.connections.insert(id, Connection::new(self.config.window, now));
        self.homes.push(id);
        self.with_room.insert((Trust::Sound, id));
        id
    }

    /// A connection is gone. What was under way on it goes to the others.
    pub fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.homes.retain(|home| *home != id);
        self.with_room.remove(&(connection.trust, id));
        self.stranding.remove(&id);
        for seq in connection.events {
            self.give_back(seq);
        }
        for author in connection.waiting {
            self.unlist(&author);
        }
    }

    /// An event was written to a connection.
    pub fn written(&mut self, id: ConnectionId, seq: Seq, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&seq) else { return };
        let Place::UnderWay { connection, due } = &mut entry.place else { return };
        if *connection != id {
            return;
        }
        match self.config.settlement {
            Settlement::Written => self.settle(seq, now),
            Settlement::Acknowledged { retry_millis: Some(millis) } if due.is_none() => {
                let at = now.plus_millis(millis);
                *due = Some(at);
                self.due.insert((at, seq));
            }
            Settlement::Acknowledged { .. } => {}
        }
    }

    /// A consumer has settled an event, not necessarily over the connection it came by. Events that were
    /// never sent, or are settled already, are passed over.
    pub fn acknowledge(&mut self, from: ConnectionId, seq: Seq, now: Timestamp) {
        self.set_trust(from, Trust::Sound);
        let was_sent = self.entries.get(&seq).is_some_and(|entry| entry.place != Place::New);
        if was_sent && self.config.settlement != Settlement::Written {
            self.settle(seq, now);
        }
    }

    /// Events after the position that was asked for, up to `through`: what is not among them doesn't exist
    /// or is not wanted, and counts as settled.
    pub fn read(&mut self, events: Vec<Event<T>>, through: Seq) {
        self.reading = Reading::No;
        let mut before = self.position.get();
        for event in events {
            let seq = event.seq.get();
            self.settled.insert_range(before + 1, seq.saturating_sub(1));
            before = seq;
            self.admit(event);
        }
        self.settled.insert_range(before + 1, through.get());
        self.position = self.position.max(through);
        self.appended(through);
        self.touch();
    }

    /// Events of one author after the position that was asked for, up to `through`.
    pub fn read_author(&mut self, author: &Arc<str>, events: Vec<Event<T>>, through: Seq) {
        let covered = through.min(self.position);
        for event in events.into_iter().filter(|event| event.seq <= covered) {
            self.take(event);
        }
        if let Some(state) = self.authors.get_mut(author) {
            state.last = state.last.max(covered);
            state.backlog = if covered == self.position { Backlog::Loaded } else { Backlog::Parked };
        }
        self.consider(author);
    }

    /// What was asked to be stored is durable.
    pub fn stored(&mut self, now: Timestamp) {
        self.storing = match self.storing {
            Storing::Asked { changed: Changed::Yes } => Storing::Dirty(Some(now)),
            _ => Storing::Clean,
        };
    }

    /// A read or a store that was asked for has failed; it will be asked for again.
    pub fn failed(&mut self, action: &Action<T>) {
        match action {
            Action::Read { .. } => self.reading = Reading::No,
            Action::ReadAuthor { author, .. } => {
                if let Some(state) = self.authors.get_mut(author) {
                    state.backlog = Backlog::Parked;
                }
                self.consider(author);
            }
            Action::Store => self.storing = Storing::Dirty(None),
            Action::Send { .. } => {}
        }
    }

    /// When to call [`Self::next_action`] again though nothing has happened.
    pub fn deadline(&self) -> Option<Timestamp> {
        let store = match self.storing {
            Storing::Dirty(since) => Some(since.unwrap_or_default().plus_millis(self.config.store_millis)),
            Storing::Clean | Storing::Asked { .. } => None,
        };
        let retry = self.due.first().map(|(at, _)| *at);
        [store, retry].into_iter().flatten().min()
    }

    /// The next thing to do, if there is one now.
    pub fn next_action(&mut self, now: Timestamp) -> Option<Action<T>> {
        while let Some((_, seq)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.give_up_on(seq);
        }
        self.next_send(now).or_else(|| self.next_fetch()).or_else(|| self.next_read()).or_else(|| self.next_store(now))
    }

    fn next_send(&mut self, now: Timestamp) -> Option<Action<T>> {
        while !self.with_room.is_empty() {
            let Some(author) = self.ready.pop_front() else {
                let stranding = *self.stranding.first()?;
                self.note_room(stranding);
                continue;
            };
            let Some(state) = self.authors.get_mut(&author) else { continue };
            state.listed = Listed::No;
            let Some(seq) = state.sendable() else {
                self.consider(&author);
                continue;
            };
            let current = state.current.filter(|_| state.under_way > 0);
            let id = self.connection_of(&author, current)?;
            let connection = self.connections.get_mut(&id)?;
            if connection.has_room() {
                return self.send(&author, seq, id, now);
            }
            connection.waiting.push_back(Arc::clone(&author));
            self.list(&author);
        }
        None
    }

    /// Where an author's next event goes: where the one before is under way, else home, else wherever there
    /// is room, preferably where there is no doubt.
    fn connection_of(&self, author: &Arc<str>, current: Option<ConnectionId>) -> Option<ConnectionId> {
        if let Some(current) = current.filter(|id| self.connections.contains_key(id)) {
            return Some(current);
        }
        let mut hasher = DefaultHasher::new();
        author.hash(&mut hasher);
        let home = self.homes.get((hasher.finish() % self.homes.len().max(1) as u64) as usize);
        let home = home.copied().filter(|home| self.with_room.contains(&(Trust::Sound, *home)));
        home.or_else(|| self.with_room.first().map(|(_, id)| *id))
    }

    fn send(&mut self, author: &Arc<str>, seq: Seq, id: ConnectionId, now: Timestamp) -> Option<Action<T>> {
        let (state, entry) = (self.authors.get_mut(author)?, self.entries.get_mut(&seq)?);
        state.start();
        state.current = Some(id);
        entry.place = Place::UnderWay { connection: id, due: None };
        let (payload, bytes) = (entry.payload.clone(), entry.bytes);
        self.connections.get_mut(&id)?.start(seq, bytes, now);
        self.sent += 1;
        self.note_room(id);
        self.consider(author);
        Some(Action::Send { connection: id, seq, payload })
    }

    fn next_fetch(&mut self) -> Option<Action<T>> {
        let author = self.to_fetch.pop_front()?;
        let after = self.authors.get(&author)?.last;
        Some(Action::ReadAuthor { author, after, limit: self.config.author_backlog })
    }

    fn next_read(&mut self) -> Option<Action<T>> {
        let has_room = self.entries.len() + self.config.page <= self.config.max_events || self.entries.is_empty();
        let wanted = self.reading == Reading::No
            && !self.connections.is_empty()
            && self.position < self.head
            && has_room
            && self.bytes < self.config.max_bytes
            && self.settled.gaps() < self.config.max_gaps;
        wanted.then(|| {
            self.reading = Reading::Asked;
            Action::Read { after: self.position, limit: self.config.page }
        })
    }

    fn next_store(&mut self, now: Timestamp) -> Option<Action<T>> {
        let Storing::Dirty(since) = &mut self.storing else { return None };
        let since = *since.get_or_insert(now);
        if now < since.plus_millis(self.config.store_millis) {
            return None;
        }
        self.storing = Storing::Asked { changed: Changed::No };
        Some(Action::Store)
    }

    /// Takes an event that the journal was read past, or passes over it if its author has enough waiting.
    fn admit(&mut self, event: Event<T>) {
        if self.settled.contains(event.seq) {
            return;
        }
        let author = self.authors.entry(Arc::clone(&event.author)).or_default();
        let is_full = author.waiting.len() >= self.config.author_backlog && author.is_blocked();
        match author.backlog {
            Backlog::Loaded if is_full => author.backlog = Backlog::Parked,
            Backlog::Loaded => {
                let name = Arc::clone(&event.author);
                self.take(event);
                self.consider(&name);
            }
            Backlog::Parked | Backlog::Fetching => {}
        }
    }

    fn take(&mut self, event: Event<T>) {
        if self.settled.contains(event.seq) || self.entries.contains_key(&event.seq) {
            return;
        }
        let Event { seq, author, order, bytes, payload } = event;
        let state = self.authors.entry(Arc::clone(&author)).or_default();
        state.waiting.push_back((seq, order));
        state.last = state.last.max(seq);
        self.bytes += bytes;
        self.entries.insert(seq, Entry { author, order, bytes, payload, place: Place::New });
    }

    fn settle(&mut self, seq: Seq, now: Timestamp) {
        let Some(entry) = self.entries.remove(&seq) else { return };
        self.bytes -= entry.bytes;
        self.settled.insert(seq);
        self.settled_count += 1;
        self.touch();
        if let Place::UnderWay { connection, .. } = entry.place {
            if let Some(connection) = self.connections.get_mut(&connection) {
                connection.learn(now);
            }
            self.leave(seq, &entry);
        } else if let Some(author) = self.authors.get_mut(&entry.author) {
            author.forget(seq);
        }
        self.consider(&entry.author);
    }

    /// An event is no longer under way.
    fn leave(&mut self, seq: Seq, entry: &Entry<T>) {
        let Place::UnderWay { connection: id, due } = entry.place else { return };
        if let Some(due) = due {
            self.due.remove(&(due, seq));
        }
        if let Some(author) = self.authors.get_mut(&entry.author) {
            author.stop();
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stop(seq, entry.bytes);
            self.note_room(id);
        }
    }

    /// A consumer was silent for too long: the connection gets little until it speaks again.
    fn give_up_on(&mut self, seq: Seq) {
        if let Some(Place::UnderWay { connection, .. }) = self.entries.get(&seq).map(|entry| entry.place) {
            self.set_trust(connection, Trust::Doubted);
        }
        self.give_back(seq);
    }

    fn set_trust(&mut self, id: ConnectionId, trust: Trust) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let had_room = self.with_room.remove(&(connection.trust, id));
        match trust {
            Trust::Sound => connection.trust = Trust::Sound,
            Trust::Doubted => connection.doubt(),
        }
        if had_room && connection.has_room() {
            self.with_room.insert((trust, id));
        }
    }

    /// An event that was under way has to be sent again.
    fn give_back(&mut self, seq: Seq) {
        let Some(mut entry) = self.entries.remove(&seq) else { return };
        self.leave(seq, &entry);
        self.returned += 1;
        entry.place = Place::Returned;
        let author = Arc::clone(&entry.author);
        if let Some(state) = self.authors.get_mut(&author) {
            state.put_back(seq, entry.order);
        }
        self.entries.insert(seq, entry);
        self.consider(&author);
    }

    /// Whether a connection has room may have changed. One author who waits for it takes its turn among the
    /// ready; the others are not forgotten.
    fn note_room(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.stranding.remove(&id);
        if !connection.has_room() {
            self.with_room.remove(&(connection.trust, id));
            return;
        }
        self.with_room.insert((connection.trust, id));
        let author = connection.waiting.pop_front();
        if !connection.waiting.is_empty() {
            self.stranding.insert(id);
        }
        if let Some(author) = author {
            self.unlist(&author);
        }
    }

    fn list(&mut self, author: &Arc<str>) {
        if let Some(state) = self.authors.get_mut(author) {
            state.listed = Listed::Yes;
        }
    }

    fn unlist(&mut self, author: &Arc<str>) {
        if let Some(state) = self.authors.get_mut(author) {
            state.listed = Listed::No;
        }
        self.consider(author);
    }

    /// An author's state may have changed: it can send, wants to be read, or can be forgotten.
    fn consider(&mut self, author: &Arc<str>) {
        let Some(state) = self.authors.get_mut(author) else { return };
        if state.backlog == Backlog::Parked && state.waiting.len() * 2 <= self.config.author_backlog {
            state.backlog = Backlog::Fetching;
            self.to_fetch.push_back(Arc::clone(author));
        }
        if state.listed == Listed::No && state.sendable().is_some() {
            state.listed = Listed::Yes;
            self.ready.push_back(Arc::clone(author));
        }
        if state.is_done() {
            self.authors.remove(author);
        }
    }

    /// What is settled has changed.
    fn touch(&mut self) {
        self.storing = match self.storing {
            Storing::Clean => Storing::Dirty(None),
            Storing::Asked { .. } => Storing::Asked { changed: Changed::Yes },
            dirty @ Storing::Dirty(_) => dirty,
        };
    }
}
