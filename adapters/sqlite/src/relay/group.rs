//! The open group: what the writer did and nobody else can see yet.

use super::{
    index::{Additions, Entry},
    near::NearEvent,
};
use nexus_nostr::{EventId, nip::nip09::Address};
use nexus_relay::ports::Entry as JournalEntry;
use roaring::RoaringTreemap;
use std::collections::HashMap;

/// What a group adds and removes.
#[derive(Debug, Default)]
pub(super) struct OpenGroup {
    /// What is to be shown by the index.
    entries: Vec<Entry>,
    /// What is to be shown by the journal, in order.
    pub(super) journal: Vec<JournalEntry>,
    /// The events, by position.
    pub(super) events: Vec<(u64, NearEvent)>,
    /// Positions of events that are gone, of this group or from before.
    pub(super) removed: RoaringTreemap,
    ids: HashMap<EventId, u64>,
    versions: HashMap<Address, u64>,
}

impl OpenGroup {
    /// The position of the event `id`, if it came with this group and is still there.
    pub(super) fn find(&self, id: &EventId) -> Option<u64> {
        self.ids.get(id).copied().filter(|seq| !self.is_removed(*seq))
    }

    /// The position of the version at `address`, if it came with this group and is still there.
    pub(super) fn version(&self, address: &Address) -> Option<u64> {
        self.versions.get(address).copied().filter(|seq| !self.is_removed(*seq))
    }

    /// True if the event at `seq` was removed with this group.
    pub(super) fn is_removed(&self, seq: u64) -> bool {
        self.removed.contains(seq)
    }

    /// Adds an event at `seq` with its entries, which have no position yet.
    pub(super) fn add(&mut self, seq: u64, id: EventId, address: Option<Address>, entries: &[Entry]) {
        self.entries.extend(entries.iter().map(|entry| entry.at(seq)));
        self.ids.insert(id, seq);
        if let Some(address) = address {
            self.versions.insert(address, seq);
        }
    }

    /// What the index is to show.
    pub(super) fn take_additions(&mut self) -> Additions {
        let ids = self.ids.iter().map(|(id, seq)| (*seq, *id)).filter(|(seq, _)| !self.is_removed(*seq)).collect();
        Additions { entries: std::mem::take(&mut self.entries), ids }
    }

    /// Takes out what was added and removed again.
    pub(super) fn drop_removed(&mut self) {
        if !self.removed.is_empty() {
            self.entries.retain(|entry| !self.removed.contains(entry.seq()));
        }
    }

    /// Positions of events of this group on the list `key` that are at least as old as `age`.
    pub(super) fn on_list(&self, key: u64, age: u64) -> impl Iterator<Item = u64> {
        let found = self.entries.iter().filter(move |entry| entry.is_on(key, age));
        found.map(|entry| entry.seq()).filter(|seq| !self.is_removed(*seq))
    }
}
