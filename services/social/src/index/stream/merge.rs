//! Several lists in one order, read as one.

use super::{
    super::{
        columns::Columns,
        sorted::{Sorted, Walk},
    },
    bounds::Bounds,
    plan::score,
};
use crate::query::{Order, Sorting};
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

/// Posts of some lists in the order of their scores, from the beginning of the bounds on. A post that is in
/// several lists comes several times, one after the other.
pub(super) struct Merge<'a> {
    columns: &'a Columns,
    sorting: Sorting,
    heads: BinaryHeap<Head<'a>>,
}

struct Head<'a> {
    columns: &'a Columns,
    order: Order,
    score: i64,
    post: u32,
    rest: Walk<'a, u32>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(columns: &'a Columns, lists: &[&'a Sorted<u32>], bounds: &Bounds<'_>, sorting: Sorting) -> Self {
        let is_before = |post: &u32| bounds.is_before(columns, score(columns, *post, sorting), *post);
        let heads = lists.iter().filter_map(|list| {
            let mut rest = match bounds.is_open() {
                true => list.iter(bounds.order),
                false => list.walk(list.place(is_before), bounds.order),
            };
            let post = rest.next()?;
            Some(Head { columns, order: bounds.order, score: score(columns, post, sorting), post, rest })
        });
        Self { columns, sorting, heads: heads.collect() }
    }
}

impl Iterator for Merge<'_> {
    type Item = (i64, u32);

    fn next(&mut self) -> Option<(i64, u32)> {
        let mut head = self.heads.peek_mut()?;
        let found = (head.score, head.post);
        match head.rest.next() {
            Some(post) => (head.score, head.post) = (score(self.columns, post, self.sorting), post),
            None => drop(PeekMut::pop(head)),
        }
        Some(found)
    }
}

/// The head that is read next is the greatest.
impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = || self.columns.compare_posts(self.post, other.post);
        let order = self.score.cmp(&other.score).then_with(by_key);
        match self.order {
            Order::Descending => order,
            Order::Ascending => order.reverse(),
        }
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head<'_> {}
