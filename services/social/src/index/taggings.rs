//! Tags as they come and go, and what follows from them.

use super::{
    Index,
    body::{Labelled, Tagging, Use, order_time, time_of},
    columns::{EVER, WINDOWS, at},
    links::Link,
    ranks::step,
};
use crate::{
    query::Order,
    row::{Tag, Target},
};
use hashbrown::HashMap;

/// Who and what is concerned when a window moves over a stretch of time.
#[derive(Default)]
pub(super) struct Between {
    /// Posts whose latest use of the label lies in the stretch, by label.
    pub(super) labels: HashMap<u32, u32>,
    /// Tags on posts and posts in the stretch, by user.
    pub(super) users: HashMap<u32, u32>,
}

impl Index {
    pub(super) fn put_tag(&mut self, tag: &Tag) {
        let (tagger, label) = (self.user_slot(&tag.tagger), self.label_slot(&tag.label));
        let time = tag.time.millis();
        let is_new = match tag.target {
            Target::User(user) => {
                let user = self.user_slot(&user);
                self.tag_user(tagger, user, label, time)
            }
            Target::Post(key) => {
                let post = self.post_slot(&key);
                self.tag_post(tagger, post, label, time)
            }
            Target::Resource(id) => {
                let app = tag.app.as_deref().unwrap_or_default();
                let is_new = self.resources.tag(&id, tagger, label, app, time);
                self.users[at(tagger)].named += u32::from(is_new);
                is_new
            }
        };
        if is_new {
            self.count_label(label, 1);
        }
    }

    pub(super) fn remove_tag(&mut self, tag: &Tag) {
        let (tagger, label) = (self.columns.user(&tag.tagger), self.columns.label(tag.label.as_str()));
        let (Some(tagger), Some(label)) = (tagger, label) else { return };
        let time = tag.time.millis();
        let was_there = match tag.target {
            Target::User(user) => self.columns.user(&user).is_some_and(|user| {
                let was_there = self.untag_user(tagger, user, label, time);
                self.drop_user(user);
                was_there
            }),
            Target::Post(key) => self.columns.post(&key).is_some_and(|post| {
                let was_there = self.untag_post(tagger, post, label, time);
                self.drop_post(post);
                was_there
            }),
            Target::Resource(id) => {
                let was_there = self.resources.untag(&id, tagger, label, tag.app.as_deref().unwrap_or_default());
                self.users[at(tagger)].named -= u32::from(was_there);
                was_there
            }
        };
        if was_there {
            self.count_label(label, -1);
            self.drop_label(label);
            self.drop_user(tagger);
        }
    }

    /// A label is in use while any tag carries it.
    pub(super) fn count_label(&mut self, label: u32, change: i32) {
        let body = &mut self.labels[at(label)];
        body.tags = body.tags.saturating_add_signed(change);
        let name = &self.columns.labels[at(label)];
        if body.tags == 0 {
            self.in_use.remove(name);
        } else if body.tags == 1 && change > 0 {
            self.in_use.insert(name.clone());
        }
    }

    fn tag_user(&mut self, tagger: u32, user: u32, label: u32, time: i64) -> bool {
        let vouches = self.vouches(tagger, user, label);
        let columns = &self.columns;
        let groups = &mut self.users[at(user)].tags;
        if !groups.insert(columns, label, Link::new(time, tagger)) {
            return false;
        }
        let count = groups.get(label).map_or(0, |group| group.taggers.count());
        let carriers = &mut self.labels[at(label)].users;
        carriers.remove(&(count - 1, columns.users[at(user)]));
        carriers.insert((count, columns.users[at(user)]));
        self.labels[at(label)].carriers.insert(user);
        let entry = Labelled { label, thing: user };
        self.users[at(tagger)].vouched.insert(entry, |other| other.cmp(&entry));
        if !vouches {
            self.begin_to_vouch(tagger, user, label);
        }
        self.count_tagged(tagger, 1);
        true
    }

