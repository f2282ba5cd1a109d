//! The sync service: verified, backfilled, ordered events of the AT Protocol's repos. A drop-in for the
//! atproto sync utility, first published as `nexus` and now called Tap.
//!
//! The rooms, in the order of the data:
//!
//! - [`rules`] say which repos are tracked and which collections are sent on;
//! - [`decide`] turns one input and what is known of its repo into [`effects`], purely;
//! - [`resync`] lays a whole copy of a repo beside the record index, in bounded memory;
//! - [`writer`] does so for a group of inputs, and lets nobody know before it is durable;
//! - [`store`] is the port that keeps all of it, in one transaction for a group.
//!
//! A [`repo::Repo`] is what is known of a repo, an [`event::Event`] what consumers are told, an
//! [`identity::Identity`] what was found of an account. What is believed of the network was verified by
//! `nexus-atproto`. What of all this is at hand in memory is held in [`generations`].
//!
//! No tokio, no HTTP, no SQL and no clock: time is handed in, the hands are in `nexus-sync-server`, and
//! backends are in `adapters/`.

pub mod decide;
pub mod effects;
pub mod event;
pub mod generations;
pub mod identity;
pub mod repo;
pub mod resync;
pub mod rules;
pub mod store;
pub mod writer;
