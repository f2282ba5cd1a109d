//! Building an index from stored rows. What is cheap in any order is built on the way; what is an order over
//! everything is built once, at the end.

use super::{
    Index,
    body::{Group, Use, time_of},
    columns::{EVER, LENGTHS, at},
    links::{Link, Links},
    ranks::{SHELVES, shelf},
    sorted::Sorted,
};
use crate::{
    query::Order,
    store::{self, Store, Stored},
};
use nexus_model::Seq;

/// An index that is being built.
#[derive(Debug)]
pub struct Loader {
    index: Index,
    rows: u64,
}

impl Default for Loader {
    fn default() -> Self {
        Self { index: Index { loading: true, ..Index::default() }, rows: 0 }
    }
}

impl Index {
    /// Builds the index of everything that a store holds, and tells `progress` the number of rows so far, now
    /// and then. Gives the journal position that it stands for.
    ///
    /// # Errors
    /// If the store fails or a row is damaged.
    pub fn load(store: &dyn Store, progress: &mut dyn FnMut(u64)) -> store::Result<(Self, Seq)> {
        let mut loader = Loader::default();
        let seq = store.load(&mut |row| {
            loader.insert(row);
            if loader.rows.is_multiple_of(4096) {
                progress(loader.rows);
            }
        })?;
        progress(loader.rows);
        Ok((loader.finish(), seq))
    }

    /// Builds the index of some rows, in any order. It is fastest in the order of [`Store::load`].
    pub fn of_rows(rows: impl IntoIterator<Item = Stored>) -> Self {
        let mut loader = Loader::default();
        rows.into_iter().for_each(|row| loader.insert(row));
        loader.finish()
    }
}

impl Loader {
    /// Takes one row in.
    pub fn insert(&mut self, row: Stored) {
        self.rows += 1;
        let index = &mut self.index;
        match row {
            Stored::Host(row) => index.put_host(&row),
            Stored::User(row) => index.put_user(&row),
            Stored::Post(row) => index.put_post(&row),
            Stored::File(row) => {
                index.files.insert(row.key, Box::new(row));
            }
            Stored::Resource(row) => index.resources.put(&row),
            Stored::Edge(edge) => index.put_edge(&edge),
            Stored::Trust(user, trust) => {
                let user = index.user_slot(&user);
                index.users[at(user)].trust = trust;
            }
        }
    }

    /// Puts everything in order.
    pub fn finish(self) -> Index {
        let mut index = self.index;
        index.loading = false;
        index.fill_timelines();
        index.fill_engagement();
        index.fill_uses();
        index.open_windows();
        index.rank_users();
        index.rank_labels();
        index.shrink();
        index
    }
}

impl Index {
    /// Every list of posts by time: the network's, the authors' and the labels'.
    fn fill_timelines(&mut self) {
        let columns = &self.columns;
        let mut posts: Vec<u32> = (0u32..).zip(&columns.posts).map(|(post, _)| post).collect();
        posts.sort_unstable_by(|a, b| columns.by_time(*a, *b));
        let mut labelled = vec![Vec::new(); self.labels.len()];
        let mut written: Vec<[Vec<u32>; 2]> = vec![Default::default(); self.users.len()];
        let mut shelves: [Vec<u32>; SHELVES] = Default::default();
        for post in posts {
            self.posts[at(post)].tags.0.iter().for_each(|group| labelled[at(group.label)].push(post));
            let facts = &columns.posts[at(post)];
            if facts.known {
                shelves[shelf(facts)].push(post);
                written[at(facts.author)][usize::from(facts.is_reply)].push(post);
            }
        }
        self.ranks.timeline = shelves.map(Sorted::from_ordered);
        for (label, posts) in self.labels.iter_mut().zip(labelled) {
            label.posts = Sorted::from_ordered(posts);
        }
        for ((user, standing), [roots, replies]) in self.users.iter_mut().zip(&mut self.columns.standing).zip(written) {
            standing.activity += u32::try_from(roots.len() + replies.len()).unwrap_or(u32::MAX);
            (user.roots, user.replies) = (Sorted::from_ordered(roots), Sorted::from_ordered(replies));
        }
    }

