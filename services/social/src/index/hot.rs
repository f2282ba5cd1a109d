//! Labels and users by what happened in a window of time. Rankings are kept for windows that end at the newest
//! event; what a question's own window adds or lacks is read from the log and reckoned in, so that no answer
//! is older than its question.

use super::{
    Index,
    body::{Tagging, Use, order_time, time_of},
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
use hashbrown::{HashMap, HashSet};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

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

/// The posts that users around one put a label on, and those users.
#[derive(Default)]
struct LabelUse {
    posts: HashSet<u32>,
    taggers: Vec<(i64, u32)>,
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
        let Some((user, reach)) = &query.around else { return self.hot_for_all(query) };
        let Some(user) = self.columns.user(user) else { return Vec::new() };
        let mut around = Around::new(self, user, *reach);
        let start = query.timeframe.start(query.now).millis();
        let members = around.members(8 * self.effort.find_users);
        let log = &self.ranks.log;
        let lately = log.place(|tagging| time_of(tagging.time) < start);
        let logged = log.count_after(lately);
        if let Some(members) = members.filter(|members| self.uses_by(members, start) <= logged) {
            return self.hot_among(self.uses_of(&members, start), query);
        }
        if around.settle() && logged <= 64 * self.effort.find_users {
            let taggings = log.walk(lately, Order::Ascending);
            return self.hot_among(taggings.filter(|tagging| around.contains(tagging.tagger)).collect(), query);
        }
        self.hottest_around(&mut around, query, start)
    }

    /// The labels with most posts among some taggings.
    fn hot_among(&self, taggings: Vec<Tagging>, query: &HotTagQuery) -> Vec<HotTag> {
        let mut posts: Vec<(u32, u32)> = taggings.iter().map(|tagging| (tagging.label, tagging.post)).collect();
        posts.sort_unstable();
        posts.dedup();
        let labels = posts.chunk_by(|a, b| a.0 == b.0);
        let mut counts: Vec<(u32, usize)> = labels.map(|posts| (posts[0].0, posts.len())).collect();
        self.sort_by_posts(&mut counts, |(label, posts)| (*label, *posts));
        let page: Vec<_> = counts.into_iter().skip(query.page.skip).take(query.page.limit).collect();
        let mut taggers: HashMap<(u32, u32), i64> = HashMap::new();
        for tagging in taggings.iter().filter(|tagging| page.iter().any(|(label, _)| *label == tagging.label)) {
            let latest = taggers.entry((tagging.label, tagging.tagger)).or_insert(i64::MIN);
            *latest = time_of(tagging.time).max(*latest);
        }
        let of_label = |wanted: u32| {
            let of_label = taggers.iter().filter(move |((label, _), _)| *label == wanted);
            of_label.map(|((_, tagger), time)| (*time, *tagger)).collect()
        };
        page.into_iter().map(|(label, posts)| self.hot_tag(label, posts, of_label(label), query.taggers)).collect()
    }

    /// Most posts first; equal numbers by label, last one first.
    fn sort_by_posts<T>(&self, list: &mut [T], place: impl Fn(&T) -> (u32, usize)) {
        let label = |id: u32| &self.columns.labels[at(id)];
        list.sort_unstable_by(|a, b| {
            let ((a, x), (b, y)) = (place(a), place(b));
            y.cmp(&x).then_with(|| label(b).cmp(label(a)))
        });
    }

    fn hot_tag(&self, label: u32, posts: usize, mut taggers: Vec<(i64, u32)>, shown: usize) -> HotTag {
        taggers.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| self.columns.compare_users(b.1, a.1)));
        HotTag {
            label: self.columns.labels[at(label)].to_string(),
            taggers_id: self.ids(taggers.iter().take(shown).map(|(_, user)| *user)),
            tagged_count: posts as u64,
            taggers_count: taggers.len(),
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

    /// False for users who did nothing on posts since `start`, as far as the kept windows tell.
    fn may_be_active(&self, user: u32, start: i64) -> bool {
        let windows = self.ranks.starts.iter().zip(self.columns.standing[at(user)].active);
        windows.into_iter().all(|(kept, active)| *kept > start || active > 0)
    }

    /// How many uses of labels have to be looked at to know those since `start`.
    fn uses_by(&self, users: &[u32], start: i64) -> usize {
        let active = users.iter().filter(|user| self.may_be_active(**user, start));
        active.map(|user| self.users[at(*user)].uses.len()).sum()
    }

    /// Every use of a label by some users since `start`.
    fn uses_of(&self, users: &[u32], start: i64) -> Vec<Tagging> {
        let active = users.iter().filter(|user| self.may_be_active(**user, start));
        let uses = active.flat_map(|user| {
            let lately = self.users[at(*user)].uses.iter(Order::Ascending);
            let lately = lately.filter(|entry| time_of(entry.time) >= start);
            lately.map(|Use { label, time, post }| Tagging { time, post, label, tagger: *user })
        });
        uses.collect()
    }

    /// The labels most used by users around one, found by going through everybody's until no other can have more.
    fn hottest_around(&self, around: &mut Around<'_>, query: &HotTagQuery, start: i64) -> Vec<HotTag> {
        let wanted = query.page.skip.saturating_add(query.page.limit);
        let mut best = BinaryHeap::new();
        let mut found = Vec::new();
        for (label, posts) in self.hottest(query.timeframe, query.now) {
            if best.len() == wanted && best.peek().is_none_or(|Reverse(least)| (posts as usize) < *least) {
                break;
            }
            let uses = self.uses_around(label, around, start);
            if !uses.posts.is_empty() {
                best.push(Reverse(uses.posts.len()));
                found.push((label, uses));
            }
            if best.len() > wanted {
                best.pop();
            }
        }
        self.sort_by_posts(&mut found, |(label, uses)| (*label, uses.posts.len()));
        let page = found.into_iter().skip(query.page.skip).take(query.page.limit);
        page.map(|(label, uses)| self.hot_tag(label, uses.posts.len(), uses.taggers, query.taggers)).collect()
    }

    fn uses_around(&self, label: u32, around: &mut Around<'_>, start: i64) -> LabelUse {
        let mut found = LabelUse::default();
        let lately = self.labels[at(label)].taggers.iter(Order::Descending);
        for link in lately.take_while(|link| link.time() >= start).filter(|link| around.contains(link.id)) {
            found.taggers.push((link.time(), link.id));
            let uses = &self.users[at(link.id)].uses;
            let first = Use { label, time: order_time(start), post: 0 };
            let since = uses.walk(uses.place(|entry| *entry < first), Order::Ascending);
            found.posts.extend(since.take_while(|entry| entry.label == label).map(|entry| entry.post));
        }
        found
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
