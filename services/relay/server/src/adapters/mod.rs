//! The relay's four ports on an operating system: a store that is watched, a cache in this process, WebSockets over
//! tokio, and the processors of this machine.

mod cache;
mod outbox;
mod runtime;
mod sockets;
mod storage;

pub use cache::NativeCache;
pub(crate) use outbox::Outbox;
pub use runtime::NativeRuntime;
pub use sockets::{OutboxBounds, Sockets};
pub use storage::WatchedStorage;

/// The adapters around a store, natively.
pub type Native<S> = (WatchedStorage<S>, NativeCache, Sockets, NativeRuntime);
/// The relay over a store, natively.
pub type NativeRelay<S> = nexus_relay::Relay<WatchedStorage<S>, NativeCache, Sockets, NativeRuntime>;
