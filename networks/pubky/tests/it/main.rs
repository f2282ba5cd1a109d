//! Parsers against slow and obvious models, and everything against arbitrary bytes.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing there has failed")]

mod address;
mod log;
mod resource;
mod stream;
mod text;
mod verify;

use nexus_pubky::PubkyId;

/// Valid keys.
pub(crate) const KEYS: [&str; 3] = [
    "operrr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo",
    "pxnu33x7jtpx9ar1ytsi4yxbp6a5o36gwhffs8zoxmbuptici1jy",
    "8um71us3fyw6h8wbcxb5ar3rwusy1a6u49956ikzojg3gcwd1dty",
];

pub(crate) fn key(index: usize) -> PubkyId {
    KEYS[index].parse().unwrap()
}
