//! What every service speaks: positions in a journal, the change that a journal row stands for, and the
//! border between input as it came and input that was verified.
//!
//! Pure values. No I/O, no clock, no protocol: what a `did` or a `homeserver` is belongs to `networks/*`.

mod change;
mod seq;
mod verified;

pub use change::{Action, Change, Source};
pub use seq::{Seq, Timestamp};
pub use verified::{Raw, Verified, Verifier};
