//! Events that a rule or a judge holds back: they are kept beside the store, where nobody finds them, until an
//! administrator allows or bans them. (NIP-86)

use super::Relay;
use crate::{
    ports::{CacheAdapter, PreparedEvent, RecordKind, RuntimeAdapter, StorageAdapter, StorageError, WebSocketAdapter},
    rules::admission::{self, Admission},
};
use nexus_model::Verified;
use nexus_nostr::{Event, EventId, Prefix, Reason};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard},
};

/// The ids of what is held back.
#[derive(Debug)]
pub(super) struct Held(Mutex<HashSet<EventId>>);

/// What is written down of an event.
#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    reason: String,
    /// As canonical JSON.
    event: String,
}

impl Held {
    /// What was held back before.
    pub(super) async fn read<S: StorageAdapter>(storage: &S) -> Result<Self, StorageError> {
        let records = storage.records(RecordKind::Moderation).await?;
        Ok(Self(Mutex::new(records.iter().filter_map(|record| record.key.parse().ok()).collect())))
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<EventId>> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// Makes a place for one more. False if there are `most`.
    fn add(&self, id: EventId, most: usize) -> bool {
        let mut ids = self.ids();
        ids.contains(&id) || ids.len() < most && ids.insert(id)
    }
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Holds an event back, and gives what its sender is told. What nobody would store anyway is not kept; nor is an
    /// event for which there is no place.
    pub(super) async fn hold(&self, event: &Event, reason: Reason) -> Reason {
        if event.kind.is_ephemeral() {
            return reason;
        }
        if !self.held.add(event.id, self.settings().limits.held) {
            return Reason::new(Prefix::Restricted, "too many events wait for an administrator");
        }
        let entry = Entry { reason: reason.text.to_string(), event: event.to_json() };
        let written = match serde_json::to_string(&entry) {
            Ok(text) => self.storage.put_record(RecordKind::Moderation, &event.id.to_string(), Some(&text)).await,
            Err(_) => Err(StorageError::Damaged("an event can't be written")),
        };
        match written {
            Ok(()) => reason,
            Err(error) => {
                self.held.ids().remove(&event.id);
                self.failed(&error)
            }
        }
    }

    /// The events that are held back, each with the reason.
    pub(super) async fn held_events(&self) -> Result<Vec<(Event, String)>, StorageError> {
        let records = self.storage.records(RecordKind::Moderation).await?;
        let read = |text: &str| {
            let entry: Entry = serde_json::from_str(text).ok()?;
            Some((Event::parse(&entry.event).ok()?, entry.reason))
        };
        let events = records.iter().map(|record| read(&record.value));
        events.collect::<Option<_>>().ok_or(StorageError::Damaged("an event that is held back can't be read"))
    }

    /// Takes an event in that was held back, if it was and is still let in.
    pub(super) async fn release(&self, id: &EventId) -> Result<(), StorageError> {
        if !self.held.ids().contains(id) {
            return Ok(());
        }
        let (settings, now) = (self.settings(), self.runtime.now().into());
        if let Some((event, _)) = self.held_events().await?.into_iter().find(|(event, _)| event.id == *id)
            && let Ok(Admission::Store(expires_at)) = admission::check_foreign(&event, &settings, &self.lists(), now)
        {
            self.store_once(PreparedEvent::new(Verified::by_operator(event), now, expires_at)).await?;
        }
        self.forget_held(id).await
    }

    /// Forgets an event that was held back.
    pub(super) async fn forget_held(&self, id: &EventId) -> Result<(), StorageError> {
        if self.held.ids().contains(id) {
            self.storage.put_record(RecordKind::Moderation, &id.to_string(), None).await?;
            self.held.ids().remove(id);
        }
        Ok(())
    }
}
