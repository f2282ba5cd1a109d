//! What is fast because it is near: recent events by id, and which subscriptions an event concerns.
//!
//! A cache never answers a query. It can't know whether it has everything, and a part of an answer that looks
//! like the whole is worse than none.

use super::{ConnectionId, MaybeSend, MaybeSync};
use nexus_nostr::{Event, EventId, Filter};
use std::{future::Future, sync::Arc};

/// A subscription: a connection, and the name that its client gave.
pub type SubscriptionId = (ConnectionId, Arc<str>);

/// A subscription with what it wants.
pub type Filed<I> = (I, Arc<[Filter]>);

/// Recent events and active subscriptions.
pub trait CacheAdapter: MaybeSend + MaybeSync {
    /// Remembers an event for `ttl_secs` seconds, or less where room is needed.
    fn cache_event(&self, event: &Event, ttl_secs: u64) -> impl Future<Output = Result<(), CacheError>> + MaybeSend;

    /// The event, if it is remembered.
    fn get_cached_event(
        &self,
        id: &EventId,
    ) -> impl Future<Output = Result<Option<Arc<Event>>, CacheError>> + MaybeSend;

    /// Forgets an event that was removed.
    fn invalidate(&self, id: &EventId) -> impl Future<Output = Result<(), CacheError>> + MaybeSend;

    /// Files a subscription, in place of an earlier one of the same name.
    fn store_subscription(
        &self,
        conn_id: ConnectionId,
        sub_id: &str,
        filters: &[Filter],
    ) -> impl Future<Output = Result<(), CacheError>> + MaybeSend;

    /// The subscriptions of a connection.
    fn get_subscriptions(
        &self,
        conn_id: ConnectionId,
    ) -> impl Future<Output = Result<Vec<Filed<Arc<str>>>, CacheError>> + MaybeSend;

    /// Takes a subscription out.
    fn remove_subscription(
        &self,
        conn_id: ConnectionId,
        sub_id: &str,
    ) -> impl Future<Output = Result<(), CacheError>> + MaybeSend;

    /// Takes all subscriptions of a connection out.
    fn remove_connection(&self, conn_id: ConnectionId) -> impl Future<Output = Result<(), CacheError>> + MaybeSend;

    /// All subscriptions.
    fn get_all_subscriptions(&self)
    -> impl Future<Output = Result<Vec<Filed<SubscriptionId>>, CacheError>> + MaybeSend;

    /// The subscriptions that want `event`.
    fn matching_subscriptions(
        &self,
        event: &Event,
    ) -> impl Future<Output = Result<Vec<SubscriptionId>, CacheError>> + MaybeSend {
        async {
            let all = self.get_all_subscriptions().await?;
            let wanted = all.into_iter().filter(|(_, filters)| filters.iter().any(|filter| filter.matches(event)));
            Ok(wanted.map(|(id, _)| id).collect())
        }
    }
}

/// Why a cache failed. It may be lost at any time, and nothing but speed is lost with it.
#[derive(Debug, thiserror::Error)]
#[error("the cache can't be reached")]
pub struct CacheError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
