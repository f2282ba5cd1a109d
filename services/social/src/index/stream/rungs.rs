//! Posts of some labels in the order of their engagement, put in order rung by rung.

use super::{
    super::{
        columns::{Columns, at},
        rungs::{Rung, end, start},
        sorted::{Sorted, Walk},
    },
    bounds::Bounds,
};
use crate::query::Order;
use std::iter::Peekable;

/// A walk over rungs, from the highest down or from the lowest up. It gives the posts of one score at a time, in
/// no order: most are not wanted, and to compare those by key would be for nothing.
pub(super) struct Rungs<'a, 'b> {
    columns: &'a Columns,
    bounds: &'b Bounds<'b>,
    lists: Vec<Peekable<Walk<'a, Rung>>>,
    /// Posts that were read, with their scores, the next one last. A post with several of the labels comes once.
    ready: Vec<(i64, u32)>,
    /// How many entries were looked at.
    seen: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Posts with this score.
    Run(i64),
    /// Nothing more.
    End,
    /// Too many entries would have to be looked at.
    TooFar,
}

impl<'a, 'b> Rungs<'a, 'b> {
    pub(super) fn new(columns: &'a Columns, lists: &[&'a Sorted<Rung>], bounds: &'b Bounds<'b>) -> Self {
        let walk = |list: &&'a Sorted<Rung>| list.walk(list.place(|entry| is_before(bounds, entry.rung)), bounds.order);
        let lists = lists.iter().map(|list| walk(list).peekable()).collect();
        Self { columns, bounds, lists, ready: Vec::new(), seen: 0 }
    }

    /// The posts that come next, without those whose author certainly isn't wanted. Once `limit` entries were looked
    /// at, no other is.
    pub(super) fn next_run(&mut self, limit: usize, may_want: impl Fn(u32) -> bool, run: &mut Vec<u32>) -> Next {
        loop {
            match (self.ready.last().copied(), self.next_rung()) {
                (Some((score, _)), next) if self.is_sure(score, next) => {
                    run.clear();
                    while let Some((_, post)) = self.ready.pop_if(|ready| ready.0 == score) {
                        run.push(post);
                    }
                    return Next::Run(score);
                }
                (_, Some(rung)) => {
                    if !self.read(rung, limit, &may_want) {
                        return Next::TooFar;
                    }
                }
                (_, None) => return Next::End,
            }
        }
    }

    /// The posts that were read and not given, those with the best scores first.
    pub(super) fn unread(&self) -> impl Iterator<Item = u32> + '_ {
        self.ready.iter().rev().map(|(_, post)| *post)
    }

    /// How many entries were looked at.
    pub(super) const fn seen(&self) -> usize {
        self.seen
    }

    /// The rung to read next, if any is left that has posts within the bounds.
    fn next_rung(&mut self) -> Option<u32> {
        let heads = self.lists.iter_mut().filter_map(Peekable::peek).map(|entry| entry.rung);
        let next = if self.bounds.order == Order::Descending { heads.max() } else { heads.min() };
        next.filter(|rung| !self.is_past(*rung))
    }

    /// True if no post on the rungs from `next` on comes before one with this score.
    fn is_sure(&self, score: i64, next: Option<u32>) -> bool {
        next.is_none_or(|rung| match self.bounds.order {
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

    /// Reads a rung, unless that exceeds the limit.
    fn read(&mut self, rung: u32, limit: usize, may_want: impl Fn(u32) -> bool) -> bool {
        let mut is_whole = true;
        for list in &mut self.lists {
            while is_whole && let Some(entry) = list.next_if(|entry| entry.rung == rung) {
                self.seen += 1;
                is_whole = self.seen <= limit;
                if may_want(entry.author) {
                    let score = i64::from(self.columns.posts[at(entry.post)].engagement);
                    let is_admitted = self.bounds.admits(self.columns, score, entry.post);
                    self.ready.extend(is_admitted.then_some((score, entry.post)));
                }
            }
        }
        self.ready.sort_unstable();
        if self.bounds.order == Order::Ascending {
            self.ready.reverse();
        }
        self.ready.dedup();
        is_whole
    }
}

/// True for rungs below the place where reading begins, as in [`Bounds::is_before`].
fn is_before(bounds: &Bounds<'_>, rung: u32) -> bool {
    let after = bounds.after.map(|after| after.score);
    match bounds.order {
        Order::Descending => start(rung) <= bounds.range.max.min(after.unwrap_or(i64::MAX)),
        Order::Ascending => end(rung) <= bounds.range.min.max(after.unwrap_or(i64::MIN)),
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
        /// Whatever the posts' past, they come by engagement, from the beginning of the bounds to their end, without
        /// those of an author who isn't wanted. What is in both lists comes once.
        #[test]
        fn rungs_are_read_in_order(
            engagements in proptest::collection::vec((0u32..70, 0u32..70), 0..120),
            ascending: bool,
            range in (-2i64..80, -2i64..80),
            after in proptest::option::of(0usize..120),
            unwanted in 0u32..4,
            limit in 0usize..300,
        ) {
            let columns = columns(&engagements);
            let every = 0..columns.posts.len() as u32;
            let score = |post: u32| i64::from(columns.posts[at(post)].engagement);
            let author = |post: u32| columns.posts[at(post)].author;
            let rung = |post: u32| Rung { rung: u32::from(columns.posts[at(post)].rung), post, author: author(post) };
            let mut entries: Vec<Rung> = every.clone().map(rung).collect();
            entries.sort_unstable();
            let part = |three: u32| entries.iter().copied().filter(|entry| entry.post % 3 != three).collect();
            let (one, other) = (Sorted::from_ordered(part(0)), Sorted::from_ordered(part(1)));
            let after = after.filter(|place| *place < engagements.len()).map(|place| place as u32);
            let after = after.map(|post| Position { score: score(post), member: columns.key(post).to_string().into() });
            let order = if ascending { Order::Ascending } else { Order::Descending };
            let range = ScoreRange::between(Some(range.0), Some(range.1));
            let bounds = Bounds { order, range, after: after.as_ref() };
            let mut expected: Vec<(i64, u32)> = every.map(|post| (score(post), post)).collect();
            expected.retain(|(score, post)| bounds.admits(&columns, *score, *post) && author(*post) != unwanted);
            expected.sort_unstable();
            if !ascending {
                expected.reverse();
            }
            let mut rungs = Rungs::new(&columns, &[&one, &other], &bounds);
            let (mut found, mut run) = (Vec::new(), Vec::new());
            let last = loop {
                match rungs.next_run(limit, |author| author != unwanted, &mut run) {
                    Next::Run(score) => {
                        run.sort_unstable();
                        if !ascending {
                            run.reverse();
                        }
                        found.extend(run.iter().map(|post| (score, *post)));
                    }
                    last => break last,
                }
            };
            if last == Next::End {
                prop_assert_eq!(found, expected);
            } else {
                prop_assert!(rungs.seen() > limit && limit < 2 * engagements.len());
                prop_assert_eq!(&found[..], &expected[..found.len()]);
                prop_assert!(rungs.unread().all(|post| expected[found.len()..].contains(&(score(post), post))));
            }
        }
    }
}
