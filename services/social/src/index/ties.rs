//! Edges between posts and users: replies, reposts, mentions, follows, mutes and bookmarks.

use super::{
    Index,
    body::{Keeper, Post, Ties},
    columns::at,
    links::{Link, Links},
};
use crate::row::{Bookmark, PostKey, UserEdge};
use nexus_pubky::PubkyId;

/// One end of an edge between posts: which list of the post's.
pub(super) type End = fn(&mut Ties) -> &mut Links;

impl Post {
    fn ties_mut(&mut self) -> &mut Ties {
        self.ties.get_or_insert_default()
    }

    /// Takes something out of the ties, and the ties away once nothing is in them.
    fn untie(&mut self, take: impl FnOnce(&mut Ties) -> Option<Link>) -> Option<Link> {
        let ties = self.ties.as_deref_mut()?;
        let taken = take(ties);
        if ties.is_empty() {
            self.ties = None;
        }
        taken
    }
}

impl Index {
    pub(super) fn put_reply(&mut self, post: &PostKey, parent: &PostKey, time: i64) {
        self.tie(post, parent, time, |ties| &mut ties.replied, |ties| &mut ties.replies);
    }

    pub(super) fn put_repost(&mut self, post: &PostKey, target: &PostKey, time: i64) {
        self.tie(post, target, time, |ties| &mut ties.reposted, |ties| &mut ties.reposts);
    }

    pub(super) fn remove_reply(&mut self, post: &PostKey, parent: &PostKey, time: i64) {
        self.untie(post, parent, time, |ties| &mut ties.replied, |ties| &mut ties.replies);
    }

    pub(super) fn remove_repost(&mut self, post: &PostKey, target: &PostKey, time: i64) {
        self.untie(post, target, time, |ties| &mut ties.reposted, |ties| &mut ties.reposts);
    }

    fn tie(&mut self, from: &PostKey, to: &PostKey, time: i64, out: End, into: End) {
        let (from, to) = (self.post_slot(from), self.post_slot(to));
        if self.link(from, to, time, out, into) {
            self.reface(to, |facts| facts.engagement += 1);
        }
    }

    /// Adds an edge to the lists of both ends. True if it is new.
    pub(super) fn link(&mut self, from: u32, to: u32, time: i64, out: End, into: End) -> bool {
        let columns = &self.columns;
        let order = |a, b| columns.compare_posts(a, b);
        out(self.posts[at(from)].ties_mut()).insert(Link::new(time, to), order);
        into(self.posts[at(to)].ties_mut()).insert(Link::new(time, from), order)
    }

    fn untie(&mut self, from: &PostKey, to: &PostKey, time: i64, out: End, into: End) {
        let (Some(from), Some(to)) = (self.columns.post(from), self.columns.post(to)) else { return };
        let columns = &self.columns;
        let order = |a, b| columns.compare_posts(a, b);
        self.posts[at(from)].untie(|ties| out(ties).remove(Link::new(time, to), order));
        let removed = self.posts[at(to)].untie(|ties| into(ties).remove(Link::new(time, from), order));
        if removed.is_some() {
            self.reface(to, |facts| facts.engagement = facts.engagement.saturating_sub(1));
        }
        self.drop_post(from);
        // A post that answers itself is gone by now.
        if from != to {
            self.drop_post(to);
        }
    }

    pub(super) fn put_mention(&mut self, post: &PostKey, user: &PubkyId, time: i64) {
        let (post, user) = (self.post_slot(post), self.user_slot(user));
        let mentioned = &mut self.posts[at(post)].ties_mut().mentioned;
        if mentioned.insert(Link::new(time, user), |a, b| self.columns.compare_users(a, b)) {
            self.users[at(user)].named += 1;
        }
    }

    pub(super) fn remove_mention(&mut self, post: &PostKey, user: &PubkyId, time: i64) {
        let (Some(post), Some(user)) = (self.columns.post(post), self.columns.user(user)) else { return };
        let order = |a, b| self.columns.compare_users(a, b);
        let removed = self.posts[at(post)].untie(|ties| ties.mentioned.remove(Link::new(time, user), order));
        if removed.is_some() {
            self.unname_user(user);
            self.drop_post(post);
        }
    }

