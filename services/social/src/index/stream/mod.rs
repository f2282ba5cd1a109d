//! Streams of posts: one engine for every source, sorting and filter.
//!
//! A stream has several lists that it could be read from: the network's, those of its labels, those of its
//! authors. Each is walked in order, or looked through whole, and filtered by everything that the list
//! itself doesn't say. The plan reckons how far each would have to be read and takes the cheapest; if that
//! turns out much longer than another list is as a whole, it changes over.

mod bounds;
mod filter;
mod merge;
mod plan;
mod rungs;

use super::{
    Index,
    columns::{at, kind_slot},
    links::Links,
};
use crate::{
    query::{KindFilter, LabelledQuery, Order, PostQuery, PostSource, Reach, Sorting},
    row::{PostKey, PostKind},
    view::Ranked,
};
use bounds::Bounds;
use filter::{Authors, Domain, Filter, Given, Replies};
use plan::Plan;

impl Index {
    pub(super) fn post_stream(&self, query: &PostQuery) -> Vec<Ranked> {
        self.try_stream(query).unwrap_or_default()
    }

    /// Nothing at all if the source isn't known.
    fn try_stream(&self, query: &PostQuery) -> Option<Vec<Ranked>> {
        let user = |id| self.columns.user(id);
        let plan = |replies, authors| self.plan(query, replies, authors);
        match &query.source {
            PostSource::All => Some(plan(Replies::Without, Authors::All)?.run()),
            PostSource::Reach { observer, reach } => {
                let around = super::reach::Around::new(self, user(observer)?, *reach);
                Some(plan(Replies::Without, Authors::Around(Box::new(around)))?.run())
            }
            PostSource::WotDomain { observer, depth, labels } => {
                let around =
                    |depth| super::reach::Around::new(self, self.columns.user(observer)?, Reach::Wot(depth)).into();
                let trusted = depth.and_then(around);
                let domain = Domain::new(self, user(observer)?, trusted, labels);
                Some(plan(Replies::Without, Authors::Domain(Box::new(domain)))?.run())
            }
            PostSource::Author(author) => Some(plan(Replies::Without, Authors::One(user(author)?))?.run()),
            PostSource::AuthorReplies(author) => {
                let author = user(author)?;
                let mut plan = plan(Replies::Only, Authors::One(author))?;
                plan.sorting = Sorting::Timeline;
                Some(plan.run_only(&self.users[at(author)].replies))
            }
            PostSource::PostReplies(parent) => {
                let post = self.columns.post(parent)?;
                let replies = self.posts[at(post)].tie(|ties| &ties.replies)?;
                Some(self.linked(replies, query, self.filter(query, Replies::With, Authors::All)?))
            }
            PostSource::Bookmarks(user) => self.bookmark_stream(self.columns.user(user)?, query),
            PostSource::Collection(key) => self.collection(key, query),
        }
    }

    fn filter<'a>(&'a self, query: &PostQuery, replies: Replies, authors: Authors<'a>) -> Option<Filter<'a>> {
        let tags: Vec<u32> = query.tags.iter().filter_map(|label| self.columns.label(label.as_str())).collect();
        if tags.is_empty() && !query.tags.is_empty() {
            return None;
        }
        let muted = self.mutes_of(query.unless_muted_by);
        Some(Filter { index: self, kinds: kind_mask(&query.kinds), tags, replies, muted, authors })
    }

    fn plan<'a>(&'a self, query: &'a PostQuery, replies: Replies, authors: Authors<'a>) -> Option<Plan<'a>> {
        Some(Plan {
            index: self,
            filter: self.filter(query, replies, authors)?,
            bounds: Bounds::of(query),
            sorting: query.sorting,
            page: query.page,
        })
    }

    /// A list whose scores are the times of its links.
    fn linked(&self, links: &Links, query: &PostQuery, mut filter: Filter<'_>) -> Vec<Ranked> {
        let bounds = Bounds::of(query);
        let links = links.walk(|link| bounds.is_before(&self.columns, link.time(), link.id), query.order);
        let wanted =
            links.take_while(|link| !bounds.is_past(link.time())).filter(|link| filter.wants(link.id, Given::Nothing));
        let page = wanted.skip(query.page.skip).take(query.page.limit);
        page.map(|link| Ranked { post: self.columns.key(link.id), score: link.time() }).collect()
    }

    fn bookmark_stream(&self, user: u32, query: &PostQuery) -> Option<Vec<Ranked>> {
        let kept = &self.users[at(user)].bookmarks.as_deref()?.list;
        match query.sorting {
            Sorting::Timeline => Some(self.linked(kept, query, self.filter(query, Replies::With, Authors::All)?)),
            Sorting::TotalEngagement => {
                Some(self.plan(query, Replies::With, Authors::All)?.run_through(kept.ids().collect()))
            }
        }
    }

    fn collection(&self, key: &PostKey, query: &PostQuery) -> Option<Vec<Ranked>> {
        let post = self.columns.post(key)?;
        let facts = &self.columns.posts[at(post)];
        let body = self.posts[at(post)].rare.as_deref().filter(|_| facts.known)?;
        let muted = self.mutes_of(query.unless_muted_by);
        let is_muted = |post: u32| muted.is_some_and(|mutes| mutes.contains(self.columns.posts[at(post)].author));
        let after = query.after.as_ref().map_or(i64::MIN, |place| place.score);
        let items = (0i64..).zip(&body.items).filter(|(place, post)| *place > after && !is_muted(**post));
        let page = items.skip(query.page.skip).take(query.page.limit);
        Some(page.map(|(score, post)| Ranked { post: self.columns.key(*post), score }).collect())
    }

    /// Posts that carry a label, replies included, highest first.
    pub(super) fn labelled_posts(&self, query: &LabelledQuery) -> Vec<Ranked> {
        let Some(label) = self.columns.label(query.label.as_str()) else { return Vec::new() };
        let filter = Filter {
            index: self,
            kinds: u8::MAX,
            tags: vec![label],
            replies: Replies::With,
            muted: self.mutes_of(query.unless_muted_by),
            authors: Authors::All,
        };
        let bounds = Bounds { order: Order::Descending, range: query.range, after: query.after.as_ref() };
        Plan { index: self, filter, bounds, sorting: query.sorting, page: query.page }.run()
    }
}

/// A bit for each kind that is wanted.
fn kind_mask(kinds: &KindFilter) -> u8 {
    let bit = |kind: &PostKind| 1 << kind_slot(kind);
    match kinds {
        KindFilter::Any => u8::MAX,
        KindFilter::Only(kind) => bit(kind),
        KindFilter::Except(kinds) => !kinds.iter().map(bit).fold(0, |a, b| a | b) | bit(&PostKind::Unknown),
    }
}
