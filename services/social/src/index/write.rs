//! Users, posts and homeservers as they come, change and go.

use super::{
    Index,
    body::{Parent, Rare},
    columns::{PostFacts, at, kind_slot},
    people::KeyText,
    ranks::step,
    starters::Starters,
};
use crate::{
    query::Order,
    row::{HostRow, PostKey, PostKind, PostRow, UserRow, UserState},
};
use nexus_pubky::{PubkyId, TimestampId, collection_items};

impl Index {
    pub(super) fn put_user(&mut self, row: &UserRow) {
        let user = self.set_user(row);
        self.restand(user, |standing| standing.shown = row.state != UserState::Deleted);
    }

    /// Keeps a user's row, rankings apart.
    pub(super) fn set_user(&mut self, row: &UserRow) -> u32 {
        let user = self.user_slot(&row.id);
        self.unlist_user(user);
        if row.state == UserState::Active {
            self.names.entry(row.profile.name.to_lowercase().into()).or_default().insert(row.id);
            self.keys.insert(KeyText(row.id));
        }
        self.users[at(user)].row = Some(Box::new(row.clone()));
        user
    }

    pub(super) fn remove_user(&mut self, id: &PubkyId) {
        let Some(user) = self.columns.user(id) else { return };
        self.unlist_user(user);
        self.users[at(user)].row = None;
        self.restand(user, |standing| standing.shown = false);
        self.drop_user(user);
    }

    /// Takes a user out of the searches.
    fn unlist_user(&mut self, user: u32) {
        let row = self.users[at(user)].row.as_deref();
        let Some(row) = row.filter(|row| row.state == UserState::Active) else { return };
        let name = row.profile.name.to_lowercase();
        if let Some(bearers) = self.names.get_mut(name.as_str()) {
            bearers.remove(&row.id);
            if bearers.is_empty() {
                self.names.remove(name.as_str());
            }
        }
        self.keys.remove(&KeyText(row.id));
    }

    pub(super) fn put_host(&mut self, row: &HostRow) {
        let user = self.user_slot(&row.user);
        self.users[at(user)].homeserver = Some(row.homeserver.clone());
    }

    pub(super) fn remove_host(&mut self, user: &PubkyId) {
        if let Some(user) = self.columns.user(user) {
            self.users[at(user)].homeserver = None;
            self.drop_user(user);
        }
    }

    /// Replaces every trust score.
    pub(super) fn set_trust(&mut self, scores: &[(PubkyId, f64)]) {
        let mut starters = self.starters_with(scores);
        self.take_trust(scores, &mut starters);
    }

    /// Replaces every trust score, with the starters that follow from them; the old ones are there instead then.
    pub(super) fn take_trust(&mut self, scores: &[(PubkyId, f64)], starters: &mut [Starters]) {
        let scored = (0u32..).zip(&mut self.users).filter(|(_, user)| user.trust != 0.0);
        let mut before: Vec<u32> = scored.map(|(user, body)| (body.trust = 0.0, user).1).collect();
        for (id, trust) in scores.iter().filter(|(_, trust)| *trust != 0.0) {
            let user = self.user_slot(id);
            self.users[at(user)].trust = *trust;
        }
        before.retain(|user| self.users[at(*user)].trust == 0.0);
        before.into_iter().for_each(|user| self.drop_user(user));
        self.exchange_starters(starters);
    }

    pub(super) fn put_post(&mut self, row: &PostRow) {
        let post = self.set_post(row);
        self.reface(post, |facts| describe(facts, row));
    }

    /// Keeps a post's row, lists and rankings apart.
    pub(super) fn set_post(&mut self, row: &PostRow) -> u32 {
        let post = self.post_slot(&row.key);
        let parent = self.parent_of(row.parent.as_deref());
        let rare = self.rare_of(row);
        self.name_posts(&parent, rare.as_deref());
        let body = &mut self.posts[at(post)];
        if *body.content != *row.content {
            body.content = row.content.as_str().into();
        }
        body.hash = row.hash;
        let old = (std::mem::replace(&mut body.parent, parent), std::mem::replace(&mut body.rare, rare));
        self.count_collection(post, &row.kind);
        // The post itself is kept: until it is known, its own name may be all that holds it.
        self.posts[at(post)].named += 1;
        self.unname_posts(&old.0, old.1.as_deref());
        self.posts[at(post)].named -= 1;
        post
    }

    fn parent_of(&mut self, uri: Option<&str>) -> Parent {
        let Some(uri) = uri else { return Parent::None };
        match canonical_post(uri) {
            Some(key) => Parent::Post(self.post_slot(&key)),
            None => Parent::Other(uri.into()),
        }
    }

    fn rare_of(&mut self, row: &PostRow) -> Option<Box<Rare>> {
        let listed = if row.kind == PostKind::Collection { collection_items(&row.content) } else { Vec::new() };
        let items: Box<[u32]> =
            listed.into_iter().map(|(author, id)| self.post_slot(&PostKey { author, id })).collect();
        let attachments: Box<[Box<str>]> = row.attachments.iter().flatten().map(|uri| uri.as_str().into()).collect();
        let lock = row.lock.as_deref().map(Box::from);
        let is_plain = items.is_empty() && attachments.is_empty() && lock.is_none();
        (!is_plain).then(|| Box::new(Rare { attachments, lock, items }))
    }

    fn count_collection(&mut self, post: u32, kind: &PostKind) {
        let facts = &self.columns.posts[at(post)];
        let was = facts.known && facts.kind == kind_slot(&PostKind::Collection);
        let is = *kind == PostKind::Collection;
        let count = &mut self.users[at(facts.author)].collections;
        *count = step(*count, was, is);
        if is {
            self.collections.insert(post);
        } else {
            self.collections.remove(post);
        }
        if was != is {
            self.recount_kept(post, was, is);
        }
    }

    /// Those who keep a post count collections apart.
    fn recount_kept(&mut self, post: u32, was: bool, is: bool) {
        let keepers = self.keepers.walk(self.keepers.place(|other| other.post < post), Order::Ascending);
        for keeper in keepers.take_while(|keeper| keeper.post == post) {
            if let Some(kept) = &mut self.users[at(keeper.user)].bookmarks {
                kept.collections = step(kept.collections, was, is);
            }
        }
    }

    pub(super) fn remove_post(&mut self, key: &PostKey) {
        let Some(post) = self.columns.post(key) else { return };
        self.count_collection(post, &PostKind::Unknown);
        let body = &mut self.posts[at(post)];
        (body.content, body.hash) = Default::default();
        let (parent, rare) = (std::mem::take(&mut body.parent), body.rare.take());
        self.reface(post, |facts| facts.known = false);
        self.unname_posts(&parent, rare.as_deref());
        self.drop_post(post);
    }
}

/// Takes over what lists look at.
pub(super) const fn describe(facts: &mut PostFacts, row: &PostRow) {
    facts.kind = kind_slot(&row.kind);
    facts.is_reply = row.parent.is_some();
    facts.time = row.indexed_at.millis();
    facts.known = true;
}

/// The post whose canonical URI this is.
pub(super) fn canonical_post(uri: &str) -> Option<PostKey> {
    let (author, id) = uri.strip_prefix("pubky://")?.split_once("/pub/pubky.app/posts/")?;
    Some(PostKey { author: PubkyId::from_stored(author).ok()?, id: id.parse::<TimestampId>().ok()? })
}
