//! A sorted list in pieces: a vector while it is short, chunks beyond that, so that no insertion moves more
//! than one chunk. The order is handed in with each call, because most lists hold ids whose order is that of
//! what they stand for.

use crate::query::Order;
use std::cmp::Ordering;

/// How many items a chunk holds at the most.
const CHUNK: usize = 512;

/// Items in an order that every caller knows and none may change while an item is in the list.
#[derive(Clone, Debug)]
pub(super) enum Sorted<T> {
    Flat(Vec<T>),
    Chunked { chunks: Vec<Vec<T>>, length: usize },
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self::Flat(Vec::new())
    }
}

/// A place between two items.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    chunk: usize,
    at: usize,
}

impl<T: Copy> Sorted<T> {
    /// Takes items that are in order.
    pub(super) fn from_ordered(items: Vec<T>) -> Self {
        if items.len() <= CHUNK {
            let mut items = items;
            items.shrink_to_fit();
            return Self::Flat(items);
        }
        let length = items.len();
        // Three quarters full: later insertions find room.
        let chunks = items.chunks(CHUNK / 4 * 3).map(<[T]>::to_vec).collect();
        Self::Chunked { chunks, length }
    }

    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Flat(items) => items.len(),
            Self::Chunked { length, .. } => *length,
        }
    }

    fn chunks(&self) -> &[Vec<T>] {
        match self {
            Self::Flat(items) => std::slice::from_ref(items),
            Self::Chunked { chunks, .. } => chunks,
        }
    }

    pub(super) fn last(&self) -> Option<T> {
        self.chunks().last().and_then(|chunk| chunk.last()).copied()
    }

    /// The place before which `is_before` holds and after which it doesn't.
    pub(super) fn place(&self, is_before: impl Fn(&T) -> bool) -> Place {
        let chunks = self.chunks();
        let chunk = chunks.partition_point(|chunk| chunk.last().is_some_and(&is_before));
        match chunks.get(chunk) {
            Some(items) => Place { chunk, at: items.partition_point(is_before) },
            None => Place { chunk: chunk.saturating_sub(1), at: chunks.last().map_or(0, Vec::len) },
        }
    }

    /// The item that so many others follow, or the first if there are fewer.
    pub(super) fn last_but(&self, others: usize) -> Option<T> {
        let mut left = others;
        for chunk in self.chunks().iter().rev() {
            match chunk.len().checked_sub(left + 1) {
                Some(at) => return chunk.get(at).copied(),
                None => left -= chunk.len(),
            }
        }
        self.chunks().first().and_then(|chunk| chunk.first()).copied()
    }

    /// How many items lie after a place.
    pub(super) fn count_after(&self, place: Place) -> usize {
        let chunks = self.chunks();
        let rest: usize = chunks[place.chunk..].iter().map(Vec::len).sum();
        rest - place.at
    }

    /// The item after a place.
    pub(super) fn after(&self, place: Place) -> Option<T> {
        self.walk(place, Order::Ascending).next()
    }

    /// The item before a place.
    pub(super) fn before(&self, place: Place) -> Option<T> {
        self.walk(place, Order::Descending).next()
    }

    /// Puts an item in its place. `order` compares an item of the list with the new one.
    pub(super) fn insert(&mut self, item: T, order: impl Fn(&T) -> Ordering) {
        let is_last = self.last().is_none_or(|last| order(&last) == Ordering::Less);
        let place = if is_last { self.end() } else { self.place(|other| order(other) == Ordering::Less) };
        match self {
            Self::Flat(items) => items.insert(place.at, item),
            Self::Chunked { chunks, length } => {
                chunks[place.chunk].insert(place.at, item);
                *length += 1;
            }
        }
        self.split(place.chunk);
    }

    fn end(&self) -> Place {
        let chunks = self.chunks();
        Place { chunk: chunks.len().saturating_sub(1), at: chunks.last().map_or(0, Vec::len) }
    }

    /// Cuts a chunk that has grown too long. The last one leaves a full one behind: lists mostly grow at the end.
    fn split(&mut self, chunk: usize) {
        if self.chunks()[chunk].len() <= CHUNK {
            return;
        }
        if let Self::Flat(items) = self {
            let length = items.len();
            *self = Self::Chunked { chunks: vec![std::mem::take(items)], length };
        }
        if let Self::Chunked { chunks, .. } = self {
            let is_last = chunk + 1 == chunks.len();
            let tail = chunks[chunk].split_off(if is_last { CHUNK } else { CHUNK / 2 });
            chunks[chunk].shrink_to(CHUNK + 1);
            chunks.insert(chunk + 1, tail);
        }
    }

    /// Takes out the item that `order` calls equal.
    pub(super) fn remove(&mut self, order: impl Fn(&T) -> Ordering) -> Option<T> {
        let place = self.place(|other| order(other) == Ordering::Less);
        let found = self.after(place).filter(|item| order(item) == Ordering::Equal)?;
        match self {
            Self::Flat(items) => {
                items.remove(place.at);
                give_back(items);
            }
            Self::Chunked { chunks, length } => {
                chunks[place.chunk].remove(place.at);
                *length -= 1;
                self.join(place.chunk);
            }
        }
        Some(found)
    }

    /// Joins a chunk that has become short with one beside it, if there is room: a list from which much is taken
    /// out doesn't keep the memory of what was in it.
    fn join(&mut self, chunk: usize) {
        let Self::Chunked { chunks, .. } = self else { return };
        let short = chunks[chunk].len();
        if short > CHUNK / 4 {
            return;
        }
        if let [only] = chunks.as_mut_slice() {
            let mut items = std::mem::take(only);
            items.shrink_to_fit();
            *self = Self::Flat(items);
            return;
        }
        let beside = [chunk.checked_sub(1), Some(chunk)].into_iter().flatten();
        let pairs = beside.filter(|first| first + 1 < chunks.len());
        let length = |first: usize| chunks[first].len() + chunks[first + 1].len();
        let smallest = pairs.map(|first| (length(first), first)).min();
        if let Some((both, first)) = smallest.filter(|(both, _)| short == 0 || *both <= CHUNK / 2) {
            let tail = chunks.remove(first + 1);
            chunks[first].extend(tail);
            chunks[first].shrink_to(both.max(CHUNK / 2));
        }
    }

    /// Items from a place on, in either direction.
    pub(super) fn walk(&self, from: Place, order: Order) -> Walk<'_, T> {
        Walk { chunks: self.chunks(), chunk: from.chunk, at: from.at, order }
    }

    /// All items.
    pub(super) fn iter(&self, order: Order) -> Walk<'_, T> {
        let from = match order {
            Order::Ascending => Place { chunk: 0, at: 0 },
            Order::Descending => self.end(),
        };
        self.walk(from, order)
    }

    /// How many items there is room for.
    #[cfg(test)]
    fn room(&self) -> usize {
        self.chunks().iter().map(Vec::capacity).sum()
    }
}

