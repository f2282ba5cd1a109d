//! Labels and users by what happened in a window of time. Rankings are kept for windows that end at the newest
//! event; what a question's own window adds or lacks is read from the log and reckoned in, so that no answer
//! is older than its question.

use super::{
    Index,
    columns::{EVER, INFLUENCE, at},
    links::Link,
    reach::Around,
    taggings::Between,
};
use crate::{
    query::{HotTagQuery, Order, Page, Reach, Timeframe},
    score,
    view::HotTag,
};
use hashbrown::HashMap;
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use std::cmp::Ordering;

/// A window with a ranking, or all time.
fn window(timeframe: Timeframe) -> Option<usize> {
    match timeframe {
        Timeframe::Today => Some(0),
        Timeframe::ThisWeek => Some(1),
        Timeframe::ThisMonth => Some(2),
        Timeframe::AllTime => None,
    }
}

/// What a question's window has more or less than the ranking's.
enum Difference {
    Less(Between),
    More(Between),
}

impl Difference {
    fn of(&self, part: impl Fn(&Between) -> &HashMap<u32, u32>, id: u32, count: u32) -> u32 {
        match self {
            Self::Less(between) => count.saturating_sub(part(between).get(&id).copied().unwrap_or_default()),
            Self::More(between) => count + part(between).get(&id).copied().unwrap_or_default(),
        }
    }

    const fn between(&self) -> &Between {
        match self {
            Self::Less(between) | Self::More(between) => between,
        }
    }
}

impl Index {
    fn difference(&self, window: usize, start: i64) -> Difference {
        let kept = self.ranks.starts[window];
        if start >= kept {
            Difference::Less(self.between(kept, start))
        } else {
            Difference::More(self.between(start, kept))
        }
    }

