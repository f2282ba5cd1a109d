//! The store in memory: for tests, for a relay that forgets, and as the model that other stores are held to.

mod memory;
mod query;

pub use memory::MemoryStorage;
