//! The relay without I/O: sessions, rules, the market and the store in memory.

mod jobs;
mod manage;
mod rebuild;
mod relay;
mod rules;
mod scenarios;
mod stage;
mod store;
