//! Nostr's rules as written down here, against the `nostr` crate and against the texts of the NIPs.

mod events;
mod filters;
mod fuzz;
mod make;
mod messages;
mod models;
mod nips;
mod signatures;
