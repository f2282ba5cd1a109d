//! From which lists a stream is read.

use super::{
    super::{
        Index,
        body::with_label,
        columns::{Columns, KINDS, at},
        rungs::Rung,
        sorted::Sorted,
    },
    bounds::Bounds,
    filter::{Filter, Given, Replies},
    merge::Merge,
    rungs::{Next, Rungs},
};
use crate::{
    query::{Order, Page, Sorting},
    view::Ranked,
};

/// How many steps beginning a list costs: its head lies somewhere else in memory.
const BEGIN: f64 = 8.0;
/// How many steps it costs to look up one label of an author.
const LOOK_UP: usize = 4;
/// How many posts are tested, at the most, to say how many of those that were only read are wanted.
const SAMPLE: usize = 256;
/// How many steps it costs to look for labels on a post.
const TEST: f64 = 4.0;

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
    lists: Lists<'a>,
    given: Given,
    /// How many posts they hold.
    size: usize,
    /// How many steps it costs to look at one of them.
    step: f64,
    /// About how many steps reading takes.
    estimate: f64,
}

/// How posts are had from lists.
enum Lists<'a> {
    /// They are in the order of the stream.
    Ordered(Vec<&'a Sorted<u32>>),
    /// They are in it rung by rung.
    Rungs(Vec<&'a Sorted<Rung>>),
    /// Posts with one of the labels by these authors, in no order.
    Labelled(Vec<u32>),
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
        let effort = self.index.effort;
        let mut sources = self.common_sources();
        let mut matching = sources.last().map_or(0.0, |source| source.size as f64);
        let mut authors = self.filter.authors.members(effort.trial.min(effort.find_users));
        if authors.is_none() && self.filter.authors.is_set() {
            match self.trial(&sources) {
                Ok(page) => return page,
                Err(reckoned) => matching = reckoned,
            }
            self.filter.authors.settle();
            let cheapest = self.reckon(&mut sources, matching).min(effort.find_users as f64);
            authors = self.filter.authors.members(cheapest as usize);
        }
        if let Some(authors) = authors {
            matching = self.add_authors(&mut sources, authors);
        }
        self.reckon(&mut sources, matching);
        sources.sort_by(|a, b| a.estimate.total_cmp(&b.estimate));
        let Some((first, others)) = sources.split_first() else { return Vec::new() };
        let smallest = others.iter().min_by_key(|source| source.size);
        let patience = smallest.map_or(usize::MAX, |other| effort.patience.max(effort.persistence * other.size));
        match (self.read(first, patience), smallest) {
            (Ok(page), _) => page,
            (Err(_), Some(other)) => self.read(other, usize::MAX).unwrap_or_default(),
            (Err(_), None) => Vec::new(),
        }
    }

    /// Walks a little way along the shortest list that doesn't depend on the authors. A set of users often is in it
    /// soon enough; if not, the part of its posts that were theirs says about how many there are.
    fn trial(&mut self, sources: &[Source<'a>]) -> Result<Vec<Ranked>, f64> {
        let Some(source) = sources.iter().min_by_key(|source| source.size) else { return Ok(Vec::new()) };
        self.read(source, self.index.effort.trial).map_err(|share| source.size as f64 * share)
    }

    /// Reads the stream from one list that is in its order.
    pub(super) fn run_only(mut self, list: &'a Sorted<u32>) -> Vec<Ranked> {
        self.read(&Source::ordered(vec![list]), usize::MAX).unwrap_or_default()
    }

    /// Reads the stream from posts in any order.
    pub(super) fn run_through(mut self, posts: Vec<u32>) -> Vec<Ranked> {
        self.select(posts.into_iter(), Given::Nothing)
    }

    /// Goes along lists. After more than `patience` steps it gives up, with the share of posts that were wanted.
    fn read(&mut self, source: &Source<'a>, patience: usize) -> Result<Vec<Ranked>, f64> {
        let (columns, filter) = (&self.index.columns, &mut self.filter);
        let walk = Walk { columns, page: self.page, patience, given: source.given };
        match &source.lists {
            Lists::Ordered(lists) => {
                walk.along(Merge::new(columns, lists, &self.bounds, self.sorting), &self.bounds, filter)
            }
            Lists::Rungs(lists) => walk.over(Rungs::new(columns, lists, &self.bounds), self.bounds.order, filter),
            Lists::Labelled(authors) => {
                let (index, labels) = (self.index, filter.tags.clone());
                let lists = authors.iter().map(|author| &index.users[at(*author)].labelled);
                let labelled = |list| labels.iter().flat_map(move |label| with_label(list, *label, Order::Ascending));
                Ok(self.select(lists.flat_map(labelled), Given::Label))
            }
        }
    }

    /// Looks through all posts and sorts those that are wanted.
    fn select(&mut self, posts: impl Iterator<Item = u32>, given: Given) -> Vec<Ranked> {
        let columns = &self.index.columns;
        let scored = posts.map(|post| (score(columns, post, self.sorting), post));
        let mut found: Vec<_> = scored
            .filter(|(score, post)| self.bounds.admits(columns, *score, *post) && self.filter.wants(*post, given))
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

    /// The lists that hold the stream whoever writes in it: everybody's, then those of its labels.
    fn common_sources(&self) -> Vec<Source<'a>> {
        let all = Source::ordered(self.shelves());
        if self.filter.tags.is_empty() {
            return vec![all];
        }
        let wanted = self.places();
        let labels = self.filter.tags.iter().map(|label| &self.index.labels[at(*label)]);
        let shelves = labels.flat_map(|label| label.posts.wanted(wanted));
        let labelled = match self.sorting {
            Sorting::Timeline => Source::ordered(shelves.map(|shelf| &shelf.timeline).collect()),
            Sorting::TotalEngagement => Source::rungs(shelves.map(|shelf| &shelf.rungs).collect()),
        };
        vec![all.tested(), Source { given: Given::Label, ..labelled }]
    }

    /// A bit for each shelf that is wanted.
    fn places(&self) -> u32 {
        let kinds = u32::from(self.filter.kinds);
        match self.filter.replies {
            Replies::Without => kinds,
            Replies::With => kinds | (kinds << KINDS),
            Replies::Only => kinds << KINDS,
        }
    }

    /// Everybody's posts of the kinds that are wanted.
    fn shelves(&self) -> Vec<&'a Sorted<u32>> {
        let (ranks, wanted) = (&self.index.ranks, self.places());
        let by_time = self.sorting == Sorting::Timeline;
        let shelves = if by_time { &ranks.timeline } else { &ranks.engagement };
        let shelves = shelves.iter().enumerate().filter(|(shelf, list)| wanted & (1 << shelf) != 0 && list.len() > 0);
        shelves.map(|(_, list)| list).collect()
    }

    /// Adds the lists of some authors. Gives about how many posts of theirs are wanted.
    fn add_authors(&self, sources: &mut Vec<Source<'a>>, authors: Vec<u32>) -> f64 {
        let index = self.index;
        let total: usize = index.ranks.timeline.iter().map(Sorted::len).sum();
        let part_of_all = |part: usize| (part as f64 / total.max(1) as f64).min(1.0);
        let bodies = authors.iter().map(|author| &index.users[at(*author)]);
        let own = bodies.map(|body| if self.sorting == Sorting::Timeline { &body.roots } else { &body.engaging });
        let mut source = Source::ordered(own.filter(|list| list.len() > 0).collect());
        let mut matching = source.size as f64 * part_of_all(sources[0].size);
        if let Some(labels) = sources.get(1) {
            matching *= part_of_all(labels.size);
            let size = (source.size as f64 * part_of_all(labels.size)) as usize;
            let looking_up = LOOK_UP * authors.len() * self.filter.tags.len();
            let (lists, size) = (Lists::Labelled(authors), size + looking_up);
            sources.push(Source { lists, given: Given::Label, size, step: 1.0, estimate: 0.0 });
            source = source.tested();
        }
        sources.push(source);
        matching
    }

    /// Reckons how far each list would have to be read if so many of the posts are wanted. Gives the lowest.
    fn reckon(&self, sources: &mut [Source<'a>], matching: f64) -> f64 {
        let wanted = self.page.skip.saturating_add(self.page.limit) as f64;
        let part = (wanted / matching.max(1e-3)).min(1.0);
        sources.iter_mut().for_each(|source| source.reckon(part));
        sources.iter().map(|source| source.estimate).fold(f64::INFINITY, f64::min)
    }
}

/// How far to go along a list.
struct Walk<'a> {
    columns: &'a Columns,
    page: Page,
    patience: usize,
    given: Given,
}

