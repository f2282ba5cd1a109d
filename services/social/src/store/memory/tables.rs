//! The tables of the store in memory: maps, and scans over them. Nothing here is fast, all of it is plain.

use super::super::{EdgeKey, Result, State, Stored, sort_by_time};
use crate::{
    effects::{ChangeRow, Effects, RetryChange, RetryReason, RetryRow, RowChange, SourceLog},
    notification::Notified,
    row::{
        Bookmark, Edge, FileKey, FileRow, HostRow, Label, PostKey, PostRow, ResourceRow, Tag, Target, UserEdge,
        UserRow, UserState,
    },
};
use nexus_model::{Seq, Timestamp};
use nexus_pubky::{HashId, PubkyId, ResourceId};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tables {
    pub(super) users: BTreeMap<PubkyId, UserRow>,
    pub(super) posts: BTreeMap<PostKey, PostRow>,
    pub(super) files: BTreeMap<FileKey, FileRow>,
    pub(super) resources: BTreeMap<ResourceId, ResourceRow>,
    pub(super) hosts: BTreeMap<PubkyId, HostRow>,
    pub(super) edges: BTreeMap<EdgeKey, Edge>,
    pub(super) trust: BTreeMap<PubkyId, f64>,
    pub(super) notifications: BTreeMap<(PubkyId, String), Notified>,
    pub(super) changes: BTreeMap<Seq, ChangeRow>,
    pub(super) last: Seq,
    pub(super) log: Vec<String>,
    pub(super) retries: BTreeMap<Arc<str>, RetryRow>,
    pub(super) dead: Vec<RetryRow>,
    pub(super) cursors: BTreeMap<SourceLog, u64>,
}

impl Tables {
    pub(super) fn apply(&mut self, effects: &Effects) {
        effects.rows.iter().for_each(|row| self.apply_row(row));
        for notified in &effects.notifications {
            self.notifications.insert((notified.receiver, notified.body.key()), notified.clone());
        }
        for change in &effects.changes {
            self.last = self.last.next();
            self.changes.insert(self.last, change.clone());
        }
        self.log.extend(effects.log.iter().cloned());
        effects.retries.iter().for_each(|change| self.apply_retry(change));
        self.cursors.extend(effects.cursors.iter().map(|c| (c.log.clone(), c.cursor)));
    }

    fn apply_row(&mut self, change: &RowChange) {
        match change {
            RowChange::PutUser(row) => drop(self.users.insert(row.id, row.clone())),
            RowChange::RemoveUser(id) => drop(self.users.remove(id)),
            RowChange::PutPost(row) => drop(self.posts.insert(row.key, row.clone())),
            RowChange::RemovePost(key) => drop(self.posts.remove(key)),
            RowChange::PutFile(row) => drop(self.files.insert(row.key, row.clone())),
            RowChange::RemoveFile(key) => drop(self.files.remove(key)),
            RowChange::PutResource(row) => drop(self.resources.insert(row.id, row.clone())),
            RowChange::RemoveResource(id) => drop(self.resources.remove(id)),
            RowChange::PutEdge(edge) => drop(self.edges.insert(edge.key(), edge.clone())),
            RowChange::RemoveEdge(edge) => drop(self.edges.remove(&edge.key())),
            RowChange::PutHost(row) => drop(self.hosts.insert(row.user, row.clone())),
            RowChange::RemoveHost(user) => drop(self.hosts.remove(user)),
            RowChange::SetTrust(scores) => self.trust = scores.iter().copied().collect(),
        }
    }

    fn apply_retry(&mut self, change: &RetryChange) {
        match change {
            RetryChange::Put(row) => drop(self.retries.insert(Arc::clone(&row.uri), row.clone())),
            RetryChange::Remove(uri) => drop(self.retries.remove(uri)),
            RetryChange::Bury(row) => {
                self.retries.remove(&row.uri);
                self.dead.retain(|dead| dead.uri != row.uri);
                self.dead.push(row.clone());
            }
            RetryChange::Release { on, due } => {
                let waiting = self.retries.values_mut().filter(|row| waits_for(row, on));
                waiting.for_each(|row| row.due = *due);
            }
            RetryChange::Revive { uri, due } => {
                let chosen = |row: &mut RetryRow| uri.as_ref().is_none_or(|uri| row.uri == *uri);
                for row in self.dead.extract_if(.., chosen) {
                    let revived = RetryRow { attempts: 0, due: *due, ..row };
                    self.retries.entry(Arc::clone(&revived.uri)).or_insert(revived);
                }
            }
        }
    }

