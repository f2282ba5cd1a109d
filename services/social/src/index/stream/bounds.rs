//! Where a page begins and ends in a list.

use super::super::columns::Columns;
use crate::{
    query::{Order, Position, PostQuery, ScoreRange},
    shape::compare_member,
};
use std::cmp::Ordering;

/// The part of a list that is wanted, and the direction in which it is read.
pub(super) struct Bounds<'a> {
    pub(super) order: Order,
    pub(super) range: ScoreRange,
    pub(super) after: Option<&'a Position>,
}

impl<'a> Bounds<'a> {
    pub(super) fn of(query: &'a PostQuery) -> Self {
        Self { order: query.order, range: query.range, after: query.after.as_ref() }
    }

    /// True if reading begins at the end of the list.
    pub(super) fn is_open(&self) -> bool {
        self.after.is_none() && self.range == ScoreRange::default()
    }

    /// How an entry stands to the one to go on after; `None` if there is no such place.
    fn to_after(&self, columns: &Columns, score: i64, post: u32) -> Option<Ordering> {
        let after = self.after?;
        let order = score.cmp(&after.score);
        Some(order.then_with(|| compare_member(&columns.key(post), &after.member)))
    }

    /// True for the entries below the place where reading begins: in a list in ascending order, the ones to
    /// read when descending and the ones to pass over when ascending.
    pub(super) fn is_before(&self, columns: &Columns, score: i64, post: u32) -> bool {
        let to_after = self.to_after(columns, score, post);
        match self.order {
            Order::Descending => score <= self.range.max && to_after.is_none_or(Ordering::is_lt),
            Order::Ascending => score < self.range.min || to_after.is_some_and(Ordering::is_le),
        }
    }

    /// True for scores beyond the last that is wanted.
    pub(super) const fn is_past(&self, score: i64) -> bool {
        match self.order {
            Order::Descending => score < self.range.min,
            Order::Ascending => score > self.range.max,
        }
    }

    /// True for entries of the wanted part.
    pub(super) fn admits(&self, columns: &Columns, score: i64, post: u32) -> bool {
        let begun = self.is_before(columns, score, post) == (self.order == Order::Descending);
        begun && !self.is_past(score)
    }
}
