//! From which lists a stream is read.

use super::{
    super::{
        Index,
        columns::{Columns, KINDS, at},
        sorted::Sorted,
    },
    bounds::Bounds,
    filter::{Filter, Replies},
    merge::Merge,
};
use crate::{
    query::{Order, Page, Sorting},
    view::Ranked,
};

/// A stream, ready to be read.
pub(super) struct Plan<'a> {
    pub(super) index: &'a Index,
    pub(super) filter: Filter<'a>,
    pub(super) bounds: Bounds<'a>,
    pub(super) sorting: Sorting,
    pub(super) page: Page,
}

/// Lists that hold, among others, every post of the stream.
struct Source<'a> {
    lists: Vec<&'a Sorted<u32>>,
    /// True if they are in the order of the stream.
    in_order: bool,
    /// How many posts they hold.
    size: usize,
    /// About how many of them are looked at.
    estimate: f64,
}

/// A post's score.
pub(super) fn score(columns: &Columns, post: u32, sorting: Sorting) -> i64 {
    let facts = &columns.posts[at(post)];
    match sorting {
        Sorting::Timeline => facts.time,
        Sorting::TotalEngagement => i64::from(facts.engagement),
    }
}

impl<'a> Plan<'a> {
    /// Reads the stream from the cheapest lists.
    pub(super) fn run(mut self) -> Vec<Ranked> {
        let mut sources = self.sources();
        sources.sort_by(|a, b| a.estimate.total_cmp(&b.estimate));
        let Some(first) = sources.first() else { return Vec::new() };
        let smallest = sources.iter().skip(1).min_by_key(|source| source.size);
        let effort = self.index.effort;
        let patience = smallest.map_or(usize::MAX, |other| effort.patience.max(effort.persistence * other.size));
        match (self.read(first, patience), smallest) {
            (Some(page), _) => page,
            (None, Some(other)) => self.read(other, usize::MAX).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }

    /// Reads the stream from one list that is in its order.
    pub(super) fn run_only(mut self, list: &'a Sorted<u32>) -> Vec<Ranked> {
        self.walk(&[list], usize::MAX).unwrap_or_default()
    }

    /// Reads the stream from posts in any order.
    pub(super) fn run_through(mut self, posts: Vec<u32>) -> Vec<Ranked> {
        self.select(posts.into_iter())
    }

    fn read(&mut self, source: &Source<'a>, patience: usize) -> Option<Vec<Ranked>> {
        if source.in_order {
            self.walk(&source.lists, patience)
        } else {
            Some(self.select(source.lists.iter().flat_map(|list| list.iter(Order::Ascending))))
        }
    }

    /// Goes along lists that are in order. `None` if it takes more than `patience` steps.
    fn walk(&mut self, lists: &[&'a Sorted<u32>], patience: usize) -> Option<Vec<Ranked>> {
        let columns = &self.index.columns;
        let mut page = Vec::new();
        let (mut passed, mut last) = (0, None);
        for (steps, (score, post)) in Merge::new(columns, lists, &self.bounds, self.sorting).enumerate() {
            if page.len() == self.page.limit || self.bounds.is_past(score) {
                break;
            }
            if steps > patience {
                return None;
            }
            if last.replace(post) == Some(post) || !self.filter.wants(post) {
                continue;
            }
            passed += 1;
            if passed > self.page.skip {
                page.push(Ranked { post: columns.key(post), score });
            }
        }
        Some(page)
    }

    /// Looks through all posts and sorts those that are wanted.
    fn select(&mut self, posts: impl Iterator<Item = u32>) -> Vec<Ranked> {
        let columns = &self.index.columns;
        let scored = posts.map(|post| (score(columns, post, self.sorting), post));
        let mut found: Vec<_> = scored
            .filter(|(score, post)| self.bounds.admits(columns, *score, *post) && self.filter.wants(*post))
            .collect();
        let order = self.bounds.order;
        found.sort_unstable_by(|a, b| {
            let ascending = a.0.cmp(&b.0).then_with(|| columns.compare_posts(a.1, b.1));
            if order == Order::Descending { ascending.reverse() } else { ascending }
        });
        found.dedup();
        let page = found.into_iter().skip(self.page.skip).take(self.page.limit);
        page.map(|(score, post)| Ranked { post: columns.key(post), score }).collect()
    }

    fn sources(&mut self) -> Vec<Source<'a>> {
        let index = self.index;
        let by_time = self.sorting == Sorting::Timeline;
        let shelves = if by_time { &index.ranks.timeline } else { &index.ranks.engagement };
        let replies = self.filter.replies;
        let all: Vec<_> = shelves.iter().take(if replies == Replies::With { 2 * KINDS } else { KINDS }).collect();
        let kinds = self.filter.kinds;
        let network = (0..).zip(&all).filter(|(slot, _)| kinds & (1 << (slot % KINDS)) != 0).map(|(_, list)| *list);
        let labels = self.filter.tags.iter().map(|label| &index.labels[at(*label)].posts);
        let authors = self.filter.authors.members(index.effort.find_users);
        let written = authors.map(|authors| authors.into_iter().map(|author| &index.users[at(author)].roots).collect());

        let total = size(&all).max(1) as f64;
        let mut sources = vec![Source::new(network.collect(), true)];
        let mut matching = sources[0].size as f64;
        if !self.filter.tags.is_empty() {
            let source = Source::new(labels.collect(), by_time);
            matching *= (source.size as f64 / total).min(1.0);
            sources.push(source);
        }
        let share = match written {
            Some(lists) => {
                let source = Source::new(lists, by_time);
                let share = source.size as f64 / total;
                sources.push(source);
                share
            }
            None => self.filter.authors.share(),
        };
        let wanted = (self.page.skip + self.page.limit) as f64;
        let part = (wanted / (matching * share).max(1e-3)).min(1.0);
        sources.iter_mut().for_each(|source| source.reckon(part));
        sources
    }
}

fn size(lists: &[&Sorted<u32>]) -> usize {
    lists.iter().map(|list| list.len()).sum()
}

impl<'a> Source<'a> {
    fn new(lists: Vec<&'a Sorted<u32>>, in_order: bool) -> Self {
        Self { size: size(&lists), lists, in_order, estimate: 0.0 }
    }

    /// Lists in order are read until enough is found, others are read whole. Beginning a list costs about as
    /// much as four steps.
    fn reckon(&mut self, part: f64) {
        let steps = if self.in_order { self.size as f64 * part } else { self.size as f64 };
        self.estimate = steps + 4.0 * self.lists.len() as f64;
    }
}
