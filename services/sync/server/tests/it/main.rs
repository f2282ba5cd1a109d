//! The server over real sockets, on the store in memory.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod channel;
mod consumers;
mod refetch;
mod routes;
mod service;
mod settings;
mod sources;
mod spool;
mod webhook;
