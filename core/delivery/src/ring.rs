//! The newest changes of a journal, in memory. Bounded by number and by bytes; what falls out is still in
//! the journal.

use crate::{Limits, Presentation};
use bytes::Bytes;
use nexus_model::{Action, Change, Seq};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// A change and its JSON, rendered once for all listeners.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The change.
    pub change: Arc<Change>,
    /// The change as listeners see it.
    pub text: Bytes,
}

impl Entry {
    pub(crate) fn new(change: Arc<Change>, presentation: &dyn Presentation) -> Self {
        let text = presentation.render(&change);
        Self { change, text }
    }

    fn without_content(&self, presentation: &dyn Presentation) -> Self {
        let change = Change { value: None, before: None, ..(*self.change).clone() };
        Self::new(Arc::new(change), presentation)
    }

    fn weight(&self) -> usize {
        let json = |value: &Option<Arc<serde_json::value::RawValue>>| value.as_ref().map_or(0, |v| v.get().len());
        self.text.len() + json(&self.change.value) + json(&self.change.before) + size_of::<Change>()
    }
}

type Record = (Arc<str>, Arc<str>, Arc<str>);

#[derive(Debug)]
struct Slot {
    entry: Entry,
    /// Where the same record changed before, if that may still be in the ring.
    previous: Option<Seq>,
}

/// The ring. It holds every change after `start` up to `end`.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: VecDeque<Slot>,
    newest: HashMap<Record, Seq>,
    start: Seq,
    end: Seq,
    bytes: usize,
    max_changes: usize,
    max_bytes: usize,
}

impl Ring {
    /// An empty ring that stands at `at`.
    pub(crate) fn new(at: Seq, limits: &Limits) -> Self {
        Self {
            slots: VecDeque::new(),
            newest: HashMap::new(),
            start: at,
            end: at,
            bytes: 0,
            max_changes: limits.ring_changes,
            max_bytes: limits.ring_bytes,
        }
    }

    /// Nothing after this position is missing.
    pub(crate) const fn start(&self) -> Seq {
        self.start
    }

    /// The position up to which the journal has been read.
    pub(crate) const fn end(&self) -> Seq {
        self.end
    }

    /// Forgets everything and stands at `at`.
    pub(crate) fn reset(&mut self, at: Seq) {
        self.slots.clear();
        self.newest.clear();
        (self.start, self.end, self.bytes) = (at, at, 0);
    }

    /// Takes in the newest change. A removal takes the record's content out of the older entries: it is gone.
    pub(crate) fn push(&mut self, entry: Entry, presentation: &dyn Presentation) {
        let seq = entry.change.seq;
        let previous = self.newest.insert(record(&entry.change), seq);
        if entry.change.action == Action::Delete {
            self.forget_content(previous, presentation);
        }
        self.end = seq;
        self.bytes += entry.weight();
        self.slots.push_back(Slot { entry, previous });
        while self.slots.len() > self.max_changes || self.bytes > self.max_bytes {
            self.evict();
        }
    }

    /// Passes over positions that hold nothing.
    pub(crate) fn advance(&mut self, end: Seq) {
        self.end = self.end.max(end);
    }

    /// At most `limit` entries after `after`, and the position up to which they are everything. Only for
    /// positions from `start` on.
    pub(crate) fn page(&self, after: Seq, limit: usize) -> (impl Iterator<Item = &Entry>, Seq) {
        let from = self.index_after(after);
        let to = self.slots.len().min(from + limit);
        let is_rest = to == self.slots.len();
        let end = if is_rest { self.end } else { self.slots[to - 1].entry.change.seq };
        (self.slots.range(from..to).map(|slot| &slot.entry), end)
    }

    fn index_after(&self, after: Seq) -> usize {
        self.slots.partition_point(|slot| slot.entry.change.seq <= after)
    }

