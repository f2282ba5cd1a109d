//! The AT Protocol: bytes from relays and personal data servers in, verified commits, repos and identities
//! out. Bytes in, values out; no I/O, no clock. Connecting, resolving names and fetching belong to the sync
//! service's hands.
//!
//! What comes in is [`nexus_model::Raw`]; [`Rules`] make it
//! [`nexus_model::Verified`]. From the outside in: [`Frame`] is a message of the firehose, [`Slice`] and
//! [`Decoder`] are the CARs inside it and of whole repos, [`Commit`] is a signed root, [`Walk`] and [`Tree`]
//! are the tree below it, [`record`] is the leaves.
//!
//! # What is ours and what is not
//!
//! Curves are others' work: libsecp256k1 for K-256, aws-lc for P-256. The codecs are our own. The crate
//! `shrike` has them all and was considered for each: its inversion sits behind a feature that brings a
//! second HTTP stack, its tree keeps every node that a walk has loaded, and its CAR reader hands out each
//! block in a buffer of its own. Here a repo of 450 MB must pass through bounded memory.
//!
//! # What is not here
//!
//! Lexicon schemas (records are data of the model, whatever their `$type` demands), version 2 repos, CIDs
//! other than the blessed ones where the protocol itself uses them, and Jetstream, which can't be verified.

pub mod car;
mod cbor;
mod cid;
mod commit;
mod doc;
mod error;
mod frame;
mod key;
mod mst;
pub mod record;
mod syntax;
mod verify;

pub use car::{Decoder, Slice};
pub use cid::{Cid, Codec};
pub use commit::Commit;
pub use doc::{Document, MAX_ADDRESS, MAX_DOCUMENT};
pub use error::{Error, Reason, Result};
pub use frame::{AccountMessage, CommitMessage, Frame, IdentityMessage, Notice, OpMessage, SyncMessage};
pub use key::PublicKey;
pub use mst::{Blocks, Leaf, Tree, Walk, key_height};
pub use syntax::{Did, Handle, Nsid, RecordKey, RecordPath, Tid};
pub use verify::{Legacy, Limits, Link, Op, RepoCommit, RepoState, Rules, link};
