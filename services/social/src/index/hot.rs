//! Labels and users by what happened in a window of time. Rankings are kept for windows that end at the newest
//! event; what a question's own window adds or lacks is read from the log and reckoned in, so that no answer
//! is older than its question.

use super::{
    Index,
    body::{Use, order_time, time_of},
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
        let influence = |user: u32| {
            let standing = &self.columns.standing[at(user)];
            let active = difference.of(|b| &b.users, user, standing.active[window]);
            if standing.shown { score::influence(active, standing.followers) } else { 0.0 }
        };
        let changed = difference.between().users.keys().map(|user| (*user, influence(*user)));
        let mut changed: Vec<_> = changed.filter(|(_, score)| *score > 0.0).collect();
        let order =
            |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then_with(|| self.columns.compare_users(b.0, a.0));
        changed.sort_unstable_by(order);
        let rank = INFLUENCE + 1 + window;
        let unchanged = self.ranks.users[rank].iter(Order::Descending);
        let unchanged = unchanged.filter(move |user| !difference.between().users.contains_key(user));
        let scored = unchanged.map(move |user| (user, score(rank, user)));
        Box::new(Merged::new(changed.into_iter(), scored, order))
    }

    pub(super) fn hot(&self, query: &HotTagQuery) -> Vec<HotTag> {
        let Some((user, reach)) = &query.around else { return self.hot_for_all(query) };
        let Some(user) = self.columns.user(user) else { return Vec::new() };
        let mut around = Around::new(self, user, *reach);
        let start = query.timeframe.start(query.now).millis();
        let mut uses = match around.members(self.effort.find_users) {
            Some(members) => self.uses_of(&members, start),
            None => self.hottest_around(&mut around, query, start),
        };
        let label = |id: u32| &self.columns.labels[at(id)];
        uses.sort_unstable_by(|(a, x), (b, y)| {
            y.posts.len().cmp(&x.posts.len()).then_with(|| label(*b).cmp(label(*a)))
        });
        let page = uses.into_iter().skip(query.page.skip).take(query.page.limit);
        page.map(|(label, uses)| self.hot_tag(label, uses, query.taggers)).collect()
    }

    fn hot_tag(&self, label: u32, mut uses: LabelUse, taggers: usize) -> HotTag {
        uses.taggers.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| self.columns.compare_users(b.1, a.1)));
        HotTag {
            label: self.columns.labels[at(label)].to_string(),
            taggers_id: self.ids(uses.taggers.iter().take(taggers).map(|(_, user)| *user)),
            tagged_count: uses.posts.len() as u64,
            taggers_count: uses.taggers.len(),
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

    /// Every label that some users used since `start`.
    fn uses_of(&self, users: &[u32], start: i64) -> Vec<(u32, LabelUse)> {
        let mut labels: HashMap<u32, LabelUse> = HashMap::new();
        for user in users {
            let uses = self.users[at(*user)].uses.iter(Order::Ascending);
            for entry in uses.filter(|entry| time_of(entry.time) >= start) {
                let label = labels.entry(entry.label).or_default();
                label.posts.insert(entry.post);
                // A user's uses of a label are in the order of time: the last one is the latest.
                match label.taggers.last_mut().filter(|(_, tagger)| tagger == user) {
                    Some(latest) => latest.0 = time_of(entry.time),
                    None => label.taggers.push((time_of(entry.time), *user)),
                }
            }
        }
        labels.into_iter().collect()
    }

    /// The labels most used by users around one, found by going through everybody's until no other can have more.
    fn hottest_around(&self, around: &mut Around<'_>, query: &HotTagQuery, start: i64) -> Vec<(u32, LabelUse)> {
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
        found
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
