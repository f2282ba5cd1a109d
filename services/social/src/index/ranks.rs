//! The lists that span the whole network, and how one entry moves in them when its facts change.

use super::{
    Index,
    body::Tagging,
    columns::{Columns, KINDS, LENGTHS, PostFacts, Standing, USER_RANKS, WINDOWS, at},
    rungs::step_to,
    shelves::is_in_place,
    sorted::Sorted,
};

/// Lists of posts are kept by kind, replies apart.
pub(super) const SHELVES: usize = 2 * KINDS;
/// How far the newest time moves before windows follow it. Readers reckon with the difference.
const STEP: i64 = 60_000;

/// Lists over everything, and how far the windows have moved.
#[derive(Clone, Debug)]
pub(super) struct Ranks {
    /// Known posts by time, by shelf.
    pub(super) timeline: [Sorted<u32>; SHELVES],
    /// Known posts by engagement, by shelf.
    pub(super) engagement: [Sorted<u32>; SHELVES],
    /// Users by standing.
    pub(super) users: [Sorted<u32>; USER_RANKS],
    /// Labels by heat.
    pub(super) labels: [Sorted<u32>; WINDOWS + 1],
    /// Every tag on a post, by time.
    pub(super) log: Sorted<Tagging>,
    /// The newest time that a tag or post had.
    pub(super) newest: i64,
    /// Where the windows begin: numbers about a window count what isn't older.
    pub(super) starts: [i64; WINDOWS],
}

impl Default for Ranks {
    fn default() -> Self {
        Self {
            timeline: Default::default(),
            engagement: Default::default(),
            users: Default::default(),
            labels: Default::default(),
            log: Sorted::default(),
            newest: i64::MIN,
            starts: [i64::MIN; WINDOWS],
        }
    }
}

/// The shelf on which a post lies.
pub(super) const fn shelf(facts: &PostFacts) -> usize {
    facts.kind as usize + if facts.is_reply { KINDS } else { 0 }
}

impl Ranks {
    fn insert_post(&mut self, columns: &Columns, post: u32, list: PostList) {
        let shelf = shelf(&columns.posts[at(post)]);
        match list {
            PostList::Time => self.timeline[shelf].insert(post, |other| columns.by_time(*other, post)),
            PostList::Engagement => self.engagement[shelf].insert(post, |other| columns.by_engagement(*other, post)),
        }
    }

    fn remove_post(&mut self, columns: &Columns, post: u32, list: PostList) {
        let shelf = shelf(&columns.posts[at(post)]);
        match list {
            PostList::Time => self.timeline[shelf].remove(|other| columns.by_time(*other, post)),
            PostList::Engagement => self.engagement[shelf].remove(|other| columns.by_engagement(*other, post)),
        };
    }
}

#[derive(Clone, Copy)]
enum PostList {
    Time,
    Engagement,
}

impl Index {
    /// Changes a user's standing, and moves the user in the rankings that it concerns.
    pub(super) fn restand(&mut self, user: u32, change: impl FnOnce(&mut Standing)) {
        let old = self.columns.standing[at(user)];
        let mut new = old;
        change(&mut new);
        let moves: [bool; USER_RANKS] = std::array::from_fn(|rank| old.score(rank) != new.score(rank));
        for rank in (0..USER_RANKS).filter(|rank| moves[*rank] && old.score(*rank).is_some()) {
            self.ranks.users[rank].remove(|other| self.columns.by_standing(rank, *other, user));
        }
        self.columns.standing[at(user)] = new;
        for rank in (0..USER_RANKS).filter(|rank| moves[*rank] && new.score(*rank).is_some()) {
            self.ranks.users[rank].insert(user, |other| self.columns.by_standing(rank, *other, user));
        }
    }

    /// Changes the number of posts that a label counts in a ranking, and moves it there.
    pub(super) fn reheat(&mut self, label: u32, rank: usize, posts: u32) {
        let old = self.columns.heat[at(label)][rank];
        if old > 0 && old != posts {
            self.ranks.labels[rank].remove(|other| self.columns.by_heat(rank, *other, label));
        }
        self.columns.heat[at(label)][rank] = posts;
        if posts > 0 && old != posts {
            self.ranks.labels[rank].insert(label, |other| self.columns.by_heat(rank, *other, label));
        }
    }

