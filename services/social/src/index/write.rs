//! Users, posts and homeservers as they come, change and go.

use super::{
    Index,
    body::{Parent, Rare},
    columns::{at, kind_slot},
    people::KeyText,
    ranks::step,
};
use crate::row::{HostRow, PostKey, PostKind, PostRow, UserRow, UserState};
use nexus_pubky::{PubkyId, TimestampId, collection_items};

impl Index {
    pub(super) fn put_user(&mut self, row: &UserRow) {
        let user = self.user_slot(&row.id);
        self.unlist_user(user);
        if row.state == UserState::Active {
            self.names.entry(row.profile.name.to_lowercase().into()).or_default().insert(row.id);
            self.keys.insert(KeyText(row.id));
        }
        self.users[at(user)].row = Some(Box::new(row.clone()));
        self.restand(user, |standing| standing.shown = row.state != UserState::Deleted);
    }

    pub(super) fn remove_user(&mut self, id: &PubkyId) {
        let Some(user) = self.columns.user(id) else { return };
        self.unlist_user(user);
        self.users[at(user)].row = None;
        self.restand(user, |standing| standing.shown = false);
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
        }
    }

    /// Replaces every trust score.
    pub(super) fn set_trust(&mut self, scores: &[(PubkyId, f64)]) {
        self.users.iter_mut().for_each(|user| user.trust = 0.0);
        for (id, trust) in scores {
            let user = self.user_slot(id);
            self.users[at(user)].trust = *trust;
        }
    }

    pub(super) fn put_post(&mut self, row: &PostRow) {
        let post = self.post_slot(&row.key);
        let parent = self.parent_of(row.parent.as_deref());
        let rare = self.rare_of(row);
        let body = &mut self.posts[at(post)];
        if *body.content != *row.content {
            body.content = row.content.as_str().into();
        }
        (body.parent, body.hash, body.rare) = (parent, row.hash, rare);
        self.count_collection(post, &row.kind);
        self.reface(post, |facts| {
            facts.kind = kind_slot(&row.kind);
            facts.is_reply = row.parent.is_some();
            facts.time = row.indexed_at.millis();
            facts.known = true;
        });
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
    }

    pub(super) fn remove_post(&mut self, key: &PostKey) {
        let Some(post) = self.columns.post(key) else { return };
        self.count_collection(post, &PostKind::Unknown);
        let body = &mut self.posts[at(post)];
        (body.content, body.parent, body.hash, body.rare) = Default::default();
        self.reface(post, |facts| facts.known = false);
    }
}

/// The post whose canonical URI this is.
pub(super) fn canonical_post(uri: &str) -> Option<PostKey> {
    let (author, id) = uri.strip_prefix("pubky://")?.split_once("/pub/pubky.app/posts/")?;
    Some(PostKey { author: PubkyId::from_stored(author).ok()?, id: id.parse::<TimestampId>().ok()? })
}
