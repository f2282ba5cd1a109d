//! The cache in this process: recent events, bounded in number and age, and the live index of subscriptions.

use crate::ports::{CacheAdapter, CacheError, ConnectionId, Filed, SubscriptionId};
use nexus_filter::LiveIndex;
use nexus_model::Timestamp;
use nexus_nostr::{Event, EventId, Filter};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

/// A cache that lives as long as the process.
#[derive(Debug)]
pub struct InMemoryCache<N> {
    max_events: usize,
    now: N,
    recent: Mutex<Recent>,
    subscriptions: Mutex<Subscriptions>,
}

/// Events, the longest known first.
#[derive(Debug, Default)]
struct Recent {
    events: HashMap<EventId, Kept>,
    order: VecDeque<(EventId, u64)>,
    next: u64,
}

#[derive(Debug)]
struct Kept {
    event: Arc<Event>,
    until: Timestamp,
    /// Counted up: an event that was kept again has another place in the order.
    number: u64,
}

#[derive(Debug, Default)]
struct Subscriptions {
    index: LiveIndex<SubscriptionId, Filter>,
    names: HashMap<ConnectionId, HashSet<Arc<str>>>,
}

impl<N> InMemoryCache<N> {
    /// A cache of at most `max_events` events, by the clock `now`.
    pub fn new(max_events: usize, now: N) -> Self {
        Self { max_events, now, recent: Mutex::default(), subscriptions: Mutex::default() }
    }

    /// How many subscriptions there are.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions().index.len()
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().expect("no holder of this lock panics")
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions.lock().expect("no holder of this lock panics")
    }
}

impl Recent {
    fn insert(&mut self, event: Arc<Event>, until: Timestamp, max: usize) {
        if max == 0 {
            return;
        }
        let (id, number) = (event.id, self.next);
        self.next += 1;
        self.order.push_back((id, number));
        self.events.insert(id, Kept { event, until, number });
        // Ids of events that were invalidated or kept again still stand in the order, so the order bounds both.
        while self.order.len() > max {
            let Some((oldest, number)) = self.order.pop_front() else { break };
            if self.events.get(&oldest).is_some_and(|kept| kept.number == number) {
                self.events.remove(&oldest);
            }
        }
    }
}

impl<N: Fn() -> Timestamp + crate::ports::MaybeSend + crate::ports::MaybeSync> CacheAdapter for InMemoryCache<N> {
    async fn cache_event(&self, event: &Event, ttl_secs: u64) -> Result<(), CacheError> {
        let millis = i64::try_from(ttl_secs).unwrap_or(i64::MAX).saturating_mul(1000);
        let until = (self.now)().plus_millis(millis);
        self.recent().insert(Arc::new(event.clone()), until, self.max_events);
        Ok(())
    }

    async fn get_cached_event(&self, id: &EventId) -> Result<Option<Arc<Event>>, CacheError> {
        let now = (self.now)();
        let recent = self.recent();
        let fresh = recent.events.get(id).filter(|kept| kept.until > now);
        Ok(fresh.map(|kept| kept.event.clone()))
    }

    async fn invalidate(&self, id: &EventId) -> Result<(), CacheError> {
        self.recent().events.remove(id);
        Ok(())
    }

    async fn store_subscription(
        &self,
        conn_id: ConnectionId,
        sub_id: &str,
        filters: &[Filter],
    ) -> Result<(), CacheError> {
        let mut subscriptions = self.subscriptions();
        let name: Arc<str> = sub_id.into();
        subscriptions.names.entry(conn_id).or_default().insert(name.clone());
        subscriptions.index.insert((conn_id, name), filters.into());
        Ok(())
    }

    async fn get_subscriptions(&self, conn_id: ConnectionId) -> Result<Vec<Filed<Arc<str>>>, CacheError> {
        let subscriptions = self.subscriptions();
        let names = subscriptions.names.get(&conn_id).into_iter().flatten();
        let filed = |name: &Arc<str>| Some((name.clone(), subscriptions.index.get(&(conn_id, name.clone()))?.clone()));
        Ok(names.filter_map(filed).collect())
    }

    async fn remove_subscription(&self, conn_id: ConnectionId, sub_id: &str) -> Result<(), CacheError> {
        let mut subscriptions = self.subscriptions();
        subscriptions.index.remove(&(conn_id, sub_id.into()));
        if let Some(names) = subscriptions.names.get_mut(&conn_id) {
            names.remove(sub_id);
            if names.is_empty() {
                subscriptions.names.remove(&conn_id);
            }
        }
        Ok(())
    }

    async fn remove_connection(&self, conn_id: ConnectionId) -> Result<(), CacheError> {
        let mut subscriptions = self.subscriptions();
        for name in subscriptions.names.remove(&conn_id).unwrap_or_default() {
            subscriptions.index.remove(&(conn_id, name));
        }
        Ok(())
    }

    async fn get_all_subscriptions(&self) -> Result<Vec<Filed<SubscriptionId>>, CacheError> {
        let subscriptions = self.subscriptions();
        Ok(subscriptions.index.iter().map(|(id, filters)| (id.clone(), filters.clone())).collect())
    }

    async fn matching_subscriptions(&self, event: &Event) -> Result<Vec<SubscriptionId>, CacheError> {
        let mut wanted = Vec::new();
        self.subscriptions().index.matching(event, &event.routes(), |id| wanted.push(id.clone()));
        Ok(wanted)
    }
}
