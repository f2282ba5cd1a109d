//! What is refused before anything dear is done: [`admission`] judges events, [`reading`] judges filters,
//! [`rates`] count, [`bans`] keep out for a while, [`lists`] are what administrators decided, [`policies`] what the
//! operator wrote, and [`retention`] says how much is kept. All of it is pure.

pub mod admission;
pub mod bans;
pub mod lists;
pub mod policies;
pub mod rates;
pub mod reading;
pub mod retention;