    fn evict(&mut self) {
        let Some(Slot { entry, .. }) = self.slots.pop_front() else { return };
        self.start = entry.change.seq;
        self.bytes -= entry.weight();
        let record = record(&entry.change);
        if self.newest.get(&record) == Some(&entry.change.seq) {
            self.newest.remove(&record);
        }
    }

    fn forget_content(&mut self, newest: Option<Seq>, presentation: &dyn Presentation) {
        let mut next = newest;
        while let Some(seq) = next.filter(|seq| *seq > self.start) {
            let index = self.index_after(seq) - 1;
            let slot = &mut self.slots[index];
            self.bytes -= slot.entry.weight();
            slot.entry = slot.entry.without_content(presentation);
            self.bytes += slot.entry.weight();
            next = slot.previous;
        }
    }
}

fn record(change: &Change) -> Record {
    (change.author.clone(), change.collection.clone(), change.key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_filter::Route;
    use nexus_model::{Source, Timestamp};
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    struct ValueAlone;

    impl Presentation for ValueAlone {
        fn render(&self, change: &Change) -> Bytes {
            Bytes::from(change.value.as_ref().map_or_else(String::new, |value| value.get().to_owned()))
        }

        fn routes(&self, _: &Change) -> Vec<Route> {
            Vec::new()
        }
    }

    fn change(seq: u64, key: u8, action: Action) -> Change {
        let secret = RawValue::from_string(format!("\"secret of {key}\"")).expect("JSON");
        Change {
            seq: Seq::new(seq),
            source: Source::Pubky,
            author: "ada".into(),
            collection: "posts".into(),
            key: key.to_string().into(),
            action,
            version: None,
            value: (action != Action::Delete).then(|| secret.into()),
            before: None,
            live: true,
            time: Timestamp::default(),
        }
    }

    fn limits(ring_changes: usize) -> Limits {
        Limits { ring_changes, ring_bytes: 4_000, ..Limits::default() }
    }

    proptest! {
        /// The model is the whole history; the ring must be its newest part, without what was removed.
        #[test]
        fn the_ring_is_the_newest_part_of_history(
            history in prop::collection::vec((0..4_u8, any::<bool>()), 1..60),
            size in 1..12_usize,
            limit in 1..20_usize,
        ) {
            let mut ring = Ring::new(Seq::START, &limits(size));
            let mut model: Vec<(u64, u8, bool)> = Vec::new();
            for (seq, (key, removes)) in (1..).zip(history) {
                let action = if removes { Action::Delete } else { Action::Create };
                ring.push(Entry::new(Arc::new(change(seq, key, action)), &ValueAlone), &ValueAlone);
                if removes {
                    model.iter_mut().filter(|kept| kept.1 == key).for_each(|kept| kept.2 = false);
                }
                model.push((seq, key, !removes));

                prop_assert!(ring.slots.len() <= size);
                prop_assert_eq!(ring.bytes, ring.slots.iter().map(|slot| slot.entry.weight()).sum::<usize>());
                prop_assert!(ring.newest.len() <= ring.slots.len());
                let (page, end) = ring.page(ring.start(), limit);
                let page: Vec<_> = page.map(|e| (e.change.seq.get(), !e.text.is_empty())).collect();
                let expected = model.iter().filter(|kept| kept.0 > ring.start().get()).take(limit);
                prop_assert_eq!(&page, &expected.map(|kept| (kept.0, kept.2)).collect::<Vec<_>>());
                prop_assert_eq!(page.last().map_or(ring.end().get(), |last| last.0), end.get());
            }
        }
    }

    #[test]
    fn too_many_bytes_push_old_entries_out() {
        let mut ring = Ring::new(Seq::START, &limits(1_000));
        for seq in 1..=100 {
            ring.push(Entry::new(Arc::new(change(seq, 1, Action::Create)), &ValueAlone), &ValueAlone);
        }
        assert!(ring.bytes <= 4_000 && ring.start() > Seq::START);
        assert_eq!(ring.end(), Seq::new(100));
    }
}
