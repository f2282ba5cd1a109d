//! The real binary as a process, on free ports, with fake homeservers: what an operator and a client see.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cli;
#[cfg(feature = "cloudflare")]
mod cloudflare;
mod compat;
mod config;
mod damage;
mod dialects;
mod doctor;
mod erase;
mod exits;
mod jobs;
mod keyed;
mod keys;
mod kill;
mod metrics;
mod network;
mod program;
mod readme;
mod relay;
mod relay_damage;
mod relay_full;
mod relay_verbs;
mod reload;
mod rules;
mod serve;
mod stop;
mod sync;
mod transfer;
mod verbs;
