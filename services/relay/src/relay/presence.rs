//! Which providers are there: connected, known by name, and waiting for jobs.

use super::{Relay, lock};
use crate::{
    ports::{CacheAdapter, CacheError, ConnectionId, RuntimeAdapter, StorageAdapter, WebSocketAdapter},
    settings::Switch,
};
use nexus_nostr::{Filter, Kind, PublicKey};
use std::{collections::HashMap, sync::Arc};

/// Who waits for which jobs, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    waiting: HashMap<PublicKey, Vec<Arc<[Filter]>>>,
}

impl Presence {
    /// True if `provider` has a subscription that asks for requests of `kind`.
    pub fn is_online(&self, provider: &PublicKey, kind: Kind) -> bool {
        let asks = |filter: &Filter| {
            !filter.is_impossible()
                && filter.ids().is_none()
                && filter.kinds().is_none_or(|kinds| kinds.binary_search(&kind).is_ok())
        };
        let subscriptions = self.waiting.get(provider);
        subscriptions.is_some_and(|subscriptions| subscriptions.iter().flat_map(|filters| filters.iter()).any(asks))
    }
}

impl<S: StorageAdapter, C: CacheAdapter, W: WebSocketAdapter, R: RuntimeAdapter> Relay<S, C, W, R> {
    /// Who waits for jobs now; nobody, if the operator doesn't want that told.
    ///
    /// # Errors
    /// The cache's.
    pub async fn presence(&self) -> Result<Presence, CacheError> {
        let mut presence = Presence::default();
        if self.settings().market.presence == Switch::Off {
            return Ok(presence);
        }
        for (conn, keys) in self.named_sessions() {
            let subscriptions = self.cache.get_subscriptions(conn).await?;
            for key in keys {
                let filters = subscriptions.iter().map(|(_, filters)| filters.clone());
                presence.waiting.entry(key).or_default().extend(filters);
            }
        }
        Ok(presence)
    }

    /// The sessions whose client proved who it is.
    fn named_sessions(&self) -> Vec<(ConnectionId, Vec<PublicKey>)> {
        let sessions: Vec<_> = self.sessions().values().cloned().collect();
        let named = sessions.iter().map(|session| {
            let session = lock(session);
            (session.id(), session.keys().to_vec())
        });
        named.filter(|(_, keys)| !keys.is_empty()).collect()
    }
}
