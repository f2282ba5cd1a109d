//! What was read and committed lately, in bounded memory: rows of repos, and the newest events of the journal. At any
//! time it says what the file says: what a commit changes is taken out before it and put back, as it is now, once it
//! is durable. In between the file is read.
//!
//! That holds as long as nobody else writes the file.

use nexus_atproto::Did;
use nexus_model::Seq;
use nexus_sync::{generations::Generations, repo::Repo, store::StoredEvent};
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Rows that are kept at hand, each some 300 bytes.
const ROWS: usize = 8_192;

/// Bytes of events that are kept at hand, exceeded by one event.
const EVENT_BYTES: usize = 4 << 20;

/// What an event takes beside its text.
const EVENT_OVERHEAD: usize = 64;

/// What is known of a repo: its row, or that it has none.
pub(super) type Row = Option<Arc<Repo>>;

/// What is at hand.
#[derive(Debug)]
pub(super) struct Recent(Mutex<State>);

#[derive(Debug)]
struct State {
    rows: Generations<Did, Row>,
    tail: Tail,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many commits have ended, and none is under way.
    Quiet(u64),
    /// One is, after so many.
    Committing(u64),
}

/// What a commit changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Repos, as they are after it.
    pub(super) rows: Vec<(Did, Row)>,
    /// New events, the newest at least.
    pub(super) events: Tail,
    /// Up to where events are gone after it.
    pub(super) oldest: Seq,
}

impl Default for Recent {
    fn default() -> Self {
        let (rows, tail) = (Generations::new(ROWS), Tail::default());
        Self(Mutex::new(State { rows, tail, stage: Stage::Quiet(0) }))
    }
}

impl Recent {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two halves of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A repo's row; `read` reads it from the file if it is not at hand.
    pub(super) fn row<E>(&self, did: &Did, read: impl FnOnce() -> Result<Option<Repo>, E>) -> Result<Row, E> {
        let before = {
            let mut state = self.state();
            if let Some(row) = state.rows.get(did) {
                return Ok(row);
            }
            state.stage
        };
        let row: Row = read()?.map(Arc::new);
        let mut state = self.state();
        // What a commit has overtaken may be old.
        if state.stage == before && matches!(before, Stage::Quiet(_)) {
            state.rows.put(did.clone(), row.clone());
        }
        Ok(row)
    }

    /// At most `limit` events after `after`, if they are at hand.
    pub(super) fn events(&self, after: Seq, limit: usize) -> Option<Vec<StoredEvent>> {
        self.state().tail.after(after, limit)
    }

    /// The newest position, if it is at hand.
    pub(super) fn last(&self) -> Option<Seq> {
        self.state().tail.events.back().map(|event| event.seq)
    }

    /// Runs `commit`, which makes `changes` durable. If it fails nothing is known of what they concern.
    pub(super) fn commit<E>(&self, changes: Changes, commit: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let mut tail = self.begin(&changes.rows);
        commit()?;
        tail.extend(changes.events);
        tail.expire(changes.oldest);
        let mut state = self.state();
        for (did, row) in changes.rows {
            state.rows.put(did, row);
        }
        state.tail = tail;
        state.stage = Stage::Quiet(state.stage.count() + 1);
        Ok(())
    }

    fn begin(&self, rows: &[(Did, Row)]) -> Tail {
        let mut state = self.state();
        rows.iter().for_each(|(did, _)| state.rows.remove(did));
        state.stage = Stage::Committing(state.stage.count());
        mem::take(&mut state.tail)
    }
}

impl Stage {
    const fn count(self) -> u64 {
        match self {
            Self::Quiet(count) | Self::Committing(count) => count,
        }
    }
}

/// The newest events of a journal, without a gap.
#[derive(Debug, Default)]
pub(super) struct Tail {
    events: VecDeque<StoredEvent>,
    bytes: usize,
}