    pub(super) fn load(&self, sink: &mut dyn FnMut(Stored)) {
        self.hosts.values().for_each(|row| sink(Stored::Host(row.clone())));
        self.users.values().for_each(|row| sink(Stored::User(row.clone())));
        let mut posts: Vec<_> = self.posts.values().collect();
        posts.sort_by_key(|row| row.indexed_at);
        posts.into_iter().for_each(|row| sink(Stored::Post(row.clone())));
        self.files.values().for_each(|row| sink(Stored::File(row.clone())));
        self.resources.values().for_each(|row| sink(Stored::Resource(row.clone())));
        let mut edges: Vec<_> = self.edges.values().cloned().collect();
        sort_by_time(&mut edges);
        edges.into_iter().for_each(|edge| sink(Stored::Edge(edge)));
        self.trust.iter().for_each(|(user, score)| sink(Stored::Trust(*user, *score)));
    }

    pub(super) fn retries_by_due(&self) -> Vec<RetryRow> {
        let mut rows: Vec<_> = self.retries.values().cloned().collect();
        rows.sort_by(|a, b| (a.due, &a.uri).cmp(&(b.due, &b.uri)));
        rows
    }

    pub(super) fn unresolved(&self, before: Timestamp) -> impl Iterator<Item = PubkyId> {
        let live = self.users.values().filter(|user| user.state != UserState::Deleted).map(|user| user.id);
        live.filter(move |id| self.hosts.get(id).is_none_or(|host| host.resolved_at < before))
    }

    fn edges_where(&self, chosen: impl Fn(&Edge) -> bool) -> Vec<Edge> {
        let mut edges: Vec<_> = self.edges.values().filter(|edge| chosen(edge)).cloned().collect();
        sort_by_time(&mut edges);
        edges
    }

    fn tags_where(&self, chosen: impl Fn(&Tag) -> bool) -> impl Iterator<Item = Tag> {
        let found = self.edges_where(|edge| matches!(edge, Edge::Tagged(tag) if chosen(tag)));
        found.into_iter().filter_map(|edge| if let Edge::Tagged(tag) = edge { Some(tag) } else { None })
    }

    fn tag_where(&self, chosen: impl Fn(&Tag) -> bool) -> Option<Tag> {
        self.tags_where(chosen).next()
    }

    pub(super) fn tag_of_any_app(&self, tagger: &PubkyId, id: &HashId) -> Option<Tag> {
        let tags = self.tags_where(|tag| tag.tagger == *tagger && tag.id == *id);
        tags.min_by(|a, b| a.app.cmp(&b.app))
    }
}

fn waits_for(row: &RetryRow, uri: &str) -> bool {
    matches!(&row.reason, RetryReason::Dependency(on) if **on == *uri)
}

fn names_user(edge: &Edge, id: &PubkyId) -> bool {
    match edge {
        Edge::Replied { post, parent: other, .. } | Edge::Reposted { post, target: other, .. } => {
            post.author == *id || other.author == *id
        }
        Edge::Mentioned { post, user, .. } => post.author == *id || user == id,
        Edge::Follows(edge) | Edge::Mutes(edge) => edge.from == *id || edge.to == *id,
        Edge::Bookmarked(bookmark) => bookmark.user == *id || bookmark.post.author == *id,
        Edge::Tagged(tag) => {
            let about = match tag.target {
                Target::User(user) => user == *id,
                Target::Post(post) => post.author == *id,
                Target::Resource(_) => false,
            };
            tag.tagger == *id || about
        }
    }
}

impl State for Tables {
    fn user(&self, id: &PubkyId) -> Result<Option<UserRow>> {
        Ok(self.users.get(id).cloned())
    }

    fn is_referenced(&self, id: &PubkyId) -> Result<bool> {
        let owns = self.hosts.contains_key(id)
            || self.posts.keys().any(|key| key.author == *id)
            || self.files.keys().any(|key| key.owner == *id);
        Ok(owns || self.edges.values().any(|edge| names_user(edge, id)))
    }

