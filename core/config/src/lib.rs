//! Settings as types: each section of the configuration is a struct made by [`section!`], whose fields carry
//! their documentation, default and range. From those structs come the reading of files, environment and
//! flags, the errors, the commented `nexus.toml` and the tables of the documentation, so that none of them
//! can disagree.
//!
//! This crate knows no section. Services declare theirs in their `config` module; the program joins them,
//! and adds the aliases and short names of the systems that Nexus stands in for.

mod bind;
mod error;
mod layer;
mod load;
mod node;
mod ranged;
mod render;
mod schema;
mod section;
mod switch;
mod text;

pub use bind::Bind;
pub use error::{Error, Origin, Problem};
pub use layer::Layer;
pub use load::{Loaded, load};
pub use node::{Node, Scalar, Setting, Tables};
pub use ranged::{Bounded, Ranged, Share, Size, Span};
pub use render::{commented, environment, flags, reference};
pub use schema::{Alias, Flag, Schema, Short, Takes};
pub use switch::Switch;
pub use text::Secret;

#[doc(hidden)]
pub use serde;
