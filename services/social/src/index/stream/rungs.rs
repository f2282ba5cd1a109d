//! Posts of some labels in the order of their engagement, put in order rung by rung.

use super::{
    super::{
        columns::{Columns, at},
        rungs::{Rung, end, start},
        sorted::Sorted,
    },
    bounds::Bounds,
};
use crate::query::Order;

/// A walk over rungs, from the highest down or from the lowest up. A post with several of the labels comes several
/// times, one after the other.
pub(super) struct Rungs<'a, 'b> {
    columns: &'a Columns,
    lists: &'b [&'a Sorted<Rung>],
    bounds: &'b Bounds<'b>,
    /// The rung to read next, if any is left.
    next: Option<u32>,
    top: u32,
    /// Posts that were read, the next one last.
    ready: Vec<(i64, u32)>,
}

impl<'a, 'b> Rungs<'a, 'b> {
    pub(super) fn new(columns: &'a Columns, lists: &'b [&'a Sorted<Rung>], bounds: &'b Bounds<'b>) -> Self {
        let top = lists.iter().filter_map(|list| list.last()).map(|last| last.rung).max();
        let next = if bounds.order == Order::Descending { top } else { top.map(|_| 0) };
        Self { columns, lists, bounds, next, top: top.unwrap_or_default(), ready: Vec::new() }
    }

    /// True if no post that wasn't read yet comes before one with this score.
    fn is_sure(&self, score: i64) -> bool {
        self.next.is_none_or(|rung| match self.bounds.order {
            Order::Descending => score >= end(rung),
            Order::Ascending => score < start(rung),
        })
    }

    /// True if neither this rung nor any after it has a post that is wanted.
    const fn is_past(&self, rung: u32) -> bool {
        match self.bounds.order {
            Order::Descending => self.bounds.is_past(end(rung) - 1),
            Order::Ascending => self.bounds.is_past(start(rung)),
        }
    }

    fn read(&mut self, rung: u32) {
        for list in self.lists {
            let posts = list.walk(list.place(|entry| entry.rung < rung), Order::Ascending);
            let posts = posts.take_while(|entry| entry.rung == rung).map(|entry| entry.post);
            let scored = posts.map(|post| (i64::from(self.columns.posts[at(post)].engagement), post));
            self.ready.extend(scored.filter(|(score, post)| self.bounds.admits(self.columns, *score, *post)));
        }
        let order = self.bounds.order;
        self.ready.sort_unstable_by(|a, b| {
            let ascending = a.0.cmp(&b.0).then_with(|| self.columns.compare_posts(a.1, b.1));
            if order == Order::Descending { ascending } else { ascending.reverse() }
        });
        self.next = match order {
            Order::Descending => rung.checked_sub(1),
            Order::Ascending => Some(rung + 1).filter(|next| *next <= self.top),
        };
        if self.next.is_some_and(|next| self.is_past(next)) {
            self.next = None;
        }
    }
}

impl Iterator for Rungs<'_, '_> {
    type Item = (i64, u32);

    fn next(&mut self) -> Option<(i64, u32)> {
        loop {
            match (self.ready.last(), self.next) {
                (Some((score, _)), _) if self.is_sure(*score) => return self.ready.pop(),
                (_, Some(rung)) => self.read(rung),
                (_, None) => return self.ready.pop(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::rungs::{rung_of, step_to},
        *,
    };
    use crate::query::{Position, ScoreRange};
    use nexus_pubky::{PubkyId, TimestampId};
    use proptest::prelude::*;

    /// Posts whose engagement was one number and is another now.
    fn columns(engagements: &[(u32, u32)]) -> Columns {
        let mut columns = Columns::default();
        let mut dice = crate::dice::Dice::new(3);
        let keys = std::iter::repeat_with(|| PubkyId::from_key_bytes(&dice.bytes())).flatten();
        let authors: Vec<u32> = keys.take(3).map(|key| columns.add_user(&key).0).collect();
        for (place, (before, now)) in engagements.iter().enumerate() {
            let (post, _) = columns.add_post(authors[place % 3], TimestampId::from_micros(place as i64));
            let facts = &mut columns.posts[at(post)];
            (facts.engagement, facts.rung) = (*now, step_to(rung_of(*before), *now));
        }
        columns
    }

    proptest! {
        /// Whatever the posts' past, they come by engagement, from the beginning of the bounds to their end.
        #[test]
        fn rungs_are_read_in_order(
            engagements in proptest::collection::vec((0u32..70, 0u32..70), 0..120),
            ascending: bool,
            range in (-2i64..80, -2i64..80),
            after in proptest::option::of(0usize..120),
        ) {
            let columns = columns(&engagements);
            let every = 0..columns.posts.len() as u32;
            let score = |post: u32| i64::from(columns.posts[at(post)].engagement);
            let rung = |post: u32| Rung { rung: u32::from(columns.posts[at(post)].rung), post };
            let mut entries: Vec<Rung> = every.clone().map(rung).collect();
            entries.sort_unstable();
            let (odd, even): (Vec<Rung>, Vec<Rung>) = entries.into_iter().partition(|entry| entry.post % 2 == 1);
            let (odd, even) = (Sorted::from_ordered(odd), Sorted::from_ordered(even));
            let after = after.filter(|place| *place < engagements.len()).map(|place| place as u32);
            let after = after.map(|post| Position { score: score(post), member: columns.key(post).to_string().into() });
            let order = if ascending { Order::Ascending } else { Order::Descending };
            let range = ScoreRange::between(Some(range.0), Some(range.1));
            let bounds = Bounds { order, range, after: after.as_ref() };
            let mut expected: Vec<(i64, u32)> = every.map(|post| (score(post), post)).collect();
            expected.retain(|(score, post)| bounds.admits(&columns, *score, *post));
            expected.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| columns.compare_posts(a.1, b.1)));
            if !ascending {
                expected.reverse();
            }
            prop_assert_eq!(Rungs::new(&columns, &[&odd, &even], &bounds).collect::<Vec<_>>(), expected);
        }
    }
}
