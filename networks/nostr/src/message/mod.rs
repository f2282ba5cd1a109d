//! What clients and relays say to each other: JSON arrays that begin with a verb. (NIP-01 and its extensions)

mod read;
mod write;

pub use read::{ClientMessage, Unreadable};
pub use write::{CountAnswer, EoseHint, RelayMessage};
