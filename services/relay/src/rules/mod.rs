//! What is refused before anything dear is done: [`admission`] judges events, [`reading`] judges filters,
//! [`rates`] count, [`bans`] keep out for a while, [`lists`] are what administrators decided, and [`policies`] what the operator wrote. All of it is pure.

pub mod admission;
pub mod bans;
pub mod lists;
pub mod policies;
pub mod rates;
pub mod reading;