    fn post(&self, key: &PostKey) -> Result<Option<PostRow>> {
        Ok(self.posts.get(key).cloned())
    }

    fn file(&self, key: &FileKey) -> Result<Option<FileRow>> {
        Ok(self.files.get(key).cloned())
    }

    fn resource(&self, id: &ResourceId) -> Result<Option<ResourceRow>> {
        Ok(self.resources.get(id).cloned())
    }

    fn host(&self, user: &PubkyId) -> Result<Option<HostRow>> {
        Ok(self.hosts.get(user).cloned())
    }

    fn follow(&self, from: &PubkyId, to: &PubkyId) -> Result<Option<UserEdge>> {
        let found = self.edges.get(&EdgeKey::Follows(*from, *to));
        Ok(found.and_then(|edge| if let Edge::Follows(edge) = edge { Some(*edge) } else { None }))
    }

    fn mute(&self, from: &PubkyId, to: &PubkyId) -> Result<Option<UserEdge>> {
        let found = self.edges.get(&EdgeKey::Mutes(*from, *to));
        Ok(found.and_then(|edge| if let Edge::Mutes(edge) = edge { Some(*edge) } else { None }))
    }

    fn bookmark(&self, user: &PubkyId, post: &PostKey) -> Result<Option<Bookmark>> {
        let found = self.edges.get(&EdgeKey::Bookmarked(*user, *post));
        Ok(found.and_then(|edge| if let Edge::Bookmarked(bookmark) = edge { Some(*bookmark) } else { None }))
    }

    fn bookmark_by_id(&self, user: &PubkyId, id: &HashId) -> Result<Option<Bookmark>> {
        let mut bookmarks =
            self.edges.values().filter_map(|edge| if let Edge::Bookmarked(b) = edge { Some(*b) } else { None });
        Ok(bookmarks.find(|b| b.user == *user && b.id == *id))
    }

    fn tag(&self, tagger: &PubkyId, app: Option<&str>, id: &HashId) -> Result<Option<Tag>> {
        Ok(self.tag_where(|tag| tag.tagger == *tagger && tag.app.as_deref() == app && tag.id == *id))
    }

    fn tag_on(&self, tagger: &PubkyId, target: &Target, label: &Label, app: Option<&str>) -> Result<Option<Tag>> {
        let key = EdgeKey::Tagged(*tagger, *target, label.clone(), app.map(Into::into));
        Ok(self.edges.get(&key).and_then(|edge| if let Edge::Tagged(tag) = edge { Some(tag.clone()) } else { None }))
    }

    fn other_tag(&self, tag: &Tag) -> Result<Option<Tag>> {
        let key = Edge::Tagged(tag.clone()).key();
        Ok(self.tag_where(|other| other.target == tag.target && Edge::Tagged(other.clone()).key() != key))
    }

    fn edges_from_post(&self, key: &PostKey) -> Result<Vec<Edge>> {
        Ok(self.edges_where(|edge| match edge {
            Edge::Replied { post, .. } | Edge::Reposted { post, .. } | Edge::Mentioned { post, .. } => post == key,
            _ => false,
        }))
    }

    fn edges_to_post(&self, key: &PostKey) -> Result<Vec<Edge>> {
        Ok(self.edges_where(|edge| match edge {
            Edge::Replied { parent: post, .. } | Edge::Reposted { target: post, .. } => post == key,
            Edge::Bookmarked(bookmark) => bookmark.post == *key,
            Edge::Tagged(tag) => tag.target == Target::Post(*key),
            _ => false,
        }))
    }

    fn notification(&self, receiver: &PubkyId, key: &str) -> Result<Option<Notified>> {
        Ok(self.notifications.get(&(*receiver, key.to_owned())).cloned())
    }

    fn retry(&self, uri: &str) -> Result<Option<RetryRow>> {
        Ok(self.retries.get(uri).cloned())
    }

    fn waiting_for(&self, uri: &str, limit: usize) -> Result<Vec<RetryRow>> {
        Ok(self.retries_by_due().into_iter().filter(|row| waits_for(row, uri)).take(limit).collect())
    }

    fn cursor(&self, log: &SourceLog) -> Result<Option<u64>> {
        Ok(self.cursors.get(log).copied())
    }
}
