//! The newest entries of the journal, in memory: whoever follows the journal closely needn't read them again.

use nexus_model::Seq;
use nexus_relay::ports::Entry;
use roaring::RoaringTreemap;
use std::collections::VecDeque;

/// How many entries, and how many bytes of JSON, are kept.
const MAX_ENTRIES: usize = 8_192;
const MAX_BYTES: usize = 16 << 20;

/// Everything after some position.
#[derive(Debug)]
pub(super) struct Tail {
    after: Seq,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Tail {
    /// The tail of a journal of which `last` is the newest position.
    pub(super) const fn new(last: Seq) -> Self {
        Self { after: last, entries: VecDeque::new(), bytes: 0 }
    }

    /// Adds the newest entries, and forgets the content of events that were removed.
    pub(super) fn append(&mut self, entries: Vec<Entry>, removed: &RoaringTreemap) {
        self.bytes += entries.iter().map(size).sum::<usize>();
        self.entries.extend(entries);
        removed.iter().for_each(|seq| self.remove(Seq::new(seq)));
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            self.forget_oldest();
        }
    }

    /// Forgets everything up to `seq`, of which the rows were changed.
    pub(super) fn forget(&mut self, seq: Seq) {
        while self.entries.front().is_some_and(|entry| entry.seq() <= seq) {
            self.forget_oldest();
        }
    }

    /// At most `max` entries after `seq`, if they are here.
    pub(super) fn after(&self, seq: Seq, max: usize) -> Option<Vec<Entry>> {
        if seq < self.after {
            return None;
        }
        let start = self.entries.partition_point(|entry| entry.seq() <= seq);
        Some(self.entries.iter().skip(start).take(max).cloned().collect())
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= size(&oldest);
            self.after = oldest.seq();
        }
    }

    fn remove(&mut self, seq: Seq) {
        if let Ok(index) = self.entries.binary_search_by_key(&seq, Entry::seq)
            && let Some(gone) = self.entries.remove(index)
        {
            self.bytes -= size(&gone);
        }
    }
}

fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Created { stored, .. } => stored.json.len(),
        Entry::Removed { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nexus_nostr::EventId;
    use nexus_relay::ports::RemovalReason;

    fn removal(seq: u64) -> Entry {
        let reason = RemovalReason::Deleted;
        Entry::Removed { seq: Seq::new(seq), id: EventId::from_bytes([0; 32]), reason }
    }

    #[test]
    fn it_answers_only_for_what_it_has_whole() {
        let mut tail = Tail::new(Seq::new(5));
        tail.append((6..10).map(removal).collect(), &RoaringTreemap::new());
        assert!(tail.after(Seq::new(4), 10).is_none());
        let seqs =
            |after, max| tail.after(Seq::new(after), max).unwrap().iter().map(|e| e.seq().get()).collect::<Vec<_>>();
        assert_eq!(seqs(5, 2), [6, 7]);
        assert_eq!(seqs(8, 2), [9]);
        assert_eq!(seqs(9, 2), Vec::<u64>::new());
        tail.append((10..20_000).map(removal).collect(), &RoaringTreemap::from_iter([19_999]));
        assert!(tail.after(Seq::new(20_000 - MAX_ENTRIES as u64 - 3), 1).is_none());
        assert_eq!(tail.entries.len(), MAX_ENTRIES);
        assert_eq!(tail.entries.back().map(Entry::seq), Some(Seq::new(19_998)));
    }
}
