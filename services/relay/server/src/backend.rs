//! The types of a relay as one, so that what stands on any relay names one parameter and not four.

use nexus_relay::{
    Relay,
    ports::{CacheAdapter, RuntimeAdapter, StorageAdapter, WebSocketAdapter},
};

/// Four adapters.
pub trait Backend: Send + Sync + 'static {
    /// Where events are kept.
    type Storage: StorageAdapter + 'static;
    /// What is near.
    type Cache: CacheAdapter + 'static;
    /// What connections are made of.
    type Sockets: WebSocketAdapter + 'static;
    /// The environment.
    type Runtime: RuntimeAdapter + 'static;
}

impl<S, C, W, R> Backend for (S, C, W, R)
where
    S: StorageAdapter + 'static,
    C: CacheAdapter + 'static,
    W: WebSocketAdapter + 'static,
    R: RuntimeAdapter + 'static,
{
    type Storage = S;
    type Cache = C;
    type Sockets = W;
    type Runtime = R;
}

/// A relay over the adapters of `B`.
pub type RelayOn<B> =
    Relay<<B as Backend>::Storage, <B as Backend>::Cache, <B as Backend>::Sockets, <B as Backend>::Runtime>;
