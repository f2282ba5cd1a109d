//! What is kept of each user, post and label beyond the facts that orders look at.

use super::{links::Links, sorted::Sorted};
use crate::row::{ContentHash, UserRow};
use hashbrown::HashMap;
use nexus_pubky::HashId;
use std::sync::Arc;

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
    /// Tags placed on posts.
    pub(super) uses: Sorted<Use>,
    pub(super) bookmarks: Option<Box<Bookmarks>>,
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
}

/// The labels on something, by dense id.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups(pub(super) Vec<Group>);

/// One label on something, and who put it there.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) label: u32,
    pub(super) taggers: Links,
}

impl Groups {
    pub(super) fn get(&self, label: u32) -> Option<&Group> {
        let found = self.0.binary_search_by_key(&label, |group| group.label).ok()?;
        self.0.get(found)
    }

    /// The taggers of a label, which is added if it isn't there.
    pub(super) fn entry(&mut self, label: u32) -> &mut Links {
        let place = self.0.binary_search_by_key(&label, |group| group.label).unwrap_or_else(|place| {
            self.0.insert(place, Group { label, taggers: Links::default() });
            place
        });
        &mut self.0[place].taggers
    }

    /// Takes a label out.
    pub(super) fn remove(&mut self, label: u32) {
        if let Ok(found) = self.0.binary_search_by_key(&label, |group| group.label) {
            self.0.remove(found);
        }
    }

    /// The number of distinct labels.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The number of tags.
    pub(super) fn tags(&self) -> u32 {
        self.0.iter().map(|group| group.taggers.count()).sum()
    }
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
    /// Posts that carry it, by the time of the post.
    pub(super) posts: Sorted<u32>,
    /// Who used it on posts, by their latest use.
    pub(super) taggers: Links,
    /// Users whose profile carries it, by number of taggers, then key.
    pub(super) users: std::collections::BTreeSet<(u32, nexus_pubky::PubkyId)>,
}
