//! SQLite: the store that needs no server. One file for each service, in WAL mode, with one writer and a pool of
//! readers.
//!
//! [`Database`] is what every service's store stands on: opening, migrating, groups, readers, backup and checks.
//! A module for each service knows its tables. Calls block, and don't belong on an async thread; only the relay's
//! store has threads of its own and futures that wait for them.

mod connection;
mod database;
mod error;
mod group;
mod migration;
mod readers;
#[cfg(feature = "relay")]
pub mod relay;
#[cfg(feature = "social")]
pub mod social;
#[cfg(feature = "sync")]
pub mod sync;

pub use connection::{Checkpoints, Durability, Options};
pub use database::Database;
pub use error::{Error, Result};
pub use group::Group;
pub use migration::{Schema, Upgrade};
