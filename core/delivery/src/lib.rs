//! Live delivery: changes from a journal to whoever listens, as they happen.
//!
//! One [`Tail`] for each journal holds the newest changes in a bounded ring. A [`Session`] is a cursor and a
//! filter; it *pulls*. There is no queue per listener: a slow one falls behind by itself and costs nothing,
//! reads older changes from the journal in pages, and joins the ring again where the pages end. While it has
//! nothing to read it sleeps, filed under the routes of its filter, and only a change that comes along one of
//! them wakes it: the work per change doesn't grow with the number of listeners.
//!
//! [`sse`] and [`ws`] put a session on the wire. What a change looks like there, and along which routes it
//! travels, is the service's [`Presentation`]. Nothing here knows a protocol's records, and nothing is stored:
//! a listener keeps its own cursor. A [`channel`] is the other kind of delivery: at least once, acknowledged, in
//! order per author. What never enters a journal goes by a volatile [`lane`].

pub mod channel;
mod frame;
pub mod lane;
mod limits;
mod ring;
mod session;
pub mod sse;
mod tail;
mod waiter;
pub mod ws;

pub use frame::{End, Frame};
pub use limits::Limits;
pub use ring::Entry;
pub use session::Session;
pub use tail::{Presentation, Refusal, Start, Tail};
