//! The slow, obviously right model of the index: maps of rows, and every answer computed from all of them.
//!
//! It exists for tests, here and in the crates that serve the API, and is what [`Index`](nexus_social::index) is
//! compared with. It has no index, no cache and no bound on its work: never put it behind a server.

mod history;
mod posts;
mod read;
mod resources;
mod tags;
mod users;

pub use history::History;

use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, ResourceId};
use nexus_social::{
    effects::{Effects, RowChange},
    query::{Depth, Page, Reach, Relation},
    row::{
        Bookmark, Edge, FileKey, FileRow, HostRow, Label, PostKey, PostRow, ResourceRow, Tag, Target, UserEdge, UserRow,
    },
    store::Stored,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// All rows, by their identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    users: BTreeMap<PubkyId, UserRow>,
    posts: BTreeMap<PostKey, PostRow>,
    files: BTreeMap<FileKey, FileRow>,
    resources: BTreeMap<ResourceId, ResourceRow>,
    hosts: BTreeMap<PubkyId, HostRow>,
    edges: BTreeMap<EdgeKey, Edge>,
    trust: BTreeMap<PubkyId, f64>,
}

/// What makes two edges the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EdgeKey {
    Replied(PostKey, PostKey),
    Reposted(PostKey, PostKey),
    Mentioned(PostKey, PubkyId),
    Follows(PubkyId, PubkyId),
    Mutes(PubkyId, PubkyId),
    Bookmarked(PubkyId, PostKey),
    Tagged(PubkyId, Target, Label, Option<Arc<str>>),
}

impl EdgeKey {
    fn of(edge: &Edge) -> Self {
        match edge {
            Edge::Replied { post, parent, .. } => Self::Replied(*post, *parent),
            Edge::Reposted { post, target, .. } => Self::Reposted(*post, *target),
            Edge::Mentioned { post, user, .. } => Self::Mentioned(*post, *user),
            Edge::Follows(edge) => Self::Follows(edge.from, edge.to),
            Edge::Mutes(edge) => Self::Mutes(edge.from, edge.to),
            Edge::Bookmarked(bookmark) => Self::Bookmarked(bookmark.user, bookmark.post),
            Edge::Tagged(tag) => Self::Tagged(tag.tagger, tag.target, tag.label.clone(), tag.app.clone()),
        }
    }
}

/// When an edge was first handled.
fn edge_time(edge: &Edge) -> Timestamp {
    match edge {
        Edge::Replied { time, .. } | Edge::Reposted { time, .. } | Edge::Mentioned { time, .. } => *time,
        Edge::Follows(edge) | Edge::Mutes(edge) => edge.time,
        Edge::Bookmarked(bookmark) => bookmark.time,
        Edge::Tagged(tag) => tag.time,
    }
}

impl Model {
    /// A model of stored rows, in any order.
    pub fn load(rows: impl IntoIterator<Item = Stored>) -> Self {
        let mut model = Self::default();
        rows.into_iter().for_each(|row| model.insert(row));
        model
    }

    /// Takes one stored row in.
    pub fn insert(&mut self, row: Stored) {
        match row {
            Stored::Host(row) => drop(self.hosts.insert(row.user, row)),
            Stored::User(row) => drop(self.users.insert(row.id, row)),
            Stored::Post(row) => drop(self.posts.insert(row.key, row)),
            Stored::File(row) => drop(self.files.insert(row.key, row)),
            Stored::Resource(row) => drop(self.resources.insert(row.id, row)),
            Stored::Edge(edge) => drop(self.edges.insert(EdgeKey::of(&edge), edge)),
            Stored::Trust(user, trust) => drop(self.trust.insert(user, trust)),
        }
    }

    /// Applies what an event decided.
    pub fn apply(&mut self, effects: &Effects) {
        effects.rows.iter().for_each(|change| self.change(change));
    }

    fn change(&mut self, change: &RowChange) {
        match change {
            RowChange::PutUser(row) => self.insert(Stored::User(row.clone())),
            RowChange::PutPost(row) => self.insert(Stored::Post(row.clone())),
            RowChange::PutFile(row) => self.insert(Stored::File(row.clone())),
            RowChange::PutResource(row) => self.insert(Stored::Resource(row.clone())),
            RowChange::PutEdge(edge) => self.insert(Stored::Edge(edge.clone())),
            RowChange::PutHost(row) => self.insert(Stored::Host(row.clone())),
            RowChange::RemoveUser(id) => drop(self.users.remove(id)),
            RowChange::RemovePost(key) => drop(self.posts.remove(key)),
            RowChange::RemoveFile(key) => drop(self.files.remove(key)),
            RowChange::RemoveResource(id) => drop(self.resources.remove(id)),
            RowChange::RemoveEdge(edge) => drop(self.edges.remove(&EdgeKey::of(edge))),
            RowChange::RemoveHost(user) => drop(self.hosts.remove(user)),
            RowChange::SetTrust(scores) => self.trust = scores.iter().copied().collect(),
        }
    }

