//! Building an index from stored rows. Objects and rare edges are taken in as they come; follows and tags, which are
//! most of a network, are collected and put in order at once, and so is every order over everything. What is left
//! is done on two threads.

use super::{
    Index,
    body::{Tagging, order_time},
    columns::at,
    order::{self, Follow},
    write::describe,
};
use crate::{
    row::{Edge, Tag, Target, UserState},
    store::{self, Store, Stored},
};
use nexus_model::Seq;

/// An index that is being built.
#[derive(Debug, Default)]
pub struct Loader {
    index: Index,
    follows: Vec<Follow>,
    /// Tags on posts.
    on_posts: Vec<Tagging>,
    /// Tags on profiles; the user is in the place of the post.
    on_users: Vec<Tagging>,
    rows: u64,
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

    /// Builds the index of some rows, in any order.
    pub fn of_rows(rows: impl IntoIterator<Item = Stored>) -> Self {
        let mut loader = Loader::default();
        rows.into_iter().for_each(|row| loader.insert(row));
        loader.finish()
    }
}

impl Loader {
    /// Takes one row in. Each row of a store comes once.
    pub fn insert(&mut self, row: Stored) {
        self.rows += 1;
        let index = &mut self.index;
        match row {
            Stored::Host(row) => index.put_host(&row),
            Stored::User(row) => {
                let user = index.set_user(&row);
                index.columns.standing[at(user)].shown = row.state != UserState::Deleted;
            }
            Stored::Post(row) => {
                let post = index.set_post(&row);
                describe(&mut index.columns.posts[at(post)], &row);
            }
            Stored::File(row) => {
                index.files.insert(row.key, Box::new(row));
            }
            Stored::Resource(row) => index.resources.put(&row),
            Stored::Edge(edge) => self.insert_edge(&edge),
            // No score says nothing of a user: live, nobody is remembered for one.
            Stored::Trust(_, 0.0) => {}
            Stored::Trust(user, trust) => {
                let user = index.user_slot(&user);
                index.users[at(user)].trust = trust;
            }
        }
    }

    fn insert_edge(&mut self, edge: &Edge) {
        let index = &mut self.index;
        match edge {
            Edge::Replied { post, parent, time } => {
                let (post, parent) = (index.post_slot(post), index.post_slot(parent));
                index.link(post, parent, time.millis(), |ties| &mut ties.replied, |ties| &mut ties.replies);
                index.columns.posts[at(parent)].engagement += 1;
            }
            Edge::Reposted { post, target, time } => {
                let (post, target) = (index.post_slot(post), index.post_slot(target));
                index.link(post, target, time.millis(), |ties| &mut ties.reposted, |ties| &mut ties.reposts);
                index.columns.posts[at(target)].engagement += 1;
            }
            Edge::Mentioned { post, user, time } => index.put_mention(post, user, time.millis()),
            Edge::Follows(edge) => {
                let (from, to) = (index.user_slot(&edge.from), index.user_slot(&edge.to));
                self.follows.push(Follow { from, to, time: edge.time.millis() });
            }
            Edge::Mutes(edge) => index.put_mute(edge),
            Edge::Bookmarked(bookmark) => index.put_bookmark(bookmark),
            Edge::Tagged(tag) => self.insert_tag(tag),
        }
    }

    fn insert_tag(&mut self, tag: &Tag) {
        let index = &mut self.index;
        let (list, thing) = match &tag.target {
            Target::Post(key) => (&mut self.on_posts, index.post_slot(key)),
            Target::User(user) => (&mut self.on_users, index.user_slot(user)),
            Target::Resource(_) => return index.put_tag(tag),
        };
        let (tagger, label) = (index.user_slot(&tag.tagger), index.label_slot(&tag.label));
        list.push(Tagging { time: order_time(tag.time.millis()), post: thing, label, tagger });
        index.count_label(label, 1);
    }

    /// Puts everything in order.
    pub fn finish(self) -> Index {
        let Self { mut index, follows, on_posts, on_users, .. } = self;
        order::relations(&mut index, &follows, &on_users, on_posts);
        order::lists(&mut index);
        order::rankings(&mut index);
        index
    }
}