impl Tail {
    /// Adds the next event. One that doesn't follow the last begins a new tail.
    pub(super) fn push(&mut self, event: StoredEvent) {
        if self.events.back().is_some_and(|last| last.seq.next() != event.seq) {
            *self = Self::default();
        }
        self.bytes += weight(&event);
        self.events.push_back(event);
        while self.bytes > EVENT_BYTES && self.events.len() > 1 {
            self.shift();
        }
    }

    fn extend(&mut self, newer: Self) {
        newer.events.into_iter().for_each(|event| self.push(event));
    }

    /// Events up to `oldest` are gone.
    fn expire(&mut self, oldest: Seq) {
        while self.events.front().is_some_and(|event| event.seq <= oldest) {
            self.shift();
        }
    }

    fn shift(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.bytes -= weight(&event);
        }
    }

    fn after(&self, after: Seq, limit: usize) -> Option<Vec<StoredEvent>> {
        let first = self.events.front()?.seq.get();
        let skip = usize::try_from((after.get() + 1).checked_sub(first)?).ok()?;
        Some(self.events.iter().skip(skip).take(limit).cloned().collect())
    }
}

fn weight(event: &StoredEvent) -> usize {
    event.body.len() + EVENT_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_model::Timestamp;
    use nexus_sync::{event::Kind, repo::Origin};

    fn repo(claims: u64) -> Repo {
        Repo { claims, ..Repo::new("did:plc:a".parse().unwrap(), Origin::Asked) }
    }

    /// The event at `number`, and the repo claimed so often.
    fn changes(number: u64) -> Changes {
        let did = repo(0).did;
        let mut events = Tail::default();
        let (seq, time) = (Seq::new(number), Timestamp::from_millis(0));
        events.push(StoredEvent { seq, did: did.to_shared(), kind: Kind::Live, time, body: "".into() });
        Changes { rows: vec![(did, Some(Arc::new(repo(number))))], events, oldest: Seq::START }
    }

    /// How often the repo was claimed, and how often by the file if that is asked.
    fn claims(recent: &Recent, in_file: u64) -> u64 {
        recent.row(&repo(0).did, || Ok::<_, ()>(Some(repo(in_file)))).unwrap().unwrap().claims
    }

    fn committed(number: u64) -> Recent {
        let recent = Recent::default();
        recent.commit(changes(number), || Ok::<_, ()>(())).unwrap();
        recent
    }

    #[test]
    fn what_was_committed_is_at_hand_and_the_newest_only() {
        let recent = committed(1);
        assert_eq!((claims(&recent, 9), recent.last()), (1, Some(Seq::new(1))));
        recent.commit(changes(2), || Ok::<_, ()>(())).unwrap();
        assert_eq!((claims(&recent, 9), recent.events(Seq::START, 9).map(|events| events.len())), (2, Some(2)));
        recent.commit(changes(7), || Ok::<_, ()>(())).unwrap();
        assert_eq!((recent.events(Seq::new(2), 9), recent.last()), (None, Some(Seq::new(7))));
        assert_eq!(recent.events(Seq::new(7), 9), Some(Vec::new()));
    }

    #[test]
    fn during_a_commit_and_after_one_that_failed_the_file_is_read() {
        let recent = committed(1);
        let ended = recent.commit(changes(2), || {
            assert_eq!((claims(&recent, 1), recent.last()), (1, None));
            Err(())
        });
        assert_eq!(ended, Err(()));
        assert_eq!((claims(&recent, 2), claims(&recent, 3), recent.last()), (2, 3, None));
        recent.commit(changes(4), || Ok::<_, ()>(())).unwrap();
        assert_eq!((claims(&recent, 9), recent.last()), (4, Some(Seq::new(4))));
    }

    #[test]
    fn what_a_commit_has_overtaken_is_not_kept() {
        let recent = Recent::default();
        let read = || recent.commit(changes(2), || Ok::<_, ()>(())).map(|()| Some(repo(1)));
        assert_eq!(recent.row(&repo(0).did, read).unwrap().unwrap().claims, 1);
        assert_eq!(claims(&recent, 9), 2);
    }
}