    /// Every row, in the order in which [`Store::load`](nexus_social::store::Store::load) gives them.
    pub fn rows(&self) -> Vec<Stored> {
        let mut posts: Vec<_> = self.posts.values().cloned().collect();
        posts.sort_by_key(|post| post.indexed_at);
        let mut edges: Vec<_> = self.edges.values().cloned().collect();
        edges.sort_by_key(edge_time);
        let mut rows: Vec<_> = self.hosts.values().cloned().map(Stored::Host).collect();
        rows.extend(self.users.values().cloned().map(Stored::User));
        rows.extend(posts.into_iter().map(Stored::Post));
        rows.extend(self.files.values().cloned().map(Stored::File));
        rows.extend(self.resources.values().cloned().map(Stored::Resource));
        rows.extend(edges.into_iter().map(Stored::Edge));
        rows.extend(self.trust.iter().map(|(user, trust)| Stored::Trust(*user, *trust)));
        rows
    }

    fn homeserver(&self, user: &PubkyId) -> Option<&str> {
        self.hosts.get(user).map(|row| &*row.homeserver)
    }

    fn follow_edges(&self) -> impl Iterator<Item = &UserEdge> {
        self.edges.values().filter_map(|edge| match edge {
            Edge::Follows(edge) => Some(edge),
            _ => None,
        })
    }

    fn follows(&self, from: &PubkyId, to: &PubkyId) -> bool {
        self.edges.contains_key(&EdgeKey::Follows(*from, *to))
    }

    fn mutes(&self, from: &PubkyId, to: &PubkyId) -> bool {
        self.edges.contains_key(&EdgeKey::Mutes(*from, *to))
    }

    /// True if there is a viewer who mutes the user.
    fn mutes_as(&self, viewer: Option<PubkyId>, user: &PubkyId) -> bool {
        viewer.is_some_and(|viewer| self.mutes(&viewer, user))
    }

    fn bookmarks(&self) -> impl Iterator<Item = &Bookmark> {
        self.edges.values().filter_map(|edge| match edge {
            Edge::Bookmarked(bookmark) => Some(bookmark),
            _ => None,
        })
    }

    fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.edges.values().filter_map(|edge| match edge {
            Edge::Tagged(tag) => Some(tag),
            _ => None,
        })
    }

    fn post_tag_edges(&self) -> impl Iterator<Item = (&Tag, PostKey)> {
        self.tags().filter_map(|tag| match tag.target {
            Target::Post(key) => Some((tag, key)),
            _ => None,
        })
    }

    /// Replies to a post, by the time of the reply.
    fn replies_to(&self, parent: &PostKey) -> Vec<(Timestamp, PostKey)> {
        let replies = self.edges.values().filter_map(|edge| match edge {
            Edge::Replied { post, parent: to, time } if to == parent => Some((*time, *post)),
            _ => None,
        });
        sorted(replies)
    }

    /// Posts that embed a post, by the time they did.
    fn reposts_of(&self, target: &PostKey) -> Vec<(Timestamp, PostKey)> {
        let reposts = self.edges.values().filter_map(|edge| match edge {
            Edge::Reposted { post, target: to, time } if to == target => Some((*time, *post)),
            _ => None,
        });
        sorted(reposts)
    }

    /// A follow list with times, oldest first. A friendship's time is that of the user's own follow.
    fn relation(&self, user: &PubkyId, relation: Relation) -> Vec<(Timestamp, PubkyId)> {
        let edges = self.follow_edges();
        match relation {
            Relation::Followers => sorted(edges.filter(|e| e.to == *user).map(|e| (e.time, e.from))),
            Relation::Following => sorted(edges.filter(|e| e.from == *user).map(|e| (e.time, e.to))),
            Relation::Friends => {
                let mutual = edges.filter(|e| e.from == *user && self.follows(&e.to, user));
                sorted(mutual.map(|e| (e.time, e.to)))
            }
        }
    }

    /// Users within some follow steps, without the user.
    fn within(&self, user: &PubkyId, depth: Depth) -> BTreeSet<PubkyId> {
        let mut seen = BTreeSet::from([*user]);
        for _ in 0..depth.steps() {
            let next: Vec<_> = self.follow_edges().filter(|e| seen.contains(&e.from)).map(|e| e.to).collect();
            seen.extend(next);
        }
        seen.remove(user);
        seen
    }

    /// A set of users around one, without the user.
    fn reach(&self, user: &PubkyId, reach: Reach) -> BTreeSet<PubkyId> {
        let mut set = match reach {
            Reach::Relation(relation) => self.relation(user, relation).into_iter().map(|(_, id)| id).collect(),
            Reach::Wot(depth) => self.within(user, depth),
        };
        set.remove(user);
        set
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.sort();
    items
}

/// A part of a list.
fn paged<T>(items: impl IntoIterator<Item = T>, page: Page) -> Vec<T> {
    items.into_iter().skip(page.skip).take(page.limit).collect()
}
