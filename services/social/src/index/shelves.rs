//! The posts of a label by kind, replies apart: a stream reads nothing but the kinds that it shows. Each shelf has
//! them by time and, roughly, by engagement.

use super::{
    columns::{Columns, PostFacts, at},
    ranks::{SHELVES, shelf},
    rungs::Rung,
    sorted::Sorted,
};

/// A label's posts of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    /// See [`place_of`].
    place: u8,
    pub(super) timeline: Sorted<u32>,
    pub(super) rungs: Sorted<Rung>,
}

/// A label's posts: those shelves that hold anything, by place.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelves(Vec<Shelf>);

/// The shelf where a label keeps a post: that of its kind, or one of its own as long as no row is known.
const fn place_of(facts: &PostFacts) -> u8 {
    if facts.known { shelf(facts) as u8 } else { SHELVES as u8 }
}

/// True if a post has the same place in every list by time when its facts are these.
pub(super) fn is_in_place(old: &PostFacts, new: &PostFacts) -> bool {
    (place_of(old), old.time) == (place_of(new), new.time)
}

/// A post, on the rung where it is.
const fn rung(facts: &PostFacts, post: u32) -> Rung {
    Rung { rung: facts.rung as u32, post, author: facts.author }
}

impl Shelves {
    /// Takes posts in the order of their time.
    pub(super) fn from_ordered(columns: &Columns, posts: Vec<u32>) -> Self {
        let mut parts: [Vec<u32>; SHELVES + 1] = Default::default();
        posts.into_iter().for_each(|post| parts[usize::from(place_of(&columns.posts[at(post)]))].push(post));
        let filled = (0u8..).zip(parts).filter(|(_, posts)| !posts.is_empty());
        let shelf = |(place, posts): (u8, Vec<u32>)| {
            let mut rungs: Vec<Rung> = posts.iter().map(|post| rung(&columns.posts[at(*post)], *post)).collect();
            rungs.sort_unstable();
            Shelf { place, timeline: Sorted::from_ordered(posts), rungs: Sorted::from_ordered(rungs) }
        };
        let mut shelves: Vec<Shelf> = filled.map(shelf).collect();
        shelves.shrink_to_fit();
        Self(shelves)
    }

