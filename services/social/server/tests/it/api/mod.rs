//! The API over its routes, with the slow model and the memory store behind them: one module for each group of
//! endpoints.

mod abuse;
mod admin;
mod bootstrap;
mod contract;
mod files;
mod http;
mod meta;
mod posts;
mod quirks;
mod resources;
mod search;
mod stream_posts;
mod stream_users;
mod tags;
mod thread;
pub(crate) mod town;
mod users;
