//! The relay without I/O: sessions, rules, the market and the store in memory.

mod banning;
mod bans;
mod delivery;
mod failing;
mod feed;
mod fuzz;
mod intake;
mod jobs;
mod limits;
mod manage;
mod models;
mod once;
mod plans;
mod policies;
mod rebuild;
mod relay;
mod reputation;
mod retention;
mod rules;
mod scenarios;
mod session;
mod stage;
mod store;
mod upkeep;
mod vouch;