    pub(super) fn put_follow(&mut self, edge: &UserEdge) {
        let (from, to) = (self.user_slot(&edge.from), self.user_slot(&edge.to));
        let (time, columns) = (edge.time.millis(), &self.columns);
        let order = |a, b| columns.compare_users(a, b);
        self.users[at(to)].followers.insert(Link::new(time, from), order);
        if self.users[at(from)].following.insert(Link::new(time, to), order) {
            if self.users[at(to)].following.contains(from) {
                self.users[at(from)].friends += 1;
                self.users[at(to)].friends += u32::from(from != to);
            }
            self.restand(to, |standing| standing.followers += 1);
        }
    }

    pub(super) fn remove_follow(&mut self, edge: &UserEdge) {
        let (Some(from), Some(to)) = (self.columns.user(&edge.from), self.columns.user(&edge.to)) else { return };
        let (time, columns) = (edge.time.millis(), &self.columns);
        let order = |a, b| columns.compare_users(a, b);
        let mutual = self.users[at(to)].following.contains(from);
        self.users[at(to)].followers.remove(Link::new(time, from), order);
        if self.users[at(from)].following.remove(Link::new(time, to), order).is_some() {
            if mutual {
                self.users[at(from)].friends -= 1;
                self.users[at(to)].friends -= u32::from(from != to);
            }
            self.restand(to, |standing| standing.followers = standing.followers.saturating_sub(1));
            self.drop_user(from);
            if from != to {
                self.drop_user(to);
            }
        }
    }

    pub(super) fn put_mute(&mut self, edge: &UserEdge) {
        let (from, to) = (self.user_slot(&edge.from), self.user_slot(&edge.to));
        let link = Link::new(edge.time.millis(), to);
        if self.users[at(from)].mutes.insert(link, |a, b| self.columns.compare_users(a, b)) {
            self.users[at(to)].named += 1;
        }
    }

    pub(super) fn remove_mute(&mut self, edge: &UserEdge) {
        let (Some(from), Some(to)) = (self.columns.user(&edge.from), self.columns.user(&edge.to)) else { return };
        let link = Link::new(edge.time.millis(), to);
        let removed = self.users[at(from)].mutes.remove(link, |a, b| self.columns.compare_users(a, b));
        if removed.is_some() {
            self.unname_user(to);
            if from != to {
                self.drop_user(from);
            }
        }
    }

    /// A repeat overwrites id and time.
    pub(super) fn put_bookmark(&mut self, bookmark: &Bookmark) {
        let (user, post) = (self.user_slot(&bookmark.user), self.post_slot(&bookmark.post));
        let time = bookmark.time.millis();
        let kept = self.users[at(user)].bookmarks.get_or_insert_default();
        let order = |a, b| self.columns.compare_posts(a, b);
        match kept.records.insert(post, (bookmark.id, time)) {
            Some((_, old)) => {
                kept.list.remove(Link::new(old, post), order);
            }
            None => {
                kept.collections += u32::from(self.collections.contains(post));
                self.posts[at(post)].named += 1;
                let keeper = Keeper { post, user };
                self.keepers.insert(keeper, |other| other.cmp(&keeper));
            }
        }
        kept.list.insert(Link::new(time, post), order);
    }

    pub(super) fn remove_bookmark(&mut self, bookmark: &Bookmark) {
        let (Some(user), Some(post)) = (self.columns.user(&bookmark.user), self.columns.post(&bookmark.post)) else {
            return;
        };
        let bookmarks = &mut self.users[at(user)].bookmarks;
        let Some(kept) = bookmarks else { return };
        let Some((_, time)) = kept.records.remove(&post) else { return };
        kept.list.remove(Link::new(time, post), |a, b| self.columns.compare_posts(a, b));
        kept.collections -= u32::from(self.collections.contains(post));
        self.keepers.remove(|other| other.cmp(&Keeper { post, user }));
        if kept.records.is_empty() {
            *bookmarks = None;
        } else if kept.records.len() * 8 < kept.records.capacity() {
            kept.records.shrink_to(kept.records.len() * 2);
        }
        self.unname_post(post);
        // The post may have been the user's own and the last thing to speak of them.
        if self.columns.user(&bookmark.user) == Some(user) {
            self.drop_user(user);
        }
    }
}
