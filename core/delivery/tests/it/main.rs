//! Live delivery, against a journal in memory: what every session must see, how sessions end, and both wires
//! over real sockets.
#![expect(clippy::unwrap_used, reason = "a test that meets a failure fails")]

mod channel;
mod channel_driver;
mod history;
mod journal;
mod lifetime;
mod wires;
