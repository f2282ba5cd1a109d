//! The relay's hands, over real sockets and processes, with SQLite behind them.

mod client;
mod handover;
mod hostile;
mod house;
mod http;
mod limits;
mod market;
mod mirror;
mod notices;
mod plugin;
mod raw;
mod retention;
mod scenarios;
mod settings;
mod slow;
mod stand;
mod stopping;
mod stream;
mod transfer;
mod wire;
