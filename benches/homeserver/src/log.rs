//! What the homeserver stores: records, and one log of what happened to them.

use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};
use tokio::sync::watch;

/// An entry of the log. Its position is its index plus one.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) verb: &'static str,
    pub(crate) uri: String,
    pub(crate) hash: Option<[u8; 32]>,
}

impl Entry {
    /// True if it is about a record of `user`.
    pub(crate) fn is_of(&self, user: &str) -> bool {
        self.uri.strip_prefix("pubky://").is_some_and(|rest| rest.starts_with(user))
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    stored: RwLock<Stored>,
    head: watch::Sender<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) entries: Vec<Entry>,
    pub(crate) records: HashMap<String, Bytes>,
}

impl Default for Log {
    fn default() -> Self {
        Self { stored: RwLock::default(), head: watch::Sender::new(0) }
    }
}

impl Log {
    pub(crate) fn put(&self, user: &str, path: &str, body: Bytes) -> u64 {
        let hash = Some(*blake3::hash(&body).as_bytes());
        let uri = format!("pubky://{user}{path}");
        self.write(Entry { verb: "PUT", uri, hash }, Some(body))
    }

    pub(crate) fn delete(&self, user: &str, path: &str) -> u64 {
        self.write(Entry { verb: "DEL", uri: format!("pubky://{user}{path}"), hash: None }, None)
    }

    pub(crate) fn line(&self, verb: &'static str, uri: &str) -> u64 {
        let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        stored.entries.push(Entry { verb, uri: uri.to_owned(), hash: Some([0; 32]) });
        self.advance(&stored)
    }

    fn write(&self, entry: Entry, body: Option<Bytes>) -> u64 {
        let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        match body {
            Some(body) => stored.records.insert(entry.uri.clone(), body),
            None => stored.records.remove(&entry.uri),
        };
        stored.entries.push(entry);
        self.advance(&stored)
    }

    fn advance(&self, stored: &Stored) -> u64 {
        let position = stored.entries.len();
        self.head.send_replace(position);
        position as u64
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Stored> {
        self.stored.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when there is more.
    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.head.subscribe()
    }
}
