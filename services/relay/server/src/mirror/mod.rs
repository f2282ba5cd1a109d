//! Other relays: brought level with this one once ([`sync()`]), or followed for as long as the program runs
//! ([`Router`]). Nothing of another relay is believed: its events pass the same checks as everybody's.
//!
//! The addresses are the operator's choice, so they may be in private networks.

mod follow;
mod link;
mod paging;
mod received;
mod router;
mod sync;
mod upload;
mod watch;

pub use link::{Link, LinkError, LinkOptions};
pub use router::{Router, Stream};
pub use sync::{Method, Report, SyncError, SyncOptions, sync};
pub use upload::Sent;

/// In which direction events go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From here to there.
    Up,
    /// From there to here.
    Down,
    /// Both.
    Both,
}

impl Direction {
    pub(crate) const fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::Both)
    }

    pub(crate) const fn is_down(self) -> bool {
        matches!(self, Self::Down | Self::Both)
    }
}
