//! The relay's hands: what `nexus-relay` decides, carried out with sockets, threads and HTTP.
//!
//! - [`config`] says what each setting means;
//! - `wire` is the WebSocket protocol as bytes, `door` lets clients in, `connection` serves one;
//! - [`adapters`] are the relay's four ports on an operating system;
//! - `http` answers everything that is no WebSocket;
//! - [`service`] puts it together, and drains it;
//! - [`backend`] names a relay's types as one;
//! - [`market`] answers questions about jobs over HTTP;
//! - [`mirror`] keeps other relays and this one alike;
//! - [`plugin`] asks a child process what it thinks of an event;
//! - [`transfer`] reads and writes events as lines of JSON.
//!
//! No protocol rules here, and no SQL: which store stands behind the port is the program's choice.

pub mod adapters;
pub mod backend;
pub mod config;
mod connection;
mod door;
mod hands;
mod http;
pub mod market;
mod meters;
pub mod mirror;
pub mod plugin;
pub mod service;
pub mod transfer;
mod wire;
