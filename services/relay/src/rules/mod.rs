//! What is refused before anything dear is done: [`admission`] judges events, [`reading`] judges filters,
//! [`rates`] count, and [`lists`] are what administrators decided. All of it is pure.

pub mod admission;
pub mod lists;
pub mod rates;
pub mod reading;
