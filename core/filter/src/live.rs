//! The live index: subscriptions by name, each with several filters, found by the routes of an item.
//!
//! The work per item depends on how many are interested, not on how many are connected (invariant 7). What is
//! found is always confirmed by the filter itself, so each subscription that is shown does want the item.

use crate::{Route, Routed, Router};
use std::{collections::HashMap, fmt, hash::Hash, sync::Arc};

/// Subscriptions with their filters. A subscription wants what any of its filters matches.
pub struct LiveIndex<S, F> {
    by_id: HashMap<S, Arc<Subscription<S, F>>>,
    router: Router<Arc<Subscription<S, F>>>,
    next: u64,
}

struct Subscription<S, F> {
    /// Counted up, so that whoever came first is shown first.
    number: u64,
    id: S,
    filters: Arc<[F]>,
    /// Under which it is filed.
    routes: Box<[Route]>,
}

impl<S: Clone + Eq + Hash, F> LiveIndex<S, F> {
    /// How many subscriptions there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Each subscription with its filters, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&S, &Arc<[F]>)> {
        self.by_id.values().map(|subscription| (&subscription.id, &subscription.filters))
    }

    /// The filters of a subscription.
    pub fn get(&self, id: &S) -> Option<&Arc<[F]>> {
        self.by_id.get(id).map(|subscription| &subscription.filters)
    }

    /// Files a subscription, in place of an earlier one with the same `id`.
    pub fn insert<T: ?Sized>(&mut self, id: S, filters: Arc<[F]>)
    where
        F: Routed<T>,
    {
        self.remove(&id);
        let routes = filters.iter().flat_map(|filter| self.quietest(filter)).collect();
        let subscription = Arc::new(Subscription { number: self.next, id: id.clone(), filters, routes });
        self.next += 1;
        self.router.insert(&subscription.routes, subscription.number, &subscription);
        self.by_id.insert(id, subscription);
    }

    /// Takes a subscription out and gives its filters, if it was there.
    pub fn remove(&mut self, id: &S) -> Option<Arc<[F]>> {
        let subscription = self.by_id.remove(id)?;
        self.router.remove(&subscription.routes, subscription.number);
        Some(subscription.filters.clone())
    }

    /// Of the ways to file `filter`, the one on which fewest stand already; so nobody can make one value slow for
    /// those who write it while there is another to tell subscriptions apart by.
    fn quietest<T: ?Sized>(&self, filter: &F) -> Vec<Route>
    where
        F: Routed<T>,
    {
        let alternatives = filter.alternatives().into_iter();
        alternatives.min_by_key(|routes| (self.router.crowd(routes), routes.len())).unwrap_or_default()
    }

    /// Shows each subscription that wants `item`, once. `routes` are all that the item takes.
    pub fn matching<T: ?Sized>(&self, item: &T, routes: &[Route], mut visit: impl FnMut(&S))
    where
        F: Routed<T>,
    {
        let mut candidates: Vec<&Arc<Subscription<S, F>>> = self.router.candidates(routes).collect();
        candidates.sort_unstable_by_key(|candidate| candidate.number);
        candidates.dedup_by_key(|candidate| candidate.number);
        for candidate in candidates {
            if candidate.filters.iter().any(|filter| filter.matches(item)) {
                visit(&candidate.id);
            }
        }
    }
}

impl<S, F> Default for LiveIndex<S, F> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), router: Router::default(), next: 0 }
    }
}

impl<S, F> fmt::Debug for LiveIndex<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveIndex({} subscriptions)", self.by_id.len())
    }
}
