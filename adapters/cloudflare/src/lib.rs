//! The relay on Cloudflare, the half without I/O: which statements D1 runs, what a sleeping socket remembers, when
//! the object must wake, and what a deployment's variables mean.
//!
//! Everything here runs on the host too, where SQLite stands in for D1. The outer half (the Worker and its Durable
//! Object) implements [`D1`] over the binding and is not in this crate. No `worker`, no JavaScript, no clock.

mod alarm;
mod attachment;
mod d1;
mod plan;
mod query;
mod snapshot;
mod storage;
mod variables;

pub use alarm::{Alarms, Chore};
pub use attachment::{Attachment, AttachmentError, MAX_ATTACHMENT, Overflow, Subscription};
pub use d1::{D1, D1Error, MAX_PARAMETER, Row, Statement};
pub use storage::D1Storage;
pub use variables::{Deployment, VariableError};

/// The tables of D1.
pub const SCHEMA: &str = include_str!("../schema.sql");
/// The table of the Durable Object's own SQLite.
pub const OBJECT_SCHEMA: &str = include_str!("../object.sql");
/// A deployment as `wrangler` reads it, to be filled in.
pub const WRANGLER: &str = include_str!("../wrangler.toml");