/// Gives back what a vector holds in reserve once it is mostly empty.
pub(super) fn give_back<T>(items: &mut Vec<T>) {
    if items.capacity() > 16 && items.len() * 4 < items.capacity() {
        items.shrink_to(items.len() * 2);
    }
}

/// A walk along a list.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a, T> {
    chunks: &'a [Vec<T>],
    chunk: usize,
    at: usize,
    order: Order,
}

impl<T: Copy> Iterator for Walk<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self.order {
            Order::Ascending => loop {
                let items = self.chunks.get(self.chunk)?;
                if let Some(item) = items.get(self.at) {
                    self.at += 1;
                    return Some(*item);
                }
                (self.chunk, self.at) = (self.chunk + 1, 0);
            },
            Order::Descending => loop {
                if let Some(at) = self.at.checked_sub(1) {
                    self.at = at;
                    return self.chunks.get(self.chunk)?.get(at).copied();
                }
                self.chunk = self.chunk.checked_sub(1)?;
                self.at = self.chunks[self.chunk].len();
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_vector(steps in proptest::collection::vec((any::<bool>(), 0u32..3000), 0..4000), at in 0u32..3000) {
            let (mut list, mut model) = (Sorted::default(), std::collections::BTreeSet::new());
            for (insert, item) in steps {
                if insert && model.insert(item) {
                    list.insert(item, |other| other.cmp(&item));
                } else if !insert {
                    prop_assert_eq!(list.remove(|other| other.cmp(&item)).is_some(), model.remove(&item));
                }
            }
            prop_assert_eq!(list.len(), model.len());
            prop_assert!(list.iter(Order::Ascending).eq(model.iter().copied()));
            prop_assert!(list.iter(Order::Descending).eq(model.iter().rev().copied()));
            let place = list.place(|item| *item < at);
            prop_assert!(list.walk(place, Order::Ascending).eq(model.range(at..).copied()));
            prop_assert!(list.walk(place, Order::Descending).eq(model.range(..at).rev().copied()));
            let last_but = model.iter().rev().nth(at as usize).or(model.first());
            prop_assert_eq!(list.last_but(at as usize), last_but.copied());
            prop_assert_eq!(list.count_after(place), model.range(at..).count());
            let bulk = Sorted::from_ordered(model.iter().copied().collect());
            prop_assert!(bulk.iter(Order::Descending).eq(model.iter().rev().copied()));
        }

        /// What comes and goes leaves no memory behind, wherever it went.
        #[test]
        fn room_follows_the_number_of_items(items in proptest::collection::vec(0u32..100_000, 1..6000), keep in 1usize..200) {
            let mut list = Sorted::default();
            let items: std::collections::BTreeSet<_> = items.into_iter().collect();
            items.iter().for_each(|item| list.insert(*item, |other| other.cmp(item)));
            for (_, item) in items.iter().enumerate().filter(|(place, _)| !place.is_multiple_of(keep)) {
                prop_assert_eq!(list.remove(|other| other.cmp(item)), Some(*item));
            }
            prop_assert_eq!(list.len(), items.len().div_ceil(keep));
            prop_assert!(list.room() <= 10 * list.len() + 2 * CHUNK, "{} for {}", list.room(), list.len());
        }
    }
}
