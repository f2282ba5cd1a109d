//! Tests of the social service's pure half.
#![expect(clippy::unwrap_used, reason = "what fails here is a test")]

mod decide;
mod dump;
mod histories;
mod index;
mod mock;
mod room;
mod scene;
mod store;
mod trust;
mod writer;