    /// Labels and the posts they count, highest first, as the window is now.
    fn hottest(&self, timeframe: Timeframe, now: Timestamp) -> Box<dyn Iterator<Item = (u32, u32)> + '_> {
        let Some(window) = window(timeframe) else {
            let all = self.ranks.labels[EVER].iter(Order::Descending);
            return Box::new(all.map(|label| (label, self.columns.heat[at(label)][EVER])));
        };
        let difference = self.difference(window, timeframe.start(now).millis());
        let heat = move |label: u32| self.columns.heat[at(label)][window];
        let changed = difference.between().labels.keys();
        let changed = changed.map(|label| (*label, difference.of(|b| &b.labels, *label, heat(*label))));
        let mut changed: Vec<_> = changed.filter(|(_, count)| *count > 0).collect();
        let order = |a: &(u32, u32), b: &(u32, u32)| {
            b.1.cmp(&a.1).then_with(|| self.columns.labels[at(b.0)].cmp(&self.columns.labels[at(a.0)]))
        };
        changed.sort_unstable_by(order);
        let unchanged = self.ranks.labels[window].iter(Order::Descending);
        let unchanged = unchanged.filter(move |label| !difference.between().labels.contains_key(label));
        Box::new(Merged::new(changed.into_iter(), unchanged.map(move |label| (label, heat(label))), order))
    }

    /// Users by influence in a window as it is now, highest first.
    pub(super) fn influencers(
        &self,
        timeframe: Timeframe,
        now: Timestamp,
    ) -> Box<dyn Iterator<Item = (u32, f64)> + '_> {
        let score = |rank: usize, user: u32| self.columns.standing[at(user)].score(rank).unwrap_or_default();
        let Some(window) = window(timeframe) else {
            let ranked = self.ranks.users[INFLUENCE].iter(Order::Descending);
            return Box::new(ranked.map(move |user| (user, score(INFLUENCE, user))));
        };
        let difference = self.difference(window, timeframe.start(now).millis());
        let influence = |user: u32| self.influence(user, window, &difference);
        let changed = difference.between().users.keys().map(|user| (*user, influence(*user)));
        let mut changed: Vec<_> = changed.filter(|(_, score)| *score > 0.0).collect();
        let order = |a: &(u32, f64), b: &(u32, f64)| self.compare_influence(a, b);
        changed.sort_unstable_by(order);
        let rank = INFLUENCE + 1 + window;
        let unchanged = self.ranks.users[rank].iter(Order::Descending);
        let unchanged = unchanged.filter(move |user| !difference.between().users.contains_key(user));
        let scored = unchanged.map(move |user| (user, score(rank, user)));
        Box::new(Merged::new(changed.into_iter(), scored, order))
    }

    fn influence(&self, user: u32, window: usize, difference: &Difference) -> f64 {
        let standing = &self.columns.standing[at(user)];
        let active = difference.of(|b| &b.users, user, standing.active[window]);
        if standing.shown { score::influence(active, standing.followers) } else { 0.0 }
    }

    /// Highest first; equal scores by key, last one first.
    fn compare_influence(&self, a: &(u32, f64), b: &(u32, f64)) -> Ordering {
        b.1.total_cmp(&a.1).then_with(|| self.columns.compare_users(b.0, a.0))
    }

    /// Some users in the order of [`influencers`](Self::influencers); those without influence are left out.
    pub(super) fn ranked_influencers(&self, users: Vec<u32>, timeframe: Timeframe, now: Timestamp) -> Vec<(u32, f64)> {
        let mut scored: Vec<(u32, f64)> = match window(timeframe) {
            Some(window) => {
                let difference = self.difference(window, timeframe.start(now).millis());
                let scored = users.into_iter().map(|user| (user, self.influence(user, window, &difference)));
                scored.filter(|(_, score)| *score > 0.0).collect()
            }
            None => {
                let score = |user: u32| self.columns.standing[at(user)].score(INFLUENCE);
                users.into_iter().filter_map(|user| Some((user, score(user)?))).collect()
            }
        };
        scored.sort_unstable_by(|a, b| self.compare_influence(a, b));
        scored
    }

    pub(super) fn hot(&self, query: &HotTagQuery) -> Vec<HotTag> {
        match &query.around {
            Some((user, reach)) => self.hot_around(user, *reach, query),
            None => self.hot_for_all(query),
        }
    }

    fn hot_for_all(&self, query: &HotTagQuery) -> Vec<HotTag> {
        let start = query.timeframe.start(query.now).millis();
        let page = self.hottest(query.timeframe, query.now).skip(query.page.skip).take(query.page.limit);
        page.map(|(label, posts)| {
            let all = &self.labels[at(label)].taggers;
            let lately = all.iter(Order::Descending).take_while(|link| link.time() >= start);
            HotTag {
                label: self.columns.labels[at(label)].to_string(),
                taggers_id: self.ids(lately.take(query.taggers).map(|link| link.id)),
                tagged_count: u64::from(posts),
                taggers_count: all.count_since(start),
            }
        })
        .collect()
    }

    pub(super) fn taggers_of_label(
        &self,
        label: &str,
        around: Option<(&PubkyId, Reach)>,
        start: i64,
        page: Page,
    ) -> Vec<PubkyId> {
        let Some(label) = self.columns.label(label) else { return Vec::new() };
        let lately = self.labels[at(label)].taggers.iter(Order::Descending);
        let lately = lately.take_while(|link| link.time() >= start);
        let part = |taggers: &mut dyn Iterator<Item = Link>| {
            self.ids(taggers.skip(page.skip).take(page.limit).map(|link| link.id))
        };
        let Some((user, reach)) = around else { return part(&mut { lately }) };
        let Some(user) = self.columns.user(user) else { return Vec::new() };
        let mut around = Around::new(self, user, reach);
        part(&mut lately.filter(|link| around.contains(link.id)))
    }
}

/// Two lists in one order, read as one.
struct Merged<A: Iterator, B: Iterator, F> {
    a: std::iter::Peekable<A>,
    b: std::iter::Peekable<B>,
    order: F,
}

impl<A: Iterator, B: Iterator, F> Merged<A, B, F> {
    fn new(a: A, b: B, order: F) -> Self {
        Self { a: a.peekable(), b: b.peekable(), order }
    }
}

impl<T, A, B, F> Iterator for Merged<A, B, F>
where
    A: Iterator<Item = T>,
    B: Iterator<Item = T>,
    F: Fn(&T, &T) -> Ordering,
{
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match (self.a.peek(), self.b.peek()) {
            (Some(a), Some(b)) if (self.order)(b, a) == Ordering::Less => self.b.next(),
            (Some(_), _) => self.a.next(),
            (None, _) => self.b.next(),
        }
    }
}
