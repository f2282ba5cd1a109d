//! What of an identity is kept in memory: enough to check signatures and to find the repo.

use nexus_atproto::PublicKey;
use nexus_model::Timestamp;
use nexus_sync::identity::{Expiry, Found, Identity, Lifetimes};
use std::collections::HashSet;
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
    pub(super) fn of(identity: &Identity, lifetimes: Lifetimes, servers: &mut Servers) -> Self {
        let account = match &identity.document {
            Found::Document(document) => {
                let pds = document.pds().map(|address| servers.share(address));
                Account::Found { key: document.signing_key().ok(), pds }
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

/// Addresses of servers, each in memory once however many accounts it has.
#[derive(Debug, Default)]
pub(super) struct Servers(HashSet<Arc<str>>);

impl Servers {
    /// Addresses that are remembered. Beyond them each account has its own.
    const MOST: usize = 10_000;

    /// The shared text of an address.
    pub(super) fn share(&mut self, address: &str) -> Arc<str> {
        if let Some(known) = self.0.get(address) {
            return Arc::clone(known);
        }
        if self.0.len() >= Self::MOST {
            self.0.retain(|server| Arc::strong_count(server) > 1);
        }
        let server: Arc<str> = address.into();
        if self.0.len() < Self::MOST {
            self.0.insert(Arc::clone(&server));
        }
        server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_there_once_and_those_that_nobody_has_are_forgotten() {
        let mut servers = Servers::default();
        let first = servers.share("https://a.example");
        for number in 0..3 * Servers::MOST {
            let server = servers.share(&format!("https://{number}.example"));
            assert!(Arc::ptr_eq(&server, &servers.share(&server)));
            assert!(servers.0.len() <= Servers::MOST);
        }
        assert!(Arc::ptr_eq(&first, &servers.share("https://a.example")));
        let held: Vec<_> =
            (0..Servers::MOST + 5).map(|number| servers.share(&format!("https://held{number}"))).collect();
        assert!(servers.0.len() <= Servers::MOST && *held[Servers::MOST + 4] == *"https://held10004");
    }
}
