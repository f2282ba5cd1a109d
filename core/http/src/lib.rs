//! One HTTP server for every service. [`Server`] owns a port: TLS, connection limits, a drain that loses no
//! answer. [`Site`] merges the routers of several services on it and adds `/health` and `/ready`. [`Layers`],
//! [`RateLimiter`], [`conditional()`] and [`guard_admin`] are what a service puts around its own routes.
//!
//! Error shapes, paths and parameters belong to the services: nothing here knows what is served.

mod admin;
mod client;
mod conditional;
mod config;
mod connection;
mod error;
mod keys;
mod layers;
mod limit;
mod metrics;
mod pieces;
mod ready;
mod server;
mod site;
mod stall;
mod tls;

pub use admin::{AdminToken, Denied, guard_admin};
pub use client::{Client, Network, TrustedProxies};
pub use conditional::conditional;
pub use config::{ApiKeyConfig, BucketConfig, ConnectionLimits, RateLimitConfig, TlsFiles};
pub use error::Error;
pub use layers::{Compression, Cors, Layers};
pub use limit::{Class, RateLimiter, rate_limit};
pub use metrics::metrics_router;
pub use ready::{Condition, Readiness};
pub use server::Server;
pub use site::{Paths, Site};