    fn fill_engagement(&mut self) {
        let columns = &self.columns;
        for (by_time, list) in self.ranks.timeline.iter().zip(&mut self.ranks.engagement) {
            let mut posts: Vec<u32> = by_time.iter(Order::Ascending).collect();
            posts.sort_unstable_by(|a, b| columns.by_engagement(*a, *b));
            *list = Sorted::from_ordered(posts);
        }
    }

    /// Each user's uses of labels, and each label's users.
    fn fill_uses(&mut self) {
        let mut taggers: Vec<Vec<Link>> = vec![Vec::new(); self.labels.len()];
        for (user, body) in (0u32..).zip(&mut self.users) {
            body.uses.sort();
            let mut uses = body.uses.iter(Order::Ascending).peekable();
            while let Some(entry) = uses.next() {
                let goes_on = |next: &Use| next.label == entry.label;
                if !uses.peek().is_some_and(goes_on) {
                    taggers[at(entry.label)].push(Link::new(time_of(entry.time), user));
                }
            }
        }
        let columns = &self.columns;
        for (label, mut links) in self.labels.iter_mut().zip(taggers) {
            links.sort_unstable_by(|a, b| a.time().cmp(&b.time()).then_with(|| columns.compare_users(a.id, b.id)));
            label.taggers = Links::from_ordered(links);
        }
    }

    /// Lets the windows end at the newest time there is.
    fn open_windows(&mut self) {
        self.columns.standing.iter_mut().for_each(|standing| standing.active = Default::default());
        let posts = self.ranks.timeline.iter().filter_map(Sorted::last).map(|post| self.columns.posts[at(post)].time);
        let tags = self.ranks.log.last().map(|tagging| time_of(tagging.time));
        let newest = posts.chain(tags).max().unwrap_or(i64::MIN);
        self.ranks.newest = newest;
        for (window, length) in LENGTHS.into_iter().enumerate() {
            let start = newest.saturating_sub(length);
            self.ranks.starts[window] = start;
            let inside = self.between(start, i64::MAX);
            inside.labels.iter().for_each(|(label, posts)| self.columns.heat[at(*label)][window] = *posts);
            inside.users.iter().for_each(|(user, count)| self.columns.standing[at(*user)].active[window] = *count);
        }
    }

    fn rank_users(&mut self) {
        let columns = &self.columns;
        for (rank, list) in self.ranks.users.iter_mut().enumerate() {
            let ranked = (0u32..).zip(&columns.standing).filter(|(_, standing)| standing.score(rank).is_some());
            let mut users: Vec<u32> = ranked.map(|(user, _)| user).collect();
            users.sort_unstable_by(|a, b| columns.by_standing(rank, *a, *b));
            *list = Sorted::from_ordered(users);
        }
    }

    fn rank_labels(&mut self) {
        for (heat, label) in self.columns.heat.iter_mut().zip(&self.labels) {
            heat[EVER] = u32::try_from(label.posts.len()).unwrap_or(u32::MAX);
        }
        let columns = &self.columns;
        for (rank, list) in self.ranks.labels.iter_mut().enumerate() {
            let hot = (0u32..).zip(&columns.heat).filter(|(_, heat)| heat[rank] > 0);
            let mut labels: Vec<u32> = hot.map(|(label, _)| label).collect();
            labels.sort_unstable_by(|a, b| columns.by_heat(rank, *a, *b));
            *list = Sorted::from_ordered(labels);
        }
    }

    /// Gives back what growing vectors hold in reserve.
    fn shrink(&mut self) {
        for user in &mut self.users {
            user.following.shrink();
            user.followers.shrink();
            shrink_groups(&mut user.tags.0);
        }
        for post in &mut self.posts {
            shrink_groups(&mut post.tags.0);
        }
    }
}

fn shrink_groups(groups: &mut Vec<Group>) {
    groups.shrink_to_fit();
    groups.iter_mut().for_each(|group| group.taggers.shrink());
}
