//! Dense ids as they are given, and taken back when nothing speaks of what they stood for: whoever writes and
//! deletes for years takes no more memory than what is there at a time.

use super::{
    Index,
    body::{LabelBody, Parent, Post, Rare, User},
    columns::at,
};
use crate::row::{Label, PostKey};
use nexus_pubky::PubkyId;

/// How many ids are in use, or were ever made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Users with a row, or named by anything.
    pub users: usize,
    /// Posts with a row, or named by anything.
    pub posts: usize,
    /// Labels that some tag carries.
    pub labels: usize,
    /// Resources with a row or a tag.
    pub resources: usize,
}

impl Index {
    /// How much the index knows of.
    pub fn in_use(&self) -> Slots {
        let [users, posts, labels] = self.columns.in_use();
        Slots { users, posts, labels, resources: self.resources.in_use() }
    }

    /// How much room it has made for that: what was in use at the most at a time.
    pub fn room(&self) -> Slots {
        let [users, posts, labels] = self.columns.made();
        Slots { users, posts, labels, resources: self.resources.made() }
    }

    /// The dense id of a user, who may be new.
    pub(super) fn user_slot(&mut self, id: &PubkyId) -> u32 {
        let (user, is_new) = self.columns.add_user(id);
        if is_new && at(user) == self.users.len() {
            self.users.push(User::default());
        }
        user
    }

    /// The dense id of a post, which may be new.
    pub(super) fn post_slot(&mut self, key: &PostKey) -> u32 {
        let author = self.user_slot(&key.author);
        let (post, is_new) = self.columns.add_post(author, key.id);
        if is_new {
            self.users[at(author)].named += 1;
            if at(post) == self.posts.len() {
                self.posts.push(Post::default());
            }
        }
        post
    }

    /// The dense id of a label, which may be new.
    pub(super) fn label_slot(&mut self, label: &Label) -> u32 {
        let (slot, is_new) = self.columns.add_label(label);
        if is_new && at(slot) == self.labels.len() {
            self.labels.push(LabelBody::default());
        }
        slot
    }

    /// Gives a user's id back if nothing speaks of the user.
    pub(super) fn drop_user(&mut self, user: u32) {
        if self.users[at(user)].is_nothing() && self.columns.free_user(user) {
            self.users[at(user)] = User::default();
        }
    }

    /// Gives a post's id back if nothing speaks of it, and that of its author.
    pub(super) fn drop_post(&mut self, post: u32) {
        let facts = self.columns.posts[at(post)];
        if !facts.known && self.posts[at(post)].is_nothing() && self.columns.free_post(post) {
            self.posts[at(post)] = Post::default();
            self.unname_user(facts.author);
        }
    }

    /// Gives a label's id back if no tag carries it.
    pub(super) fn drop_label(&mut self, label: u32) {
        if self.labels[at(label)].tags == 0 && self.columns.free_label(label) {
            self.labels[at(label)] = LabelBody::default();
        }
    }

    pub(super) fn unname_user(&mut self, user: u32) {
        self.users[at(user)].named -= 1;
        self.drop_user(user);
    }

    pub(super) fn unname_post(&mut self, post: u32) {
        self.posts[at(post)].named -= 1;
        self.drop_post(post);
    }

    /// Counts what a post's row names.
    pub(super) fn name_posts(&mut self, parent: &Parent, rare: Option<&Rare>) {
        named(parent, rare).for_each(|post| self.posts[at(post)].named += 1);
    }

    /// Takes back what [`name_posts`](Self::name_posts) counted.
    pub(super) fn unname_posts(&mut self, parent: &Parent, rare: Option<&Rare>) {
        named(parent, rare).for_each(|post| self.unname_post(post));
    }
}

/// The posts that a post's row names: its parent and the items of a collection.
fn named(parent: &Parent, rare: Option<&Rare>) -> impl Iterator<Item = u32> {
    let parent = match parent {
        Parent::Post(post) => Some(*post),
        _ => None,
    };
    parent.into_iter().chain(rare.into_iter().flat_map(|rare| rare.items.iter().copied()))
}

impl User {
    fn is_nothing(&self) -> bool {
        let follows = self.following.len() + self.followers.len() + self.mutes.len();
        self.row.is_none()
            && self.homeserver.is_none()
            && self.trust == 0.0
            && follows == 0
            && self.tags.is_empty()
            && self.tagged == 0
            && self.bookmarks.is_none()
            && self.named == 0
    }
}

impl Post {
    fn is_nothing(&self) -> bool {
        self.ties.is_none() && self.tags.is_empty() && self.named == 0
    }
}
