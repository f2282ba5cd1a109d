//! Dense ids, and the few facts about each that orders are made of. They lie apart from everything else, so
//! that a list inside a user or a post can be ordered while it is changed.

use crate::{
    row::{Label, PostKey, PostKind},
    score,
};
use hashbrown::{DefaultHashBuilder, HashTable};
use nexus_pubky::{PubkyId, TimestampId};
use std::{cmp::Ordering, hash::BuildHasher};

/// How many kinds of posts there are.
pub(super) const KINDS: usize = 8;
/// Windows of time with numbers of their own: today, this week, this month.
pub(super) const WINDOWS: usize = 3;
/// Their lengths in milliseconds.
pub(super) const LENGTHS: [i64; WINDOWS] = [86_400_000, 7 * 86_400_000, 30 * 86_400_000];
/// Rankings of users: by followers, by influence over all time, by influence in each window.
pub(super) const USER_RANKS: usize = 2 + WINDOWS;
/// The ranking by followers.
pub(super) const FOLLOWED: usize = 0;
/// The ranking by influence over all time; those of the windows follow it.
pub(super) const INFLUENCE: usize = 1;
/// The ranking of labels over all time; those of the windows come before it.
pub(super) const EVER: usize = WINDOWS;

/// The facts that rankings of users are made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    pub(super) followers: u32,
    /// Tags placed on posts and users, and posts written.
    pub(super) activity: u32,
    /// Tags placed on posts, and posts written, in each window.
    pub(super) active: [u32; WINDOWS],
    /// True for users with a profile or a stub; the others are in no ranking.
    pub(super) shown: bool,
}

impl Standing {
    /// The score in a ranking, if the user is in it.
    pub(super) fn score(&self, rank: usize) -> Option<f64> {
        let score = match rank {
            FOLLOWED => f64::from(self.followers),
            INFLUENCE => score::influence(self.activity, self.followers),
            window => score::influence(self.active[window - INFLUENCE - 1], self.followers),
        };
        (self.shown && (rank <= INFLUENCE || score > 0.0)).then_some(score)
    }
}

/// The facts that lists of posts are made of. None lies across two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(super) struct PostFacts {
    pub(super) id: TimestampId,
    /// The kind's place in [`kind_slot`]'s order.
    pub(super) kind: u8,
    /// True if it answers another post.
    pub(super) is_reply: bool,
    /// True if there is a row for it.
    pub(super) known: bool,
    pub(super) author: u32,
    pub(super) time: i64,
    /// Tags, replies and reposts.
    pub(super) engagement: u32,
    /// Where labels keep it by engagement, see [`rung`](super::rungs::step_to).
    pub(super) rung: u8,
}

/// How many posts carry a label, by the label's latest use on each: in the windows, and ever.
pub(super) type Heat = [u32; WINDOWS + 1];

/// Everything that orders look at, by dense id.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub(super) users: Vec<PubkyId>,
    pub(super) standing: Vec<Standing>,
    pub(super) posts: Vec<PostFacts>,
    pub(super) labels: Vec<Label>,
    pub(super) heat: Vec<Heat>,
    user_ids: HashTable<u32>,
    post_ids: HashTable<u32>,
    label_ids: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Dense ids that were given back.
    free: Free,
}

/// Dense ids to be given again before new ones are made.
#[derive(Clone, Debug, Default)]
struct Free {
    users: Vec<u32>,
    posts: Vec<u32>,
    labels: Vec<u32>,
}

/// The place of a dense id in a column.
pub(super) const fn at(id: u32) -> usize {
    id as usize
}

/// The newest dense id of a column.
fn last<T>(column: &[T]) -> u32 {
    u32::try_from(column.len() - 1).expect("fewer than 2^32 of a kind fit in memory")
}

/// Takes a dense id out of a table. False if it wasn't in use.
fn forget(ids: &mut HashTable<u32>, hash: u64, id: u32) -> bool {
    ids.find_entry(hash, |other| *other == id).map(|entry| entry.remove().0).is_ok()
}

impl Columns {
    pub(super) fn user(&self, id: &PubkyId) -> Option<u32> {
        self.user_ids.find(self.hasher.hash_one(id), |other| self.users[at(*other)] == *id).copied()
    }

    /// The dense id of a user, and whether it is a new one.
    pub(super) fn add_user(&mut self, id: &PubkyId) -> (u32, bool) {
        if let Some(known) = self.user(id) {
            return (known, false);
        }
        let new = match self.free.users.pop() {
            Some(old) => old,
            None => {
                self.users.push(*id);
                self.standing.push(Standing::default());
                last(&self.users)
            }
        };
        self.users[at(new)] = *id;
        let (users, hasher) = (&self.users, &self.hasher);
        self.user_ids.insert_unique(hasher.hash_one(id), new, |other| hasher.hash_one(users[at(*other)]));
        (new, true)
    }

    pub(super) fn post(&self, key: &PostKey) -> Option<u32> {
        self.post_of(self.user(&key.author)?, key.id)
    }

    fn post_of(&self, author: u32, id: TimestampId) -> Option<u32> {
        let same = |other: &u32| self.posts[at(*other)].author == author && self.posts[at(*other)].id == id;
        self.post_ids.find(self.hasher.hash_one((author, id)), same).copied()
    }

