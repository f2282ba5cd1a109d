//! The hands of the social service, over real sockets and a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that meets a failure fails")]

mod live;
mod shelf;
mod text;
