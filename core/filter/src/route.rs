//! Finding the subscriptions that an item can concern without asking each of them.
//!
//! A subscription is filed under a few routes, an item travels along a few routes, and only where they meet
//! is the filter asked. A route is a hash: two values that share one cost a needless look, never a wrong
//! answer, because the filter has the last word.

use crate::{Everything, Filter};
use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

/// One value of one field, such as an author or a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route(u64);

impl Route {
    /// Every item comes along here. For subscriptions that nothing narrows.
    pub const EVERYTHING: Self = Self(0);

    /// The route of the items whose `field` is `value`.
    pub fn new(field: &str, value: &str) -> Self {
        Self::of(field, value)
    }

    /// The same for a value that isn't text. Filters and items must use one type for one field.
    pub fn of<V: Hash + ?Sized>(field: &str, value: &V) -> Self {
        let mut hasher = DefaultHasher::new();
        field.hash(&mut hasher);
        value.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// A filter that knows where the items it wants come along.
pub trait Routed<T: ?Sized>: Filter<T> {
    /// Routes of which every wanted item takes at least one.
    fn routes(&self) -> Vec<Route>;

    /// Several such sets of routes, if there are several. Whoever files the filter takes the least crowded.
    fn alternatives(&self) -> Vec<Vec<Route>> {
        vec![self.routes()]
    }
}

impl<T: ?Sized> Routed<T> for Everything {
    fn routes(&self) -> Vec<Route> {
        vec![Route::EVERYTHING]
    }
}

/// Subscriptions, filed by route. Each has a number that its owner chose.
#[derive(Debug)]
pub struct Router<S> {
    filed: HashMap<Route, BTreeMap<u64, S>>,
}

impl<S> Default for Router<S> {
    fn default() -> Self {
        Self { filed: HashMap::new() }
    }
}

impl<S: Clone> Router<S> {
    /// Files `subscription` under each of `routes`.
    pub fn insert(&mut self, routes: &[Route], number: u64, subscription: &S) {
        for route in routes {
            self.filed.entry(*route).or_default().insert(number, subscription.clone());
        }
    }

    /// Takes a subscription out of `routes`. Nothing happens where it isn't.
    pub fn remove(&mut self, routes: &[Route], number: u64) {
        for route in routes {
            let Some(filed) = self.filed.get_mut(route) else { continue };
            filed.remove(&number);
            if filed.is_empty() {
                self.filed.remove(route);
            }
        }
    }

    /// How many are filed under that one of `routes` which has most.
    pub fn crowd(&self, routes: &[Route]) -> usize {
        routes.iter().filter_map(|route| self.filed.get(route)).map(BTreeMap::len).max().unwrap_or(0)
    }

    /// The subscriptions that an item with these routes can concern. One that shares two routes with it comes twice.
    pub fn candidates<'a>(&'a self, routes: &'a [Route]) -> impl Iterator<Item = &'a S> {
        let everywhere = [Route::EVERYTHING];
        everywhere
            .into_iter()
            .chain(routes.iter().copied())
            .filter_map(|route| self.filed.get(&route))
            .flat_map(BTreeMap::values)
    }

    /// True if nothing is filed.
    pub fn is_empty(&self) -> bool {
        self.filed.is_empty()
    }
}
