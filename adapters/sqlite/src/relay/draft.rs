//! Drafts: events with everything that can be made ready before it is the writer's turn.

use super::index::{EXPIRY, Entry, entry, key};
use nexus_nostr::{Event, Seconds};
use nexus_relay::{
    index::{Term, terms},
    ports::PreparedEvent,
};
use std::sync::Arc;

/// An event that is to be stored.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) prepared: PreparedEvent,
    pub(super) json: Arc<str>,
    /// Its entries, without a position.
    pub(super) entries: Vec<Entry>,
}

impl Draft {
    pub(super) fn new(prepared: PreparedEvent) -> Self {
        let entries = entries(prepared.event(), prepared.expires_at());
        Self { json: prepared.event().to_json().into(), entries, prepared }
    }
}

/// The entries of an event, without a position.
pub(super) fn entries(event: &Event, expires_at: Option<Seconds>) -> Vec<Entry> {
    let at = |moment| entry(&event.id, &event.pubkey, event.kind, moment, expires_at);
    let written = at(event.created_at);
    let mut entries = Vec::with_capacity(16);
    terms(event, |term: Term<'_>| entries.push(written.on(key(term))));
    entries.extend(expires_at.map(|end| at(end).on(EXPIRY)));
    entries.sort_unstable();
    entries.dedup();
    entries
}
