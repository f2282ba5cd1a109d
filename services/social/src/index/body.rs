//! What is kept of each user, post and label beyond the facts that orders look at.

use super::{groups::Groups, links::Links, shelves::Shelves, sorted::Sorted, starters::Starters};
use crate::{
    query::Order,
    row::{ContentHash, UserRow},
};
use hashbrown::HashMap;
use nexus_pubky::{HashId, PubkyId};
use roaring::RoaringBitmap;
use std::{collections::BTreeSet, sync::Arc};

/// A user.
#[derive(Clone, Debug, Default)]
pub(super) struct User {
    pub(super) row: Option<Box<UserRow>>,
    pub(super) homeserver: Option<Arc<str>>,
    pub(super) trust: f64,
    pub(super) following: Links,
    pub(super) followers: Links,
    pub(super) mutes: Links,
    pub(super) friends: u32,
    /// Tags placed on posts and users.
    pub(super) tagged: u32,
    pub(super) collections: u32,
    /// Labels on the profile.
    pub(super) tags: Groups,
    /// Posts that are not replies, by time.
    pub(super) roots: Sorted<u32>,
    /// Replies, by time.
    pub(super) replies: Sorted<u32>,
    /// Posts that are not replies, by engagement.
    pub(super) engaging: Sorted<u32>,
    /// Own posts that carry a label, known or not.
    pub(super) labelled: Sorted<Labelled>,
    /// Tags placed on posts.
    pub(super) uses: Sorted<Use>,
    /// Tags placed on profiles.
    pub(super) vouched: Sorted<Labelled>,
    pub(super) bookmarks: Option<Box<Bookmarks>>,
    /// How often the user is named where only the other end knows: by posts, mentions, mutes and resources.
    pub(super) named: u32,
}

/// A label on a post or user, in the list of the author or tagger: by label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labelled {
    pub(super) label: u32,
    /// The post or user.
    pub(super) thing: u32,
}

/// The part of a list that is about one label.
pub(super) fn with_label(list: &Sorted<Labelled>, label: u32, order: Order) -> impl Iterator<Item = u32> + '_ {
    let is_before = |entry: &Labelled| match order {
        Order::Ascending => entry.label < label,
        Order::Descending => entry.label <= label,
    };
    let part = list.walk(list.place(is_before), order).take_while(move |entry| entry.label == label);
    part.map(|entry| entry.thing)
}

/// A tag on a post, in its tagger's list: by label, then time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) label: u32,
    /// See [`order_time`].
    pub(super) time: [u32; 2],
    pub(super) post: u32,
}

/// A tag on a post, in the log of all of them: by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tagging {
    /// See [`order_time`].
    pub(super) time: [u32; 2],
    pub(super) post: u32,
    pub(super) label: u32,
    pub(super) tagger: u32,
}

/// A time as two words whose order is that of the times.
pub(super) const fn order_time(time: i64) -> [u32; 2] {
    super::links::split(time ^ i64::MIN)
}

/// The time that [`order_time`] took apart.
pub(super) const fn time_of(words: [u32; 2]) -> i64 {
    super::links::join(words) ^ i64::MIN
}

/// What a user keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Bookmarks {
    /// Posts, by the time of the bookmark.
    pub(super) list: Links,
    /// Each one's record and time.
    pub(super) records: HashMap<u32, (HashId, i64)>,
    /// How many of them are collections.
    pub(super) collections: u32,
}

/// Somebody who keeps a post, in the list of all of them: by post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Keeper {
    pub(super) post: u32,
    pub(super) user: u32,
}

/// A post.
#[derive(Clone, Debug, Default)]
pub(super) struct Post {
    pub(super) content: Box<str>,
    pub(super) parent: Parent,
    pub(super) hash: Option<ContentHash>,
    pub(super) rare: Option<Box<Rare>>,
    pub(super) ties: Option<Box<Ties>>,
    pub(super) tags: Groups,
    /// How often the post is named where only the other end knows: by bookmarks, collections and URIs of parents.
    pub(super) named: u32,
}

/// The URI that a post replies to.
#[derive(Clone, Debug, Default)]
pub(super) enum Parent {
    /// It is not a reply.
    #[default]
    None,
    /// The canonical URI of this post.
    Post(u32),
    /// Any other text.
    Other(Box<str>),
}

/// What few posts have.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub(super) attachments: Box<[Box<str>]>,
    pub(super) lock: Option<Box<str>>,
    /// The items of a collection.
    pub(super) items: Box<[u32]>,
}

/// Edges of a post to and from other posts and users.
#[derive(Clone, Debug, Default)]
pub(super) struct Ties {
    /// What it answers.
    pub(super) replied: Links,
    /// What it embeds.
    pub(super) reposted: Links,
    /// Whom it names.
    pub(super) mentioned: Links,
    /// What answers it.
    pub(super) replies: Links,
    /// What embeds it.
    pub(super) reposts: Links,
}

impl Ties {
    pub(super) fn is_empty(&self) -> bool {
        let all = [&self.replied, &self.reposted, &self.mentioned, &self.replies, &self.reposts];
        all.into_iter().all(|links| links.len() == 0)
    }
}

impl Post {
    /// A kind of edge, if there are any.
    pub(super) fn tie(&self, kind: impl Fn(&Ties) -> &Links) -> Option<&Links> {
        self.ties.as_deref().map(kind)
    }

    pub(super) fn tie_count(&self, kind: impl Fn(&Ties) -> &Links) -> u32 {
        self.tie(kind).map_or(0, Links::count)
    }
}

/// A label.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelBody {
    /// Tags with it, on anything.
    pub(super) tags: u32,
    /// Posts that carry it.
    pub(super) posts: Shelves,
    /// Who used it on posts, by their latest use.
    pub(super) taggers: Links,
    /// Users whose profile carries it, by number of taggers, then key.
    pub(super) users: BTreeSet<(u32, PubkyId)>,
    /// The same users.
    pub(super) carriers: RoaringBitmap,
    /// Whom it recommends to newcomers.
    pub(super) starters: Starters,
}
