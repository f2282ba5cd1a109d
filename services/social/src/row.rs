//! What is stored and can't be derived: objects, edges between them, and where users live. Everything else
//! that the API shows is an index over these rows.

use nexus_model::Timestamp;
use nexus_pubky::{HashId, PubkyId, ResourceId, TimestampId};
use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, sync::Arc};

pub use pubky_app_specs::PubkyAppPostKind as PostKind;

/// A post's identity. Ids alone are not unique: two authors can hold the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostKey {
    /// Who wrote it.
    pub author: PubkyId,
    /// Its id among the author's posts.
    pub id: TimestampId,
}

impl PostKey {
    /// The post's canonical URI.
    pub fn uri(&self) -> String {
        format!("pubky://{}/pub/pubky.app/posts/{}", self.author, self.id)
    }
}

/// `author:id`, as lists and clients write it.
impl FileKey {
    /// The file's canonical URI.
    pub fn uri(&self) -> String {
        format!("pubky://{}/pub/pubky.app/files/{}", self.owner, self.id)
    }
}

/// The canonical URI of a user: that of their profile.
pub fn user_uri(id: &PubkyId) -> String {
    format!("pubky://{id}/pub/pubky.app/profile.json")
}

impl fmt::Display for PostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.author, self.id)
    }
}

/// A file's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    /// Who owns it.
    pub owner: PubkyId,
    /// Its id among the owner's files.
    pub id: TimestampId,
}

/// A tag's label: trimmed, lower case, 1 to 20 characters without whitespace, comma or colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(Arc<str>);

impl Label {
    /// Takes text that the schema has already sanitised and checked.
    pub fn from_valid(text: &str) -> Self {
        Self(text.into())
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Label {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// BLAKE3 over the bytes of a record as its homeserver served them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// A user, in one of three states.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRow {
    /// The key.
    pub id: PubkyId,
    /// Whether there is a profile behind it.
    pub state: UserState,
    /// What the profile says. A stub's name is its key, a deleted user's `[DELETED]`.
    pub profile: Profile,
    /// When the profile was last handled.
    pub indexed_at: Timestamp,
    /// Hash of the profile's bytes.
    pub hash: Option<ContentHash>,
}

/// What is known of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserState {
    /// Seen only as somebody's target so far; can be read, not found by search.
    Stub,
    /// Has a profile.
    Active,
    /// Deleted the profile while others still point at it.
    Deleted,
}

/// The text of a profile. Limits are those of `pubky-app-specs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Display name.
    pub name: String,
    /// A few lines about the user.
    pub bio: Option<String>,
    /// URL of the picture, in practice a file's URI.
    pub image: Option<String>,
    /// Titled links.
    pub links: Option<Vec<ProfileLink>>,
    /// A short status.
    pub status: Option<String>,
}

/// A titled link in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PubkyAppUserLink)]
pub struct ProfileLink {
    /// What to show.
    pub title: String,
    /// Where it leads.
    pub url: String,
}

/// A post, or the tombstone of one.
#[derive(Clone, Debug, PartialEq)]
pub struct PostRow {
    /// Author and id.
    pub key: PostKey,
    /// Text, or JSON for a collection; `[DELETED]` for a tombstone.
    pub content: String,
    /// What it is.
    pub kind: PostKind,
    /// The URI it replies to, as its author wrote it. Kept by a tombstone.
    pub parent: Option<String>,
    /// What it embeds, as its author wrote it.
    pub embed: Option<Embed>,
    /// URIs of attached files.
    pub attachments: Option<Vec<String>>,
    /// URL of what unlocks it.
    pub lock: Option<String>,
    /// When it was first handled. Edits keep it.
    pub indexed_at: Timestamp,
    /// True for a tombstone.
    pub deleted: bool,
    /// Hash of the post's bytes.
    pub hash: Option<ContentHash>,
}

impl PostRow {
    /// A post that is only a text.
    pub const fn of_text(key: PostKey, kind: PostKind, content: String, indexed_at: Timestamp) -> Self {
        Self {
            key,
            content,
            kind,
            parent: None,
            embed: None,
            attachments: None,
            lock: None,
            indexed_at,
            deleted: false,
            hash: None,
        }
    }
}

/// What a post embeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Embed {
    /// The kind that the author claims for it.
    pub kind: PostKind,
    /// Where it is.
    pub uri: String,
}