impl Walk<'_> {
    fn along(
        &self,
        posts: impl Iterator<Item = (i64, u32)>,
        bounds: &Bounds<'_>,
        filter: &mut Filter<'_>,
    ) -> Result<Vec<Ranked>, f64> {
        let mut page = Vec::new();
        let (mut found, mut last) = (0, None);
        for (steps, (score, post)) in posts.enumerate() {
            if page.len() == self.page.limit || bounds.is_past(score) {
                break;
            }
            if steps >= self.patience {
                return Err(share(found, steps));
            }
            if last.replace(post) == Some(post) || !filter.wants(post, self.given) {
                continue;
            }
            found += 1;
            if found > self.page.skip {
                page.push(Ranked { post: self.columns.key(post), score });
            }
        }
        Ok(page)
    }

    /// Of posts with one score, those that are wanted are found before they are put in order.
    fn over(&self, mut rungs: Rungs<'_, '_>, order: Order, filter: &mut Filter<'_>) -> Result<Vec<Ranked>, f64> {
        let mut page = Vec::new();
        let (mut skip, mut found, mut run) = (self.page.skip, 0, Vec::new());
        while page.len() < self.page.limit {
            let score = match rungs.next_run(self.patience, |author| filter.authors.may_contain(author), &mut run) {
                Next::Run(score) => score,
                Next::End => break,
                Next::TooFar => {
                    let sample = rungs.unread().take(SAMPLE);
                    found += sample.filter(|post| filter.wants(*post, self.given)).count();
                    return Err(share(found, rungs.seen()));
                }
            };
            run.retain(|post| filter.wants(*post, self.given));
            found += run.len();
            run.sort_unstable_by(|a, b| {
                let ascending = self.columns.compare_posts(*a, *b);
                if order == Order::Descending { ascending.reverse() } else { ascending }
            });
            let shown = run.iter().skip(skip).take(self.page.limit - page.len());
            page.extend(shown.map(|post| Ranked { post: self.columns.key(*post), score }));
            skip = skip.saturating_sub(run.len());
        }
        Ok(page)
    }
}

