//! What clients and relays say to each other: JSON arrays that begin with a verb. (NIP-01 and its extensions)

mod ask;
mod parts;
mod read;
mod reply;
mod write;

pub use ask::Ask;
pub use read::{ClientMessage, Unreadable};
pub use reply::Reply;
pub use write::{CountAnswer, EoseHint, RelayMessage};
