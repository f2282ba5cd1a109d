//! The Merkle search tree of a repo: record paths in order, laid out by the hashes of the paths, so that
//! equal sets of records have equal roots.
//!
//! [`Walk`] reads a whole tree and misses nothing; [`Tree`] holds the part of a tree that a commit carries
//! and undoes the commit's operations on it. Both read nodes through one strict parser.

mod node;
mod tree;
mod walk;

pub use node::key_height;
pub use tree::Tree;
pub use walk::{Blocks, Leaf, Walk};
