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
        let mut share = 1.0;
        if self.filter.authors.is_set() {
            match self.trial() {
                Ok(page) => return page,
                Err(found) => share = found,
            }
        }
        let mut sources = self.sources(share);
        sources.sort_by(|a, b| a.estimate.total_cmp(&b.estimate));
        let Some(first) = sources.first() else { return Vec::new() };
        let effort = self.index.effort;
        let smallest = sources.iter().skip(1).min_by_key(|source| source.size);
        let patience = smallest.map_or(usize::MAX, |other| effort.patience.max(effort.persistence * other.size));
        match (self.read(first, patience), smallest) {
            (Ok(page), _) => page,
            (Err(_), Some(other)) => self.read(other, usize::MAX).unwrap_or_default(),
            (Err(_), None) => Vec::new(),
        }
    }

    /// Walks a little way along everybody's posts. A set of users often is in it soon enough; if not, the part
    /// of the posts that were theirs says how to go on.
    fn trial(&mut self) -> Result<Vec<Ranked>, f64> {
        let sources = self.common_sources();
        let shortest = sources.iter().filter(|source| source.in_order).min_by_key(|source| source.size);
        let steps = self.index.effort.trial;
        let lists = shortest.map(|source| source.lists.as_slice()).unwrap_or_default();
        self.walk(lists, steps).map_err(|found| (found as f64 + 0.5) / (steps as f64 + 1.0))
    }

    /// Reads the stream from one list that is in its order.
    pub(super) fn run_only(mut self, list: &'a Sorted<u32>) -> Vec<Ranked> {
        self.walk(&[list], usize::MAX).unwrap_or_default()
    }

    /// Reads the stream from posts in any order.
    pub(super) fn run_through(mut self, posts: Vec<u32>) -> Vec<Ranked> {
        self.select(posts.into_iter())
    }

    fn read(&mut self, source: &Source<'a>, patience: usize) -> Result<Vec<Ranked>, usize> {
        if source.in_order {
            self.walk(&source.lists, patience)
        } else {
            Ok(self.select(source.lists.iter().flat_map(|list| list.iter(Order::Ascending))))
        }
    }

    /// Goes along lists that are in order. After more than `patience` steps it gives up, with the number of
    /// posts that it found.
    fn walk(&mut self, lists: &[&'a Sorted<u32>], patience: usize) -> Result<Vec<Ranked>, usize> {
        let columns = &self.index.columns;
        let mut page = Vec::new();
        let (mut found, mut last) = (0, None);
        for (steps, (score, post)) in Merge::new(columns, lists, &self.bounds, self.sorting).enumerate() {
            if page.len() == self.page.limit || self.bounds.is_past(score) {
                break;
            }
            if steps >= patience {
                return Err(found);
            }
            if last.replace(post) == Some(post) || !self.filter.wants(post) {
                continue;
            }
            found += 1;
            if found > self.page.skip {
                page.push(Ranked { post: columns.key(post), score });
            }
        }
        Ok(page)
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

    /// The lists that hold the stream whoever writes in it: everybody's, and those of its labels.
    fn common_sources(&self) -> Vec<Source<'a>> {
        let index = self.index;
        let mut sources = vec![Source::new(self.shelves(), true)];
        if !self.filter.tags.is_empty() {
            let labels = self.filter.tags.iter().map(|label| &index.labels[at(*label)].posts);
            sources.push(Source::new(labels.collect(), self.sorting == Sorting::Timeline));
        }
        sources
    }

    /// Everybody's posts of the kinds that are wanted.
    fn shelves(&self) -> Vec<&'a Sorted<u32>> {
        let ranks = &self.index.ranks;
        let by_time = self.sorting == Sorting::Timeline;
        let shelves = if by_time { &ranks.timeline } else { &ranks.engagement };
        let kinds = if self.filter.replies == Replies::With { 2 * KINDS } else { KINDS };
        let wanted = shelves.iter().take(kinds).enumerate();
        let wanted = wanted.filter(|(slot, list)| self.filter.kinds & (1 << (slot % KINDS)) != 0 && list.len() > 0);
        wanted.map(|(_, list)| list).collect()
    }

    /// Every list that holds the stream. `share` is about the part of the others' posts that its authors wrote.
    fn sources(&mut self, share: f64) -> Vec<Source<'a>> {
        let index = self.index;
        let mut sources = self.common_sources();
        let total: usize = index.ranks.timeline.iter().map(Sorted::len).sum();
        let tagged = sources.get(1).map_or(1.0, |labels| (labels.size as f64 / total.max(1) as f64).min(1.0));
        let mut matching = sources[0].size as f64 * tagged * share;
        if let Some(authors) = self.filter.authors.members(index.effort.find_users) {
            let lists = authors.into_iter().map(|author| &index.users[at(author)].roots).filter(|list| list.len() > 0);
            let source = Source::new(lists.collect(), self.sorting == Sorting::Timeline);
            let wanted_kinds = sources[0].size as f64 / total.max(1) as f64;
            matching = source.size as f64 * tagged * wanted_kinds;
            sources.push(source);
        }
        let wanted = (self.page.skip + self.page.limit) as f64;
        let part = (wanted / matching.max(1e-3)).min(1.0);
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
    /// much as eight steps.
    fn reckon(&mut self, part: f64) {
        let steps = if self.in_order { self.size as f64 * part } else { self.size as f64 };
        self.estimate = steps + 8.0 * self.lists.len() as f64;
    }
}
