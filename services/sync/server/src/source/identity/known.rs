//! What of an identity is kept in memory: enough to check signatures and to find the repo.

use nexus_atproto::{Handle, PublicKey};
use nexus_model::Timestamp;
use nexus_sync::identity::{Expiry, Found, Identity, Lifetimes};
use std::sync::Arc;

/// An identity in short.
#[derive(Clone, Debug)]
pub(in crate::source) struct Known {
    /// What there is of a document.
    pub(in crate::source) account: Account,
    /// When the document was fetched.
    pub(in crate::source) fetched: Timestamp,
    pub(super) verified: Timestamp,
    pub(super) expiry: Expiry,
}

/// What there is of a document.
#[derive(Clone, Debug)]
pub(in crate::source) enum Account {
    /// It is there.
    Found {
        /// The key that signs, unless the document has none that can be used.
        key: Option<PublicKey>,
        /// The server that holds the repo.
        pds: Option<Arc<str>>,
    },
    /// The directory says that there is none.
    Nothing,
    /// It could not be had.
    Failed(Arc<str>),
}

impl Known {
    pub(super) fn of(identity: &Identity, lifetimes: Lifetimes) -> Self {
        let account = match &identity.document {
            Found::Document(document) => {
                Account::Found { key: document.signing_key().ok(), pds: document.pds().map(Into::into) }
            }
            Found::Nothing => Account::Nothing,
            Found::Failed(reason) => Account::Failed(reason.as_str().into()),
        };
        let Identity { fetched, verified, .. } = *identity;
        Self { account, fetched, verified, expiry: identity.expiry(lifetimes) }
    }

    /// The key that signs.
    pub(in crate::source) const fn key(&self) -> Option<&PublicKey> {
        match &self.account {
            Account::Found { key, .. } => key.as_ref(),
            Account::Nothing | Account::Failed(_) => None,
        }
    }
}

/// The handle that an identity declares.
pub(super) fn declared(identity: &Identity) -> Option<Handle> {
    identity.document()?.declared_handle()
}
