//! Records: where they live and what they hold.

use crate::{HashId, PubkyId, TimestampId};
use pubky_app_specs as specs;
use std::fmt;

/// Where an indexed record lives: whose it is, and its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The owner.
    pub user: PubkyId,
    /// The path below the owner's `/pub/`.
    pub path: Path,
}

/// A path that Nexus knows, below `/pub/pubky.app/` unless an app is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// `profile.json`
    Profile,
    /// `posts/<id>`
    Post(TimestampId),
    /// `follows/<key>`
    Follow(PubkyId),
    /// `mutes/<key>`
    Mute(PubkyId),
    /// `bookmarks/<id>`
    Bookmark(HashId),
    /// `tags/<id>`, of `pubky.app` when `app` is `None`, else the universal tag `/pub/<app>/tags/<id>`.
    Tag {
        /// The folder of another app.
        app: Option<Box<str>>,
        /// The tag's id.
        id: HashId,
    },
    /// `files/<id>`
    File(TimestampId),
    /// `feeds/<id>`: known, and passed over.
    Feed(HashId),
    /// `last_read`: known, and passed over.
    LastRead,
    /// `blobs/<id>`: known, and read only when a file names it.
    Blob(HashId),
}

impl Path {
    /// True for records that are read and indexed; the others are known and passed over.
    pub const fn is_indexed(&self) -> bool {
        !matches!(self, Self::Feed(_) | Self::LastRead | Self::Blob(_))
    }

    /// The collection, as journals and filters name it.
    pub const fn collection(&self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Post(_) => "posts",
            Self::Follow(_) => "follows",
            Self::Mute(_) => "mutes",
            Self::Bookmark(_) => "bookmarks",
            Self::Tag { .. } => "tags",
            Self::File(_) => "files",
            Self::Feed(_) => "feeds",
            Self::LastRead => "last_read",
            Self::Blob(_) => "blobs",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile => f.write_str("/pub/pubky.app/profile.json"),
            Self::Post(id) => write!(f, "/pub/pubky.app/posts/{id}"),
            Self::Follow(key) => write!(f, "/pub/pubky.app/follows/{key}"),
            Self::Mute(key) => write!(f, "/pub/pubky.app/mutes/{key}"),
            Self::Bookmark(id) => write!(f, "/pub/pubky.app/bookmarks/{id}"),
            Self::Tag { app, id } => write!(f, "/pub/{}/tags/{id}", app.as_deref().unwrap_or("pubky.app")),
            Self::File(id) => write!(f, "/pub/pubky.app/files/{id}"),
            Self::Feed(id) => write!(f, "/pub/pubky.app/feeds/{id}"),
            Self::LastRead => f.write_str("/pub/pubky.app/last_read"),
            Self::Blob(id) => write!(f, "/pub/pubky.app/blobs/{id}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pubky://{}{}", self.user, self.path)
    }
}

/// The body of a record, parsed, sanitised and valid for its address.
#[derive(Clone, Debug)]
pub enum Record {
    /// A profile.
    User(specs::PubkyAppUser),
    /// A post.
    Post(specs::PubkyAppPost),
    /// A follow; the path says of whom.
    Follow(specs::PubkyAppFollow),
    /// A mute; the path says of whom.
    Mute(specs::PubkyAppMute),
    /// A bookmark.
    Bookmark(specs::PubkyAppBookmark),
    /// A tag, universal or not.
    Tag(specs::PubkyAppTag),
    /// A file's description.
    File(specs::PubkyAppFile),
}
