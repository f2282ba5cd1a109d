//! The social service: a drop-in for Pubky Nexus without Neo4j, Redis or a second process.
//!
//! The rooms, in the order of the data:
//!
//! - [`rules`] refuse input that the operator doesn't want;
//! - [`decide`] turns one verified event and the stored state into [`Effects`](effects::Effects), purely;
//! - [`writer`] does so for a group of inputs, and lets nobody know before it is durable;
//! - [`store`] is the port that keeps them, in one transaction for a group;
//! - [`index`] applies them in memory, and answers every [`query`] with a [`view`];
//! - [`export`] and [`import`] carry it all from one instance to another, a line for each object;
//! - [`trust`] ranks users by who is followed by whom, and [`mock`] makes networks up to try all this with.
//!
//! No tokio, no HTTP, no SQL and no clock: time is handed in, the hands are in `nexus-social-server`, and
//! backends are in `adapters/`.

pub mod decide;
pub mod dice;
pub mod effects;
pub mod export;
pub mod import;
pub mod index;
pub mod input;
mod line;
pub mod mock;
pub mod notification;
pub mod query;
pub mod read;
mod record;
pub mod row;
pub mod rules;
pub mod score;
pub mod search;
pub mod shape;
pub mod store;
pub mod trust;
pub mod view;
pub mod writer;
