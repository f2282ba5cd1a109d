//! What administrators should look at: events that were held back for them, and stored events that somebody
//! reported. (NIP-56, NIP-86)

use super::Relay;
use crate::ports::{CacheAdapter, RecordKind, RuntimeAdapter, Scope, StorageAdapter, StorageError, WebSocketAdapter};
use nexus_nostr::{Event, EventId, Filter, Kind};
use std::collections::{BTreeMap, HashSet};

/// How many of the newest reports are looked at.
const REPORTS: usize = 1_000;
/// How much of a report's own words is repeated, in characters.
const WORDS: usize = 200;

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// The events that need a look, each with the reason. Reported events that an administrator has allowed are
    /// left out, and those that are not stored.
    ///
    /// # Errors
    /// The store's.
    pub async fn needing_moderation(&self) -> Result<BTreeMap<String, String>, StorageError> {
        let held = self.held_events().await?;
        let mut waiting: BTreeMap<String, String> =
            held.iter().map(|(event, reason)| (event.id.to_string(), held_back(event, reason))).collect();
        let reviewed = self.storage.records(RecordKind::Reviewed).await?;
        let reviewed: HashSet<String> = reviewed.into_iter().map(|record| record.key).collect();
        for report in self.reports().await? {
            for (id, reason) in reported(&report) {
                let name = id.to_string();
                if !reviewed.contains(&name) && !waiting.contains_key(&name) && self.storage.event_exists(&id).await? {
                    waiting.insert(name, reason);
                }
            }
        }
        Ok(waiting)
    }

    async fn reports(&self) -> Result<Vec<Event>, StorageError> {
        let filter = Filter::new().with_kinds([Kind::REPORT]).with_limit(REPORTS);
        let scope = Scope { now: self.runtime.now().into(), ..Scope::operator() };
        self.storage.query(&[filter], &scope).await?.events.iter().map(crate::ports::StoredEvent::event).collect()
    }
}

/// Why an event was held back, and what it is: nobody else can look at it.
fn held_back(event: &Event, reason: &str) -> String {
    let words: String = event.content.chars().take(WORDS).collect();
    format!("held: {reason}: kind {} by {}: {words}", event.kind, event.pubkey)
}

/// The events that a report names, with what it says of them.
fn reported(report: &Event) -> Vec<(EventId, String)> {
    let words: String = report.content.chars().take(WORDS).collect();
    let named = report.tags.named("e").filter_map(|tag| Some((tag.value()?.parse().ok()?, tag.get(2))));
    let reason = |kind: Option<&str>| {
        let kind: String = kind.filter(|kind| !kind.is_empty()).unwrap_or("other").chars().take(WORDS).collect();
        if words.is_empty() { format!("reported: {kind}") } else { format!("reported: {kind}: {words}") }
    };
    named.map(|(id, kind)| (id, reason(kind))).collect()
}
