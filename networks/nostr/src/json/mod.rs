//! The JSON that Nostr allows, read in one pass and written in one form. Stricter than most readers: no lone
//! surrogates, no fractions or exponents where integers belong, no control characters, at most eight levels.

mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::{push_integer, push_string};
