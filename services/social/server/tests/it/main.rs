//! The hands of the social service over real sockets: fake homeservers or clients on one end, a store on the other.

#![expect(clippy::unwrap_used, reason = "a test that meets a failure fails")]

mod api;
mod counted;
mod external;
mod failing;
mod files;
mod hostile;
mod jobs;
mod keyed;
mod live;
mod service;
mod settings;
mod shelf;
mod statics;
mod text;
mod whole_log;
mod world;
mod writer;