/// The part of all posts that is wanted, if so many of those looked at were.
fn share(found: usize, looked_at: usize) -> f64 {
    (found as f64 + 0.5) / (looked_at as f64 + 1.0)
}

fn size(lists: &[&Sorted<u32>]) -> usize {
    lists.iter().map(|list| list.len()).sum()
}

impl<'a> Source<'a> {
    fn ordered(lists: Vec<&'a Sorted<u32>>) -> Self {
        Self { size: size(&lists), lists: Lists::Ordered(lists), given: Given::Nothing, step: 1.0, estimate: 0.0 }
    }

    fn rungs(lists: Vec<&'a Sorted<Rung>>) -> Self {
        let size = lists.iter().map(|list| list.len()).sum();
        Self { size, lists: Lists::Rungs(lists), given: Given::Label, step: 1.0, estimate: 0.0 }
    }

    /// The same lists, when labels have to be looked for on each post.
    fn tested(self) -> Self {
        Self { step: TEST, ..self }
    }

    /// Lists in order are read until enough is found, rungs about twice as far, others whole.
    fn reckon(&mut self, part: f64) {
        let size = self.size as f64 * self.step;
        self.estimate = match &self.lists {
            Lists::Ordered(lists) => size * part + BEGIN * lists.len() as f64,
            Lists::Rungs(lists) => size * (2.0 * part).min(1.0) + BEGIN * lists.len() as f64,
            Lists::Labelled(_) => size,
        };
    }
}
