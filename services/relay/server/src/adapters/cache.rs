//! The cache of this process, measured.

use metrics::{Counter, Histogram};
use nexus_model::Timestamp;
use nexus_nostr::{Event, EventId, Filter};
use nexus_relay::{
    InMemoryCache,
    ports::{CacheAdapter, CacheError, ConnectionId, Filed, SubscriptionId},
};
use nexus_runtime::Clock;
use std::{sync::Arc, time::Instant};

type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Recent events and the live index.
pub struct NativeCache {
    memory: InMemoryCache<Now>,
    matches: Counter,
    seconds: Histogram,
}

impl NativeCache {
    /// A cache of at most `max_events` events.
    pub fn new(max_events: usize, clock: Clock) -> Self {
        Self {
            memory: InMemoryCache::new(max_events, Box::new(move || clock.now())),
            matches: metrics::counter!("nexus_live_matches_total"),
            seconds: metrics::histogram!("nexus_fanout_seconds"),
        }
    }

    /// How many subscriptions are active.
    pub fn subscriptions(&self) -> usize {
        self.memory.subscription_count()
    }
}

impl CacheAdapter for NativeCache {
    async fn cache_event(&self, event: &Event, ttl_secs: u64) -> Result<(), CacheError> {
        self.memory.cache_event(event, ttl_secs).await
    }

    async fn get_cached_event(&self, id: &EventId) -> Result<Option<Arc<Event>>, CacheError> {
        self.memory.get_cached_event(id).await
    }

    async fn invalidate(&self, id: &EventId) -> Result<(), CacheError> {
        self.memory.invalidate(id).await
    }

    async fn store_subscription(
        &self,
        conn_id: ConnectionId,
        sub_id: &str,
        filters: &[Filter],
    ) -> Result<(), CacheError> {
        self.memory.store_subscription(conn_id, sub_id, filters).await
    }

    async fn get_subscriptions(&self, conn_id: ConnectionId) -> Result<Vec<Filed<Arc<str>>>, CacheError> {
        self.memory.get_subscriptions(conn_id).await
    }

    async fn remove_subscription(&self, conn_id: ConnectionId, sub_id: &str) -> Result<(), CacheError> {
        self.memory.remove_subscription(conn_id, sub_id).await
    }

    async fn remove_connection(&self, conn_id: ConnectionId) -> Result<(), CacheError> {
        self.memory.remove_connection(conn_id).await
    }

    async fn get_all_subscriptions(&self) -> Result<Vec<Filed<SubscriptionId>>, CacheError> {
        self.memory.get_all_subscriptions().await
    }

    async fn matching_subscriptions(&self, event: &Event) -> Result<Vec<SubscriptionId>, CacheError> {
        let started = Instant::now();
        let wanted = self.memory.matching_subscriptions(event).await?;
        self.seconds.record(started.elapsed().as_secs_f64());
        self.matches.increment(wanted.len() as u64);
        Ok(wanted)
    }
}