    fn untag_user(&mut self, tagger: u32, user: u32, label: u32, time: i64) -> bool {
        let columns = &self.columns;
        let groups = &mut self.users[at(user)].tags;
        if groups.remove(columns, label, Link::new(time, tagger)).is_none() {
            return false;
        }
        let count = groups.get(label).map_or(0, |group| group.taggers.count());
        let carriers = &mut self.labels[at(label)].users;
        carriers.remove(&(count + 1, columns.users[at(user)]));
        if count > 0 {
            carriers.insert((count, columns.users[at(user)]));
        } else {
            self.labels[at(label)].carriers.remove(user);
        }
        let entry = Labelled { label, thing: user };
        self.users[at(tagger)].vouched.remove(|other| other.cmp(&entry));
        if !self.vouches(tagger, user, label) {
            self.cease_to_vouch(tagger, user, label);
        }
        self.count_tagged(tagger, -1);
        true
    }

    fn count_tagged(&mut self, tagger: u32, change: i32) {
        let tagged = &mut self.users[at(tagger)].tagged;
        *tagged = tagged.saturating_add_signed(change);
        self.restand(tagger, |standing| standing.activity = standing.activity.saturating_add_signed(change));
    }

    fn tag_post(&mut self, tagger: u32, post: u32, label: u32, time: i64) -> bool {
        let before = self.latest(post, label);
        let known = self.posts[at(post)].tags.get(label).is_some_and(|group| group.taggers.contains(tagger));
        if known {
            self.retime_tag(tagger, post, label, time);
            return false;
        }
        let author = self.columns.posts[at(post)].author;
        let vouches = self.vouches(tagger, author, label);
        self.posts[at(post)].tags.insert(&self.columns, label, Link::new(time, tagger));
        self.use_label(tagger, post, label, time);
        self.carry(post, label, before);
        self.reface(post, |facts| facts.engagement += 1);
        if !vouches {
            self.begin_to_vouch(tagger, author, label);
        }
        self.count_use(tagger, time, 1);
        true
    }

    fn untag_post(&mut self, tagger: u32, post: u32, label: u32, time: i64) -> bool {
        let before = self.latest(post, label);
        let tags = &mut self.posts[at(post)].tags;
        let Some(removed) = tags.remove(&self.columns, label, Link::new(time, tagger)) else { return false };
        self.disuse_label(tagger, post, label, removed.time());
        self.carry(post, label, before);
        self.reface(post, |facts| facts.engagement = facts.engagement.saturating_sub(1));
        let author = self.columns.posts[at(post)].author;
        if !self.vouches(tagger, author, label) {
            self.cease_to_vouch(tagger, author, label);
        }
        self.count_use(tagger, removed.time(), -1);
        true
    }

    /// A tag that is put again: at the same time it is the same, otherwise it moves.
    fn retime_tag(&mut self, tagger: u32, post: u32, label: u32, time: i64) {
        let entry = Use { label, time: order_time(time), post };
        let uses = &self.users[at(tagger)].uses;
        if uses.after(uses.place(|other| *other < entry)) != Some(entry) {
            self.untag_post(tagger, post, label, time);
            self.tag_post(tagger, post, label, time);
        }
    }

    /// When a label was last put on a post.
    fn latest(&self, post: u32, label: u32) -> Option<i64> {
        self.posts[at(post)].tags.get(label)?.taggers.newest().map(|link| link.time())
    }

    /// When a user last put a label on any post.
    pub(super) fn last_use(&self, tagger: u32, label: u32) -> Option<i64> {
        let uses = &self.users[at(tagger)].uses;
        let last = uses.before(uses.place(|entry| entry.label <= label))?;
        (last.label == label).then(|| time_of(last.time))
    }

    fn use_label(&mut self, tagger: u32, post: u32, label: u32, time: i64) {
        let entry = Use { label, time: order_time(time), post };
        let tagging = Tagging { time: entry.time, post, label, tagger };
        self.ranks.log.insert(tagging, |other| other.cmp(&tagging));
        let before = self.last_use(tagger, label);
        self.users[at(tagger)].uses.insert(entry, |other| other.cmp(&entry));
        self.move_tagger(tagger, label, before);
    }

