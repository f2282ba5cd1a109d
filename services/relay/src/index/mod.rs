//! How stored events are found: the lists that an event stands on, and which of them a filter is answered from.
//!
//! Nothing here knows how a store keeps its lists. A store files each event under its [`terms`], walks the lists
//! that [`plan()`] chose in the order of time, and holds what it finds against the filter.

mod plan;
mod rank;
mod term;

pub use plan::{Order, Plan, Rest, Statistics, order, plan, plans};
pub use rank::score;
pub use term::{Term, terms};
