//! What the API shows: the shapes of spec d.1, ready to be serialised. Upstream's members keep their names
//! and order; members beyond upstream come last and are left out when they say nothing.

use crate::{
    notification::Notification,
    row::{PostKey, PostKind, ProfileLink},
};
use nexus_model::Timestamp;
use nexus_pubky::{HashId, PubkyId, ResourceId, TimestampId};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// How OpenAPI shows the kind of a post.
#[expect(missing_docs, reason = "the wire names of spec b.3 say it themselves")]
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(as = PubkyAppPostKind, rename_all = "lowercase")]
pub enum PostKindName {
    Short,
    Long,
    Image,
    Video,
    Link,
    File,
    Collection,
    Unknown,
}

/// A profile.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UserDetails {
    /// Display name.
    pub name: String,
    /// A few lines about the user.
    pub bio: Option<String>,
    /// The key.
    #[schema(value_type = String)]
    pub id: PubkyId,
    /// Titled links.
    pub links: Option<Vec<ProfileLink>>,
    /// A short status.
    pub status: Option<String>,
    /// URL of the picture.
    pub image: Option<String>,
    /// When the profile was last handled, in milliseconds.
    #[schema(value_type = i64)]
    pub indexed_at: Timestamp,
    /// The homeserver that serves the profile, so that a client can verify it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homeserver: Option<String>,
    /// Base64 of the BLAKE3 hash of the profile's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
}

/// Numbers about a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserCounts {
    /// Tags this user placed on posts and users.
    pub tagged: u32,
    /// Tags on the profile.
    pub tags: u32,
    /// Distinct labels on the profile.
    pub unique_tags: u32,
    /// All posts, replies and collections included.
    pub posts: u32,
    /// Replies.
    pub replies: u32,
    /// Collections.
    pub collections: u32,
    /// Users this one follows.
    pub following: u32,
    /// Users who follow this one.
    pub followers: u32,
    /// Users for whom both hold.
    pub friends: u32,
    /// Bookmarks of posts that are not collections.
    pub bookmarks: u32,
}

/// How a user and the viewer stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Relationship {
    /// The viewer follows the user.
    pub following: bool,
    /// The user follows the viewer.
    pub followed_by: bool,
}

/// A label on something, and who put it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TagDetails {
    /// The label.
    pub label: String,
    /// The first taggers, oldest first.
    #[schema(value_type = Vec<String>)]
    pub taggers: Vec<PubkyId>,
    /// How many there are in all.
    pub taggers_count: usize,
    /// True if the viewer is among all of them.
    pub relationship: bool,
}

/// Who put one label on something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taggers {
    /// A page of taggers, oldest first, each with the time of the tag.
    pub users: Vec<RankedUser>,
    /// True if the viewer is among all of them.
    pub relationship: bool,
}

/// A user with numbers, tags and the relation to the viewer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UserView {
    /// The profile.
    pub details: UserDetails,
    /// Numbers.
    pub counts: UserCounts,
    /// The profile's first labels.
    pub tags: Vec<TagDetails>,
    /// Relation to the viewer.
    pub relationship: Relationship,
}

/// A post.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PostDetails {
    /// Text, or JSON for a collection.
    pub content: String,
    /// Id among the author's posts.
    #[schema(value_type = String)]
    pub id: TimestampId,
    /// When it was first handled, in milliseconds.
    #[schema(value_type = i64)]
    pub indexed_at: Timestamp,
    /// Who wrote it.
    #[schema(value_type = String)]
    pub author: PubkyId,
    /// What it is.
    #[schema(value_type = PostKindName)]
    pub kind: PostKind,
    /// Where it lives.
    pub uri: String,
    /// URIs of attached files, null when there are none.
    pub attachments: Option<Vec<String>>,
    /// URL of what unlocks it.
    pub lock: Option<String>,
    /// The homeserver that serves it, so that a client can verify it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homeserver: Option<String>,
    /// Base64 of the BLAKE3 hash of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
}

/// Numbers about a post.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PostCounts {
    /// Tags.
    pub tags: u32,
    /// Distinct labels.
    pub unique_tags: u32,
    /// Replies.
    pub replies: u32,
    /// Reposts.
    pub reposts: u32,
}

/// What a post points at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PostRelationships {
    /// URI of the post it answers.
    pub replied: Option<String>,
    /// URI of the post it embeds.
    pub reposted: Option<String>,
    /// Users named in its text, without the author.
    #[schema(value_type = Vec<String>)]
    pub mentioned: Vec<PubkyId>,
}

/// The viewer's bookmark of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Bookmark)]
pub struct BookmarkView {
    /// The record's id.
    #[schema(value_type = String)]
    pub id: HashId,
    /// When it was handled, in milliseconds.
    #[schema(value_type = i64)]
    pub indexed_at: Timestamp,
}

/// A post with numbers, tags, relations and the viewer's bookmark.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PostView {
    /// The post.
    pub details: PostDetails,
    /// Numbers.
    pub counts: PostCounts,
    /// Its first labels.
    pub tags: Vec<TagDetails>,
    /// What it points at.
    pub relationships: PostRelationships,
    /// The viewer's bookmark.
    pub bookmark: Option<BookmarkView>,
}

