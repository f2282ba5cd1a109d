//! The relay service: Nostr sessions and the market for jobs, without I/O.
//!
//! The rooms, in the order of the data:
//!
//! - [`rules`] refuse what the operator or the protocol doesn't want;
//! - [`decide`](decide::decide) says what a verified event does to what is stored, purely;
//! - [`ports`] are the four adapters on which a relay stands, [`store`] the one that keeps all in memory;
//! - [`market`] observes jobs;
//! - [`session`] is one client's side of the protocol: messages in, actions out;
//! - [`Relay`] carries the actions out.
//!
//! No tokio, no HTTP, no SQL and no clock: time is handed in, the hands are in `nexus-relay-server`, and
//! backends are in `adapters/`. Builds for wasm32.

mod cache;
pub mod decide;
pub mod index;
pub mod market;
pub mod ports;
mod relay;
pub mod rules;
pub mod session;
pub mod settings;
pub mod store;

pub use cache::InMemoryCache;
pub use relay::{Asker, Intake, ManageError, Observer, Presence, Protected, Purge, Relay, Terms, Vetted, Waker};
