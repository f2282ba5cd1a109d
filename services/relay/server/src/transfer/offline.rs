//! A relay without connections: its rules and its store, for the verbs.

use crate::adapters::{NativeRuntime, WatchedStorage};
use nexus_model::Timestamp;
use nexus_relay::{
    InMemoryCache, Relay,
    ports::{ConnectionId, ConnectionMeta, StorageAdapter, StorageError, WebSocketAdapter, WsError},
    settings::Settings,
};
use std::sync::Arc;

/// Sockets that nobody is at.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl WebSocketAdapter for Nobody {
    fn send(&self, _conn_id: ConnectionId, _message: &str) -> Result<(), WsError> {
        Err(WsError::Gone)
    }

    fn close(&self, _conn_id: ConnectionId, _code: u16, _reason: &str) -> Result<(), WsError> {
        Err(WsError::Gone)
    }

    fn get_meta(&self, _conn_id: ConnectionId) -> Option<ConnectionMeta> {
        None
    }

    fn set_meta(&self, _conn_id: ConnectionId, _meta: ConnectionMeta) -> Result<(), WsError> {
        Err(WsError::Gone)
    }

    fn connections(&self) -> Vec<ConnectionId> {
        Vec::new()
    }

    async fn room(&self, _conn_id: ConnectionId) {}

    fn buffered_bytes(&self, _conn_id: ConnectionId) -> usize {
        0
    }
}

/// A cache that keeps nothing needs no clock.
type Now = fn() -> Timestamp;

/// The adapters of a relay without connections.
pub type Offline<S> = (WatchedStorage<S>, InMemoryCache<Now>, Nobody, NativeRuntime);
/// A relay without connections.
pub type OfflineRelay<S> = Relay<WatchedStorage<S>, InMemoryCache<Now>, Nobody, NativeRuntime>;

/// Opens a relay over `store` that serves nobody.
///
/// # Errors
/// The store's.
pub async fn offline<S: StorageAdapter + 'static>(
    store: Arc<S>,
    runtime: NativeRuntime,
    settings: Settings,
) -> Result<OfflineRelay<S>, StorageError> {
    let cache = InMemoryCache::new(0, Timestamp::default as Now);
    Relay::open(WatchedStorage::new(store), cache, Nobody, runtime, settings, 0).await
}
