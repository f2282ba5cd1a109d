//! The backend on the host: SQLite stands in for D1, with D1's limits.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod alarms;
mod attachments;
mod deployment;
mod stand_in;
mod storage;
