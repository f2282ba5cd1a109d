//! The hands of the social service, in the order of the data: `source` reads homeservers, `writer` runs the
//! one thread that decides and commits, `api` answers, `live` pushes, `config` says how.

pub mod api;
pub mod blobs;
pub mod config;
pub mod jobs;
pub mod journal;
pub mod keyed;
pub mod live;
pub mod service;
pub mod shared;
pub mod source;
pub mod statics;
mod sweep;
pub mod text;
pub mod writer;
