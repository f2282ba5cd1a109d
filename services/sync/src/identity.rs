//! What is remembered of identities: key, server and name, and for how long each may be believed.
//!
//! Checking a signature needs the document alone; the handle, which costs a name look-up and a request, is
//! verified beside it and never holds up a commit.

use crate::repo::Name;
use nexus_atproto::{Did, Document, Handle};
use nexus_model::Timestamp;
use std::sync::Arc;

/// What was found when an identity was looked up. Kept across restarts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose.
    pub did: Did,
    /// The document, or why there is none.
    pub document: Found,
    /// When the document was fetched.
    pub fetched: Timestamp,
    /// What the account is called.
    pub name: Name,
    /// When the handle was last verified.
    pub verified: Timestamp,
}

/// The outcome of fetching a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Document(Arc<Document>),
    /// The directory says that there is none.
    Nothing,
    /// It could not be had; the text says why.
    Failed(String),
}

/// For how long an answer may be believed, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// A document, or a handle that was found true.
    pub good: i64,
    /// A failure.
    pub failed: i64,
    /// A handle that was found wrong.
    pub invalid: i64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { good: 24 * 3_600_000, failed: 120_000, invalid: 300_000 }
    }
}

/// Until when an answer may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The document, or its absence.
    pub document: Timestamp,
    /// The name.
    pub name: Timestamp,
}

/// What to do before an identity is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it may be believed.
    Use,
    /// Fetch the document.
    FetchDocument,
    /// Use the document, and verify the handle beside it.
    VerifyHandle,
}

impl Identity {
    /// What a document says of an account whose name is not known.
    pub const fn unnamed(did: Did, document: Found, fetched: Timestamp) -> Self {
        Self { did, document, fetched, name: Name::Unknown, verified: Timestamp::from_millis(0) }
    }

    /// The handle that its document declares.
    pub fn declared(&self) -> Option<Handle> {
        self.document()?.declared_handle()
    }

    /// True if its document declares another handle than it was found to have.
    pub fn is_renamed(&self) -> bool {
        let is_known = self.document().is_some() && self.name != Name::Unknown;
        is_known && self.declared().as_ref().map_or(Handle::INVALID, Handle::as_str) != self.name.as_str()
    }

    /// What to do with this answer at `now`.
    pub fn step(&self, now: Timestamp, lifetimes: Lifetimes) -> Step {
        let Expiry { document, name } = self.expiry(lifetimes);
        let passed = |since: Timestamp, until: Timestamp| now >= until || now < since;
        if passed(self.fetched, document) {
            Step::FetchDocument
        } else if matches!(self.document, Found::Document(_)) && passed(self.verified, name) {
            Step::VerifyHandle
        } else {
            Step::Use
        }
    }

    /// Until when each part may be believed.
    pub fn expiry(&self, lifetimes: Lifetimes) -> Expiry {
        let document = match self.document {
            Found::Document(_) => lifetimes.good,
            Found::Nothing | Found::Failed(_) => lifetimes.failed,
        };
        let name = match self.name {
            Name::Unknown => 0,
            // What it was called is not what it declares: to be verified as soon as somebody wants to know.
            Name::Handle(_) if self.is_renamed() => 0,
            Name::Handle(_) => lifetimes.good,
            Name::Invalid => lifetimes.invalid,
        };
        Expiry { document: self.fetched.plus_millis(document), name: self.verified.plus_millis(name) }
    }

    /// The document, if there is one.
    pub fn document(&self) -> Option<&Arc<Document>> {
        match &self.document {
            Found::Document(document) => Some(document),
            Found::Nothing | Found::Failed(_) => None,
        }
    }
}
