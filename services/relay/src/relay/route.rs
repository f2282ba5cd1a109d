//! Routing of jobs: a provider's job feed is narrowed to the kinds that its handlers support, as they are when it
//! subscribes. A provider without handlers gets what it asks for. (NIP-89)

use super::{Relay, Shared, lock};
use crate::ports::{CacheAdapter, RuntimeAdapter, Scope, StorageAdapter, StorageError, WebSocketAdapter};
use nexus_nostr::{Filter, Kind, PublicKey, nip::nip89};
use std::{borrow::Cow, collections::BTreeSet};

/// How many handlers of a provider are looked at.
const HANDLERS: usize = 1_000;

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// The filters of a subscription, narrowed if it is a job feed.
    pub(super) async fn routed<'a>(
        &self,
        session: &Shared,
        sub: &str,
        filters: &'a [Filter],
    ) -> Result<Cow<'a, [Filter]>, StorageError> {
        let providers = {
            let session = lock(session);
            if !session.is_feed(sub) {
                return Ok(Cow::Borrowed(filters));
            }
            session.keys().to_vec()
        };
        let handled = self.handled(providers).await?;
        if handled.is_empty() {
            return Ok(Cow::Borrowed(filters));
        }
        Ok(filters.iter().map(|filter| narrowed(filter, &handled)).collect())
    }

    /// The kinds that the handlers of `providers` support.
    async fn handled(&self, providers: Vec<PublicKey>) -> Result<BTreeSet<Kind>, StorageError> {
        let filter = Filter::new().with_kinds([Kind::HANDLER]).with_authors(providers).with_limit(HANDLERS);
        let scope = Scope { now: self.runtime.now().into(), ..Scope::operator() };
        let mut kinds = BTreeSet::new();
        for stored in self.storage.query(&[filter], &scope).await?.events {
            kinds.extend(nip89::supported_kinds(&stored.event()?));
        }
        Ok(kinds)
    }
}

fn narrowed(filter: &Filter, handled: &BTreeSet<Kind>) -> Filter {
    let asked = filter.kinds().map(|kinds| kinds.iter().copied().filter(|kind| handled.contains(kind)).collect());
    filter.clone().with_kinds(asked.unwrap_or_else(|| handled.iter().copied().collect::<Vec<_>>()))
}