    /// The dense id of an author's post, and whether it is a new one.
    pub(super) fn add_post(&mut self, author: u32, id: TimestampId) -> (u32, bool) {
        if let Some(known) = self.post_of(author, id) {
            return (known, false);
        }
        let facts = PostFacts { id, kind: 0, is_reply: false, known: false, author, time: 0, engagement: 0, rung: 0 };
        let new = match self.free.posts.pop() {
            Some(old) => old,
            None => {
                self.posts.push(facts);
                last(&self.posts)
            }
        };
        self.posts[at(new)] = facts;
        let (posts, hasher) = (&self.posts, &self.hasher);
        let hash = |other: &u32| hasher.hash_one((posts[at(*other)].author, posts[at(*other)].id));
        self.post_ids.insert_unique(hasher.hash_one((author, id)), new, hash);
        (new, true)
    }

    pub(super) fn label(&self, label: &str) -> Option<u32> {
        self.label_ids.find(self.hasher.hash_one(label), |other| self.labels[at(*other)].as_str() == label).copied()
    }

    /// The dense id of a label, and whether it is a new one.
    pub(super) fn add_label(&mut self, label: &Label) -> (u32, bool) {
        if let Some(known) = self.label(label.as_str()) {
            return (known, false);
        }
        let new = match self.free.labels.pop() {
            Some(old) => old,
            None => {
                self.labels.push(label.clone());
                self.heat.push(Heat::default());
                last(&self.labels)
            }
        };
        self.labels[at(new)] = label.clone();
        self.heat[at(new)] = Heat::default();
        let (labels, hasher) = (&self.labels, &self.hasher);
        let hash = |other: &u32| hasher.hash_one(labels[at(*other)].as_str());
        self.label_ids.insert_unique(hasher.hash_one(label.as_str()), new, hash);
        (new, true)
    }

    /// Lets the id of a user be given to another. False if it isn't in use.
    pub(super) fn free_user(&mut self, user: u32) -> bool {
        let was_used = forget(&mut self.user_ids, self.hasher.hash_one(self.users[at(user)]), user);
        self.free.users.extend(was_used.then_some(user));
        self.standing[at(user)] = Standing::default();
        was_used
    }

    /// Lets the id of a post be given to another. False if it isn't in use.
    pub(super) fn free_post(&mut self, post: u32) -> bool {
        let facts = &self.posts[at(post)];
        let was_used = forget(&mut self.post_ids, self.hasher.hash_one((facts.author, facts.id)), post);
        self.free.posts.extend(was_used.then_some(post));
        was_used
    }

    /// Lets the id of a label be given to another. False if it isn't in use.
    pub(super) fn free_label(&mut self, label: u32) -> bool {
        let was_used = forget(&mut self.label_ids, self.hasher.hash_one(self.labels[at(label)].as_str()), label);
        self.free.labels.extend(was_used.then_some(label));
        was_used
    }

    /// How many users, posts and labels have an id.
    pub(super) fn in_use(&self) -> [usize; 3] {
        [self.user_ids.len(), self.post_ids.len(), self.label_ids.len()]
    }

    /// How many ids of users, posts and labels were ever made.
    pub(super) fn made(&self) -> [usize; 3] {
        [self.users.len(), self.posts.len(), self.labels.len()]
    }

    pub(super) fn key(&self, post: u32) -> PostKey {
        let facts = &self.posts[at(post)];
        PostKey { author: self.users[at(facts.author)], id: facts.id }
    }

    /// By key.
    pub(super) fn compare_users(&self, a: u32, b: u32) -> Ordering {
        self.users[at(a)].cmp(&self.users[at(b)])
    }

    /// By `author:id`.
    pub(super) fn compare_posts(&self, a: u32, b: u32) -> Ordering {
        let (x, y) = (&self.posts[at(a)], &self.posts[at(b)]);
        if x.author == y.author { x.id.cmp(&y.id) } else { self.compare_users(x.author, y.author) }
    }

    /// By time of indexing, then `author:id`.
    pub(super) fn by_time(&self, a: u32, b: u32) -> Ordering {
        self.posts[at(a)].time.cmp(&self.posts[at(b)].time).then_with(|| self.compare_posts(a, b))
    }

    /// By engagement, then `author:id`.
    pub(super) fn by_engagement(&self, a: u32, b: u32) -> Ordering {
        self.posts[at(a)].engagement.cmp(&self.posts[at(b)].engagement).then_with(|| self.compare_posts(a, b))
    }

    /// By the score in a ranking of users, then by key.
    pub(super) fn by_standing(&self, rank: usize, a: u32, b: u32) -> Ordering {
        let score = |user: u32| self.standing[at(user)].score(rank).unwrap_or_default();
        score(a).total_cmp(&score(b)).then_with(|| self.compare_users(a, b))
    }

    /// By the number of posts in a ranking of labels, then by label.
    pub(super) fn by_heat(&self, rank: usize, a: u32, b: u32) -> Ordering {
        let order = self.heat[at(a)][rank].cmp(&self.heat[at(b)][rank]);
        order.then_with(|| self.labels[at(a)].cmp(&self.labels[at(b)]))
    }
}

/// A kind's place in lists by kind.
pub(super) const fn kind_slot(kind: &PostKind) -> u8 {
    match kind {
        PostKind::Short => 0,
        PostKind::Long => 1,
        PostKind::Image => 2,
        PostKind::Video => 3,
        PostKind::Link => 4,
        PostKind::File => 5,
        PostKind::Collection => 6,
        PostKind::Unknown => 7,
    }
}

/// The kind at a place.
pub(super) const fn kind_of(slot: u8) -> PostKind {
    match slot {
        0 => PostKind::Short,
        1 => PostKind::Long,
        2 => PostKind::Image,
        3 => PostKind::Video,
        4 => PostKind::Link,
        5 => PostKind::File,
        6 => PostKind::Collection,
        _ => PostKind::Unknown,
    }
}
