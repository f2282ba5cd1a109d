//! The hands of the sync service: the thread that writes, the journal as a channel reads it, and the HTTP and
//! WebSocket interface and the webhook that existing clients know, byte for byte.
//!
//! What to decide and what to store is `nexus-sync`; which store, which port and which settings is the program's
//! choice.

pub mod api;
pub mod config;
pub mod consumers;
pub mod expiry;
mod measure;
mod outbox;
pub mod refetch;
mod room;
pub mod service;
pub mod source;
pub mod spool;
pub mod webhook;
mod writer;

pub use nexus_runtime::groups::Stopped;
pub use outbox::{Gone, SyncOutbox};
pub use writer::{WriterHandle, WriterThread, start};