/// A post view with the files it attaches, when they were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PostViewDetailed {
    /// The post.
    #[serde(flatten)]
    pub view: PostView,
    /// Known files among the attachments; left out when there are none or they weren't asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments_metadata: Vec<FileDetails>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FileDetails {
    /// Id among the owner's files.
    #[schema(value_type = String)]
    pub id: TimestampId,
    /// Where its description lives.
    pub uri: String,
    /// Who owns it.
    #[schema(value_type = String)]
    pub owner_id: PubkyId,
    /// When it was handled, in milliseconds.
    #[schema(value_type = i64)]
    pub indexed_at: Timestamp,
    /// The client's time, in microseconds.
    pub created_at: i64,
    /// URI of the blob.
    pub src: String,
    /// File name.
    pub name: String,
    /// Bytes, as the owner states it.
    pub size: i64,
    /// Media type.
    pub content_type: String,
    /// Paths below `/static/files/`.
    #[serde(serialize_with = "as_json_text")]
    pub urls: FileUrls,
    /// Always null: upstream has it, and never fills it.
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    pub metadata: Option<()>,
}

/// Where a file's variants are served, below `/static/files/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileUrls {
    /// The bytes as they were uploaded.
    pub main: String,
    /// 720 pixels wide, for images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// 320 pixels wide, for images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small: Option<String>,
}

/// Existing clients parse `urls` as JSON inside a string (quirk 18 of the spec, kept).
fn as_json_text<S: Serializer>(urls: &FileUrls, serializer: S) -> Result<S::Ok, S::Error> {
    let text = serde_json::to_string(urls).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

/// A tag record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TagView {
    /// What is tagged.
    pub uri: String,
    /// The label.
    pub label: String,
    /// When it was handled, in milliseconds.
    #[schema(value_type = i64)]
    pub indexed_at: Timestamp,
}

/// A label that many posts received lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HotTag {
    /// The label.
    pub label: String,
    /// The first taggers, by their latest use of the label, newest first.
    #[schema(value_type = Vec<String>)]
    pub taggers_id: Vec<PubkyId>,
    /// Distinct posts tagged with it.
    pub tagged_count: u64,
    /// Distinct taggers in all.
    pub taggers_count: usize,
}

/// Something outside the Pubky graph that is tagged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResourceDetails {
    /// Derived from the URI.
    #[schema(value_type = String)]
    pub id: ResourceId,
    /// The URI in its normal form.
    pub uri: String,
    /// Its scheme.
    pub scheme: String,
    /// When it was first tagged, in milliseconds.
    #[schema(value_type = i64)]
    pub indexed_at: Timestamp,
}

/// A resource in a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResourceView {
    /// The resource.
    pub details: ResourceDetails,
    /// Up to 5 labels with up to 3 taggers each.
    pub tags: Vec<TagDetails>,
    /// Taggers over the shown labels.
    pub taggers_count: usize,
}

/// A user found by profile tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = UsersByTagSearch)]
pub struct UserHit {
    /// The user.
    #[schema(value_type = String)]
    pub user_id: PubkyId,
    /// Taggers, summed over the labels.
    pub score: usize,
}

/// A post with its place in a list: where paging goes on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The post.
    pub post: PostKey,
    /// Its score in that list: milliseconds, or engagement; in a collection its place, from 0.
    pub score: i64,
}

/// A user with the place in a list: where paging goes on after the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankedUser {
    /// The user.
    pub user: PubkyId,
    /// What orders that list, as a whole number: milliseconds, the order-preserving bits of a score, or a place
    /// from 0.
    pub score: i64,
}

/// A post among its ancestors and replies.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Thread {
    /// From the root down to the post's parent. It ends early where an ancestor is not indexed.
    pub ancestors: Vec<PostView>,
    /// The post.
    pub post: PostView,
    /// Replies in depth-first order, oldest first at each level.
    pub replies: Vec<ThreadReply>,
    /// True if more replies exist than were asked for.
    pub truncated: bool,
}

/// A reply in a thread.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ThreadReply {
    /// 1 for an answer to the post, 2 for an answer to that, and so on.
    pub depth: u8,
    /// The reply.
    pub post: PostView,
}

/// Ids that a client shows first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct BootstrapIds {
    /// The newest posts, as `author:id`.
    pub stream: Vec<String>,
    /// Influencers of today.
    #[schema(value_type = Vec<String>)]
    pub influencers: Vec<PubkyId>,
    /// Users to follow.
    #[schema(value_type = Vec<String>)]
    pub recommended: Vec<PubkyId>,
    /// Today's hot tags.
    pub hot_tags: Vec<HotTag>,
}

/// Everything that a client needs for its first screen.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Bootstrap {
    /// Every user that the rest names.
    pub users: Vec<UserView>,
    /// The newest posts, then replies to them.
    pub posts: Vec<PostView>,
    /// What those posts attach.
    pub files: Vec<FileDetails>,
    /// What to show where.
    pub ids: BootstrapIds,
    /// True if the user is known.
    pub indexed: bool,
    /// The newest notifications.
    pub notifications: Vec<Notification>,
}
