//! The index: every question of the API answered from memory, kept up to date by the effects of each event.
//!
//! Users, posts and labels have dense ids; what orders look at lies in columns, everything else in bodies
//! beside them. Lists are kept in order, so that a page costs what it shows and not what is stored, and a
//! change costs what it touches. It is pure: no clock, no I/O, nothing stored. It can be thrown away and
//! built again from rows, and a test over random histories says that the result is the same.
//!
//! It will not decide anything: effects come from `decide`, and an edge is trusted to be given exactly.

mod bits;
mod body;
mod columns;
mod crowd;
mod groups;
mod hot;
mod hot_around;
mod hydrate;
mod labels;
mod links;
mod load;
mod order;
mod people;
mod published;
mod ranks;
mod reach;
mod read;
mod resources;
mod rungs;
mod shelves;
mod slots;
mod sorted;
mod starters;
mod stream;
mod taggings;
mod ties;
mod write;

pub use load::Loader;
pub use published::Published;
pub use slots::Slots;

use crate::{
    effects::{Effects, RowChange},
    row::{Edge, FileKey, FileRow, Label},
};
use body::{Keeper, LabelBody, Post, User};
use columns::Columns;
use hashbrown::HashMap;
use nexus_pubky::PubkyId;
use ranks::Ranks;
use resources::Resources;
use roaring::RoaringBitmap;
use sorted::Sorted;
use std::collections::{BTreeMap, BTreeSet};

/// How long the index looks for a cheap way to an answer before it takes another one. Answers don't depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Links that may be followed to name everybody around a user; beyond that users are tested one by one.
    pub find_users: usize,
    /// Posts that are looked at before a set of authors is named.
    pub trial: usize,
    /// Entries of a list that are always read before another list is tried.
    pub patience: usize,
    /// How many times the length of that other list are read before.
    pub persistence: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { find_users: 1024, trial: 256, patience: 2048, persistence: 4 }
    }
}

/// The social network, ready to be asked. Ask it through [`Read`](crate::read::Read).
#[derive(Clone, Debug, Default)]
pub struct Index {
    columns: Columns,
    users: Vec<User>,
    posts: Vec<Post>,
    labels: Vec<LabelBody>,
    resources: Resources,
    files: HashMap<FileKey, Box<FileRow>>,
    ranks: Ranks,
    effort: Effort,
    /// Known posts that are collections.
    collections: RoaringBitmap,
    /// Who keeps each post.
    keepers: Sorted<Keeper>,
    /// Active users by lower-case name.
    names: BTreeMap<Box<str>, BTreeSet<PubkyId>>,
    /// Active users by key.
    keys: BTreeSet<people::KeyText>,
    /// Labels that some tag carries.
    in_use: BTreeSet<Label>,
}

impl Index {
    /// The same index with another effort.
    pub fn with_effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// A file as it is stored.
    pub fn file_row(&self, key: &FileKey) -> Option<&FileRow> {
        self.files.get(key).map(|row| &**row)
    }

    /// Applies what an event decided. Doing so twice changes nothing more.
    pub fn apply(&mut self, effects: &Effects) {
        effects.rows.iter().for_each(|change| self.change(change));
    }

    fn change(&mut self, change: &RowChange) {
        match change {
            RowChange::PutUser(row) => self.put_user(row),
            RowChange::RemoveUser(id) => self.remove_user(id),
            RowChange::PutPost(row) => self.put_post(row),
            RowChange::RemovePost(key) => self.remove_post(key),
            RowChange::PutFile(row) => {
                self.files.insert(row.key, Box::new(row.clone()));
            }
            RowChange::RemoveFile(key) => {
                self.files.remove(key);
            }
            RowChange::PutResource(row) => self.resources.put(row),
            RowChange::RemoveResource(id) => self.resources.remove(id),
            RowChange::PutEdge(edge) => self.put_edge(edge),
            RowChange::RemoveEdge(edge) => self.remove_edge(edge),
            RowChange::PutHost(row) => self.put_host(row),
            RowChange::RemoveHost(user) => self.remove_host(user),
            RowChange::SetTrust(scores) => self.set_trust(scores),
        }
    }

    fn put_edge(&mut self, edge: &Edge) {
        match edge {
            Edge::Replied { post, parent, time } => self.put_reply(post, parent, time.millis()),
            Edge::Reposted { post, target, time } => self.put_repost(post, target, time.millis()),
            Edge::Mentioned { post, user, time } => self.put_mention(post, user, time.millis()),
            Edge::Follows(edge) => self.put_follow(edge),
            Edge::Mutes(edge) => self.put_mute(edge),
            Edge::Bookmarked(bookmark) => self.put_bookmark(bookmark),
            Edge::Tagged(tag) => self.put_tag(tag),
        }
    }

    fn remove_edge(&mut self, edge: &Edge) {
        match edge {
            Edge::Replied { post, parent, time } => self.remove_reply(post, parent, time.millis()),
            Edge::Reposted { post, target, time } => self.remove_repost(post, target, time.millis()),
            Edge::Mentioned { post, user, time } => self.remove_mention(post, user, time.millis()),
            Edge::Follows(edge) => self.remove_follow(edge),
            Edge::Mutes(edge) => self.remove_mute(edge),
            Edge::Bookmarked(bookmark) => self.remove_bookmark(bookmark),
            Edge::Tagged(tag) => self.remove_tag(tag),
        }
    }
}
