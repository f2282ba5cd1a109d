//! Tests of the embedded stores, over real files.
#![expect(clippy::unwrap_used, reason = "what fails here is a test")]

mod migration;
mod relay;
mod social;
mod sync;
mod sync_histories;
