//! The four ports on which the relay stands: storage, cache, sockets and the runtime. Their names and methods
//! are those of the first Nexus relay, with what correctness needs besides. A fifth, [`Judge`], may be missing.
//!
//! Natively their futures can be sent between threads. On wasm32 they can't, as JavaScript's promises can't:
//! [`MaybeSend`] and [`MaybeSync`] ask for as much as the target can give.

mod cache;
mod judge;
mod runtime;
mod socket;
mod storage;

pub use cache::{CacheAdapter, CacheError, Filed, SubscriptionId};
pub use judge::{Judge, Judgement, Judging, Source, Submission};
pub use runtime::{LogLevel, RuntimeAdapter};
pub use socket::{ConnectionId, ConnectionMeta, WebSocketAdapter, WsError};
pub use storage::{
    Count, Entry, Outcome, Page, PreparedEvent, Record, RecordKind, RemovalReason, Scope, StorageAdapter, StorageError,
    StoredEvent, Viewer,
};

/// `Send`, where the target has threads.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + ?Sized> MaybeSend for T {}

/// `Send`, where the target has threads.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSend for T {}

/// `Sync`, where the target has threads.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSync: Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Sync + ?Sized> MaybeSync for T {}

/// `Sync`, where the target has threads.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSync {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSync for T {}