    /// How many posts there are, known or not.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shelf| shelf.timeline.len()).sum()
    }

    /// Those shelves of known posts that have a bit in `wanted`, see [`shelf`].
    pub(super) fn wanted(&self, wanted: u32) -> impl Iterator<Item = &Shelf> {
        let known = wanted & ((1 << SHELVES) - 1);
        self.0.iter().filter(move |shelf| known & (1 << shelf.place) != 0)
    }

    /// Puts a post where its facts say.
    pub(super) fn insert(&mut self, columns: &Columns, post: u32) {
        let facts = &columns.posts[at(post)];
        let place = place_of(facts);
        let found = self.0.binary_search_by_key(&place, |shelf| shelf.place).unwrap_or_else(|free| {
            self.0.reserve_exact(1);
            self.0.insert(free, Shelf { place, ..Shelf::default() });
            free
        });
        let (shelf, rung) = (&mut self.0[found], rung(facts, post));
        shelf.timeline.insert(post, |other| columns.by_time(*other, post));
        shelf.rungs.insert(rung, |other| other.cmp(&rung));
    }

    /// Takes a post away. Its facts must be those with which it was put.
    pub(super) fn remove(&mut self, columns: &Columns, post: u32) {
        let facts = &columns.posts[at(post)];
        let Ok(found) = self.0.binary_search_by_key(&place_of(facts), |shelf| shelf.place) else { return };
        let (shelf, rung) = (&mut self.0[found], rung(facts, post));
        shelf.timeline.remove(|other| columns.by_time(*other, post));
        shelf.rungs.remove(|other| other.cmp(&rung));
        if shelf.timeline.len() == 0 {
            self.0.remove(found);
        }
    }

    /// Moves a post to the rung that its facts say, from another one.
    pub(super) fn climb(&mut self, columns: &Columns, post: u32, from: u8) {
        let facts = &columns.posts[at(post)];
        let Ok(found) = self.0.binary_search_by_key(&place_of(facts), |shelf| shelf.place) else { return };
        let (rungs, to) = (&mut self.0[found].rungs, rung(facts, post));
        let from = Rung { rung: u32::from(from), ..to };
        rungs.remove(|other| other.cmp(&from));
        rungs.insert(to, |other| other.cmp(&to));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::rungs::{rung_of, step_to},
        *,
    };
    use crate::query::Order;
    use nexus_pubky::{PubkyId, TimestampId};
    use proptest::prelude::*;

    const POSTS: u32 = 40;

    fn columns() -> Columns {
        let mut columns = Columns::default();
        let mut dice = crate::dice::Dice::new(5);
        let keys = std::iter::repeat_with(|| PubkyId::from_key_bytes(&dice.bytes())).flatten();
        let authors: Vec<u32> = keys.take(3).map(|key| columns.add_user(&key).0).collect();
        for post in 0..POSTS {
            columns.add_post(authors[at(post % 3)], TimestampId::from_micros(i64::from(post)));
        }
        columns
    }

    /// Each shelf as its place, its posts by time and its rungs.
    fn shown(shelves: &Shelves) -> Vec<(u8, Vec<u32>, Vec<Rung>)> {
        let shelf = |shelf: &Shelf| {
            let (posts, rungs) = (shelf.timeline.iter(Order::Ascending), shelf.rungs.iter(Order::Ascending));
            (shelf.place, posts.collect(), rungs.collect())
        };
        shelves.0.iter().map(shelf).collect()
    }

    proptest! {
        /// Posts come, go, and change their kind, time and engagement: the shelves are those made at once.
        #[test]
        fn shelves_are_as_if_made_at_once(
            steps in proptest::collection::vec((0u32..POSTS, 0u8..4, 0u8..8, 0i64..9, 0u32..40), 0..200),
            wanted in 0u32..1 << 17,
        ) {
            let (mut columns, mut shelves) = (columns(), Shelves::default());
            let mut inside = std::collections::BTreeSet::new();
            for (post, step, kind, time, engagement) in steps {
                let old = columns.posts[at(post)];
                let mut new = old;
                match step {
                    0 => (new.kind, new.time, new.known, new.is_reply) = (kind, time, true, time % 2 == 0),
                    1 => new.known = false,
                    _ => new.engagement = engagement,
                }
                new.rung = step_to(old.rung, new.engagement);
                let (was, moves) = (inside.contains(&post), !is_in_place(&old, &new));
                if was && moves {
                    shelves.remove(&columns, post);
                }
                columns.posts[at(post)] = new;
                if was && moves {
                    shelves.insert(&columns, post);
                } else if was {
                    shelves.climb(&columns, post, old.rung);
                }
                if step == 3 && inside.remove(&post) {
                    shelves.remove(&columns, post);
                } else if inside.insert(post) {
                    shelves.insert(&columns, post);
                }
            }
            let mut posts: Vec<u32> = inside.into_iter().collect();
            posts.sort_unstable_by(|a, b| columns.by_time(*a, *b));
            let rebuilt = Shelves::from_ordered(&columns, posts.clone());
            prop_assert_eq!(shown(&shelves), shown(&rebuilt));
            prop_assert_eq!(shelves.len(), posts.len());
            let is_wanted = |post: &u32| {
                let facts = &columns.posts[at(*post)];
                facts.known && wanted & (1 << shelf(facts)) != 0
            };
            let mut found: Vec<u32> =
                shelves.wanted(wanted).flat_map(|shelf| shelf.timeline.iter(Order::Ascending)).collect();
            found.sort_unstable_by(|a, b| columns.by_time(*a, *b));
            posts.retain(is_wanted);
            prop_assert_eq!(found, posts);
        }

        /// A rung is never below the one that belongs to the engagement.
        #[test]
        fn posts_lie_on_their_rung_or_above(engagement in 0u32..5000, rung in 0u8..14) {
            prop_assert!(step_to(rung, engagement) >= rung_of(engagement));
        }
    }
}
