//! The labels that users around one put on most posts lately.
//!
//! Whoever asks, no more than the newest tags of the network are looked at: a question says how many. Of the labels
//! found there, those that can't be among the first are not counted exactly.

use super::{
    Index,
    bits::Bits,
    body::{Use, time_of},
    columns::at,
    reach::Around,
};
use crate::{
    query::{HotTagQuery, Order, Reach},
    view::HotTag,
};
use hashbrown::HashMap;
use nexus_pubky::PubkyId;
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// How many steps it costs to begin with another user's uses of labels.
const BEGIN: usize = 16;

/// A use of a label.
#[derive(Clone, Copy)]
struct Used {
    time: i64,
    post: u32,
    tagger: u32,
}

/// Some uses of labels, by label.
type Uses = HashMap<u32, Vec<Used>>;

impl Index {
    /// The labels with most posts; equal numbers by label, last one first.
    pub(super) fn hot_around(&self, user: &PubkyId, reach: Reach, query: &HotTagQuery) -> Vec<HotTag> {
        let Some(user) = self.columns.user(user) else { return Vec::new() };
        let mut around = Around::new(self, user, reach);
        let log = &self.ranks.log;
        let first_read = log.last_but(query.newest.saturating_sub(1)).map_or(i64::MIN, |first| time_of(first.time));
        let start = query.timeframe.start(query.now).millis().max(first_read);
        let logged = log.count_after(log.place(|tagging| time_of(tagging.time) < start));
        let members = around.members(8 * self.effort.find_users);
        let uses = match members.filter(|members| self.steps_of(members, start) <= logged) {
            Some(members) => self.uses_of(&members, start),
            None => self.logged_uses(&mut around, start),
        };
        self.hottest_of(uses, query)
    }

    /// False for users who did nothing on posts since `start`, as far as the kept windows tell.
    fn may_be_active(&self, user: u32, start: i64) -> bool {
        let windows = self.ranks.starts.iter().zip(self.columns.standing[at(user)].active);
        windows.into_iter().all(|(kept, active)| *kept > start || active > 0)
    }

    /// How many uses of labels have to be looked at to know those since `start`.
    fn steps_of(&self, users: &[u32], start: i64) -> usize {
        let active = users.iter().filter(|user| self.may_be_active(**user, start));
        active.map(|user| BEGIN + self.users[at(*user)].uses.len()).sum()
    }

    /// Every use of a label by some users since `start`, from their own lists.
    fn uses_of(&self, users: &[u32], start: i64) -> Uses {
        let mut found = Uses::new();
        for user in users.iter().filter(|user| self.may_be_active(**user, start)) {
            let lately = self.users[at(*user)].uses.iter(Order::Ascending);
            for Use { label, time, post } in lately.filter(|entry| time_of(entry.time) >= start) {
                found.entry(label).or_default().push(Used { time: time_of(time), post, tagger: *user });
            }
        }
        found
    }

    /// Every use of a label by users around one since `start`, from the log. Each tagger is tested once.
    fn logged_uses(&self, around: &mut Around<'_>, start: i64) -> Uses {
        around.settle();
        let (mut asked, mut inside) = (Bits::below(self.users.len()), Bits::below(self.users.len()));
        let mut found = Uses::new();
        let log = &self.ranks.log;
        for tagging in log.walk(log.place(|tagging| time_of(tagging.time) < start), Order::Ascending) {
            let tagger = tagging.tagger;
            if asked.insert(tagger) && around.contains(tagger) {
                inside.insert(tagger);
            }
            if inside.contains(tagger) {
                let used = Used { time: time_of(tagging.time), post: tagging.post, tagger };
                found.entry(tagging.label).or_default().push(used);
            }
        }
        found
    }

    /// The labels with most posts among some uses. A label has no more posts than uses.
    fn hottest_of(&self, uses: Uses, query: &HotTagQuery) -> Vec<HotTag> {
        let wanted = query.page.skip.saturating_add(query.page.limit);
        let mut labels: Vec<(u32, Vec<Used>)> = uses.into_iter().collect();
        labels.sort_unstable_by_key(|(_, uses)| Reverse(uses.len()));
        let (mut best, mut found) = (BinaryHeap::new(), Vec::new());
        let mut seen = Bits::below(self.posts.len());
        for (label, uses) in labels {
            if best.len() == wanted && best.peek().is_none_or(|Reverse(least)| uses.len() < *least) {
                break;
            }
            let posts = uses.iter().filter(|used| seen.insert(used.post)).count();
            uses.iter().for_each(|used| seen.remove(used.post));
            best.push(Reverse(posts));
            found.push((label, posts, uses));
            if best.len() > wanted {
                best.pop();
            }
        }
        let label = |id: u32| &self.columns.labels[at(id)];
        found.sort_unstable_by(|(a, x, _), (b, y, _)| y.cmp(x).then_with(|| label(*b).cmp(label(*a))));
        let page = found.into_iter().skip(query.page.skip).take(query.page.limit);
        page.map(|(label, posts, uses)| self.hot_tag(label, posts, uses, query.taggers)).collect()
    }

    fn hot_tag(&self, label: u32, posts: usize, mut uses: Vec<Used>, shown: usize) -> HotTag {
        // Of each tagger the latest use, wherever it stands.
        uses.sort_unstable_by_key(|used| (used.tagger, Reverse(used.time)));
        uses.dedup_by_key(|used| used.tagger);
        let taggers_count = uses.len();
        let order = |a: &Used, b: &Used| self.compare_taggers(a, b);
        if (1..taggers_count).contains(&shown) {
            uses.select_nth_unstable_by(shown - 1, order);
        }
        uses.truncate(shown);
        uses.sort_unstable_by(order);
        HotTag {
            label: self.columns.labels[at(label)].to_string(),
            taggers_id: self.ids(uses.iter().map(|used| used.tagger)),
            tagged_count: posts as u64,
            taggers_count,
        }
    }

    /// The latest first; equal times by key, last one first.
    fn compare_taggers(&self, a: &Used, b: &Used) -> Ordering {
        b.time.cmp(&a.time).then_with(|| self.columns.compare_users(b.tagger, a.tagger))
    }
}