    fn disuse_label(&mut self, tagger: u32, post: u32, label: u32, time: i64) {
        let entry = Use { label, time: order_time(time), post };
        let tagging = Tagging { time: entry.time, post, label, tagger };
        self.ranks.log.remove(|other| other.cmp(&tagging));
        let before = self.last_use(tagger, label);
        self.users[at(tagger)].uses.remove(|other| other.cmp(&entry));
        self.move_tagger(tagger, label, before);
    }

    /// Lets a label's list of taggers follow a tagger's latest use.
    fn move_tagger(&mut self, tagger: u32, label: u32, before: Option<i64>) {
        let after = self.last_use(tagger, label);
        if before == after {
            return;
        }
        let order = |a, b| self.columns.compare_users(a, b);
        let taggers = &mut self.labels[at(label)].taggers;
        before.and_then(|time| taggers.remove(Link::new(time, tagger), order));
        if let Some(time) = after {
            taggers.insert(Link::new(time, tagger), order);
        }
    }

    /// Lets a label's lists of posts, the author's and the label's heat follow a post's latest tag with it.
    /// Engagement must still be as it was.
    fn carry(&mut self, post: u32, label: u32, before: Option<i64>) {
        let after = self.latest(post, label);
        match (before, after) {
            (None, Some(_)) => self.list_labelled(post, label),
            (Some(_), None) => self.unlist_labelled(post, label),
            _ => {}
        }
        self.reheat_after(label, EVER, before.is_some(), after.is_some());
        for window in 0..WINDOWS {
            let start = self.ranks.starts[window];
            let counts = |time: Option<i64>| time.is_some_and(|time| time >= start);
            self.reheat_after(label, window, counts(before), counts(after));
        }
    }

    fn list_labelled(&mut self, post: u32, label: u32) {
        self.labels[at(label)].posts.insert(&self.columns, post);
        let author = self.columns.posts[at(post)].author;
        let entry = Labelled { label, thing: post };
        self.users[at(author)].labelled.insert(entry, |other| other.cmp(&entry));
    }

    fn unlist_labelled(&mut self, post: u32, label: u32) {
        self.labels[at(label)].posts.remove(&self.columns, post);
        let author = self.columns.posts[at(post)].author;
        let entry = Labelled { label, thing: post };
        self.users[at(author)].labelled.remove(|other| other.cmp(&entry));
    }

    fn reheat_after(&mut self, label: u32, rank: usize, before: bool, after: bool) {
        let heat = step(self.columns.heat[at(label)][rank], before, after);
        self.reheat(label, rank, heat);
    }

    fn count_use(&mut self, tagger: u32, time: i64, change: i32) {
        let tagged = &mut self.users[at(tagger)].tagged;
        *tagged = tagged.saturating_add_signed(change);
        let starts = self.ranks.starts;
        self.restand(tagger, |standing| {
            standing.activity = standing.activity.saturating_add_signed(change);
            for (active, start) in standing.active.iter_mut().zip(starts) {
                if time >= start {
                    *active = active.saturating_add_signed(change);
                }
            }
        });
        self.observe(time);
    }

    /// What a window loses or gains when its start moves from one time to another.
    pub(super) fn between(&self, from: i64, to: i64) -> Between {
        let mut between = Between::default();
        let log = &self.ranks.log;
        let taggings = log.walk(log.place(|tagging| time_of(tagging.time) < from), Order::Ascending);
        for tagging in taggings.take_while(|tagging| time_of(tagging.time) < to) {
            *between.users.entry(tagging.tagger).or_default() += 1;
            let group = self.posts[at(tagging.post)].tags.get(tagging.label);
            let latest = group.and_then(|group| group.taggers.newest());
            if latest == Some(Link::new(time_of(tagging.time), tagging.tagger)) {
                *between.labels.entry(tagging.label).or_default() += 1;
            }
        }
        let time = |post: u32| self.columns.posts[at(post)].time;
        for list in &self.ranks.timeline {
            let posts = list.walk(list.place(|post| time(*post) < from), Order::Ascending);
            for post in posts.take_while(|post| time(*post) < to) {
                *between.users.entry(self.columns.posts[at(post)].author).or_default() += 1;
            }
        }
        between
    }
}