/// A file's description. The bytes of its `main` variant are in the blob store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Owner and id.
    pub key: FileKey,
    /// File name, for downloads.
    pub name: String,
    /// The client's time, in microseconds.
    pub created_at: i64,
    /// The URI of the blob it was read from.
    pub src: String,
    /// Media type.
    pub content_type: String,
    /// Size in bytes, as the owner states it.
    pub size: u64,
    /// When it was handled.
    pub indexed_at: Timestamp,
    /// Hash of the description's bytes.
    pub hash: Option<ContentHash>,
}

/// Something outside the Pubky graph that universal tags point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRow {
    /// Derived from `uri`.
    pub id: ResourceId,
    /// The URI in its normal form.
    pub uri: String,
    /// When its first remaining tag was handled.
    pub indexed_at: Timestamp,
}

/// Where a user lives, as far as pkarr or the primary homeserver's log has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRow {
    /// The user.
    pub user: PubkyId,
    /// The homeserver's key, or its base URL when it was configured without a key.
    pub homeserver: Arc<str>,
    /// When the mapping was last confirmed.
    pub resolved_at: Timestamp,
    /// True when the last resolution disagreed or found nothing.
    pub stale: bool,
}

/// What a tag points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A profile.
    User(PubkyId),
    /// A post.
    Post(PostKey),
    /// Anything else that has a URI.
    Resource(ResourceId),
}

/// A directed relation. A post has at most one `Replied` and one `Reposted` edge of its own; what it points at
/// may be gone. `time` is always the indexer's clock when the edge was first handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edge {
    /// `post` answers `parent`.
    Replied {
        /// The reply.
        post: PostKey,
        /// What it answers.
        parent: PostKey,
        /// When.
        time: Timestamp,
    },
    /// `post` embeds `target`.
    Reposted {
        /// The repost.
        post: PostKey,
        /// What it embeds.
        target: PostKey,
        /// When.
        time: Timestamp,
    },
    /// `post` names `user` in its text.
    Mentioned {
        /// The post.
        post: PostKey,
        /// Who is named.
        user: PubkyId,
        /// When.
        time: Timestamp,
    },
    /// `from` follows `to`.
    Follows(UserEdge),
    /// `from` mutes `to`.
    Mutes(UserEdge),
    /// A user keeps a post.
    Bookmarked(Bookmark),
    /// A user puts a label on something.
    Tagged(Tag),
}

/// A relation between two users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserEdge {
    /// Whose record it is.
    pub from: PubkyId,
    /// Whom it is about.
    pub to: PubkyId,
    /// When it was handled.
    pub time: Timestamp,
    /// The client's time, in microseconds.
    pub created_at: i64,
}

/// A bookmark. There is one for each (user, post); a repeat overwrites id and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// Who keeps it.
    pub user: PubkyId,
    /// What is kept.
    pub post: PostKey,
    /// The record's id.
    pub id: HashId,
    /// When it was handled.
    pub time: Timestamp,
    /// The client's time, in microseconds.
    pub created_at: i64,
}

impl Bookmark {
    /// The record's URI.
    pub fn uri(&self) -> String {
        format!("pubky://{}/pub/pubky.app/bookmarks/{}", self.user, self.id)
    }
}

/// A tag. There is one for each (tagger, target, label, app); the app is kept for resources only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Who tagged.
    pub tagger: PubkyId,
    /// The folder of another app that holds the record, kept for resources only.
    pub app: Option<Arc<str>>,
    /// The record's id.
    pub id: HashId,
    /// What is tagged.
    pub target: Target,
    /// The label.
    pub label: Label,
    /// When it was handled.
    pub time: Timestamp,
    /// The client's time, in microseconds.
    pub created_at: i64,
}

impl Edge {
    /// When it was handled.
    pub const fn time(&self) -> Timestamp {
        match self {
            Self::Replied { time, .. } | Self::Reposted { time, .. } | Self::Mentioned { time, .. } => *time,
            Self::Follows(edge) | Self::Mutes(edge) => edge.time,
            Self::Bookmarked(bookmark) => bookmark.time,
            Self::Tagged(tag) => tag.time,
        }
    }
}

impl Tag {
    /// The record's URI.
    pub fn uri(&self) -> String {
        let app = self.app.as_deref().unwrap_or("pubky.app");
        format!("pubky://{}/pub/{app}/tags/{}", self.tagger, self.id)
    }
}
