//! The relay's hands: what `nexus-relay` decides, carried out with sockets, threads and HTTP.
//!
//! - [`backend`] names a relay's types as one;
//! - [`market`] answers questions about jobs over HTTP;
//! - [`mirror`] keeps other relays and this one alike;
//! - [`plugin`] asks a child process what it thinks of an event;
//! - [`transfer`] reads and writes events as lines of JSON.
//!
//! No protocol rules here, and no SQL: which store stands behind the port is the program's choice.

pub mod backend;
pub mod market;
pub mod mirror;
pub mod plugin;
pub mod transfer;