    /// Changes a post's facts, and moves it in every list that orders by them.
    pub(super) fn reface(&mut self, post: u32, change: impl FnOnce(&mut PostFacts)) {
        let old = self.columns.posts[at(post)];
        let mut new = old;
        change(&mut new);
        new.rung = step_to(old.rung, new.engagement);
        let place = |facts: &PostFacts| facts.known.then_some((facts.kind, facts.is_reply, facts.time));
        let (moves, regards) = (place(&old) != place(&new), old.engagement != new.engagement);
        if !(moves || regards) {
            self.columns.posts[at(post)] = new;
            return;
        }
        let relabels = !is_in_place(&old, &new);
        if old.known {
            self.unlist_post(post, moves);
        }
        if relabels {
            self.unlabel_post(post);
        }
        self.columns.posts[at(post)] = new;
        if new.known {
            self.list_post(post, moves);
        }
        if relabels {
            self.relabel_post(post);
        } else {
            self.climb(post, old.rung);
        }
        if moves {
            self.count_post(&old, &new);
        }
    }

    fn unlist_post(&mut self, post: u32, moves: bool) {
        self.ranks.remove_post(&self.columns, post, PostList::Engagement);
        let facts = self.columns.posts[at(post)];
        let author = &mut self.users[at(facts.author)];
        if !facts.is_reply {
            author.engaging.remove(|other| self.columns.by_engagement(*other, post));
        }
        if moves {
            self.ranks.remove_post(&self.columns, post, PostList::Time);
            let list = if facts.is_reply { &mut author.replies } else { &mut author.roots };
            list.remove(|other| self.columns.by_time(*other, post));
        }
    }

    fn list_post(&mut self, post: u32, moves: bool) {
        self.ranks.insert_post(&self.columns, post, PostList::Engagement);
        let facts = self.columns.posts[at(post)];
        let author = &mut self.users[at(facts.author)];
        if !facts.is_reply {
            author.engaging.insert(post, |other| self.columns.by_engagement(*other, post));
        }
        if moves {
            self.ranks.insert_post(&self.columns, post, PostList::Time);
            let list = if facts.is_reply { &mut author.replies } else { &mut author.roots };
            list.insert(post, |other| self.columns.by_time(*other, post));
        }
    }

    fn unlabel_post(&mut self, post: u32) {
        for group in self.posts[at(post)].tags.iter() {
            self.labels[at(group.label)].posts.remove(&self.columns, post);
        }
    }

    fn relabel_post(&mut self, post: u32) {
        for group in self.posts[at(post)].tags.iter() {
            self.labels[at(group.label)].posts.insert(&self.columns, post);
        }
    }

    /// Lets the author's activity follow a post that came, went or moved in time.
    fn count_post(&mut self, old: &PostFacts, new: &PostFacts) {
        let starts = self.ranks.starts;
        self.restand(new.author, |standing| {
            standing.activity = step(standing.activity, old.known, new.known);
            for (active, start) in standing.active.iter_mut().zip(starts) {
                *active = step(*active, old.known && old.time >= start, new.known && new.time >= start);
            }
        });
        if new.known {
            self.observe(new.time);
        }
    }

    /// Moves the windows along when time has gone on.
    pub(super) fn observe(&mut self, time: i64) {
        if time < self.ranks.newest.saturating_add(STEP) {
            return;
        }
        self.ranks.newest = time;
        for (window, length) in LENGTHS.into_iter().enumerate() {
            let start = time.saturating_sub(length);
            if start > self.ranks.starts[window] {
                self.expire(window, start);
            }
        }
    }

    fn expire(&mut self, window: usize, start: i64) {
        let leaving = self.between(self.ranks.starts[window], start);
        self.ranks.starts[window] = start;
        for (label, posts) in leaving.labels {
            let heat = self.columns.heat[at(label)][window].saturating_sub(posts);
            self.reheat(label, window, heat);
        }
        for (user, count) in leaving.users {
            self.restand(user, |standing| standing.active[window] = standing.active[window].saturating_sub(count));
        }
    }
}

/// A count after something stopped or began to count.
pub(super) fn step(count: u32, before: bool, after: bool) -> u32 {
    (count + u32::from(after)).saturating_sub(u32::from(before))
}
