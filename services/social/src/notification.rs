//! Notifications: one kind of thing that is stored for each receiver, as the JSON that clients know.
//!
//! Two equal bodies for one receiver are one notification: the later one only refreshes its time.

use crate::{row::PostKind, view::PostKindName};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A notification on its way to its receiver's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Notified {
    /// Whose list it enters.
    pub receiver: PubkyId,
    /// What happened.
    pub body: NotificationBody,
    /// When it was handled.
    pub time: Timestamp,
}

/// A notification as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notification {
    /// Milliseconds since the epoch, when it happened last.
    #[schema(value_type = i64)]
    pub timestamp: Timestamp,
    /// What happened.
    pub body: NotificationBody,
}

/// What happened. URIs are kept as text, because the objects may be gone.
#[expect(missing_docs, reason = "the members are the wire names of spec c.9 and say it themselves")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NotificationBody {
    Follow {
        #[schema(value_type = String)]
        followed_by: PubkyId,
    },
    NewFriend {
        #[schema(value_type = String)]
        followed_by: PubkyId,
    },
    LostFriend {
        #[schema(value_type = String)]
        unfollowed_by: PubkyId,
    },
    TagPost {
        #[schema(value_type = String)]
        tagged_by: PubkyId,
        tag_label: String,
        post_uri: String,
        #[serde(default = "unknown_kind")]
        #[schema(value_type = PostKindName)]
        post_kind: PostKind,
    },
    UntagPost {
        #[schema(value_type = String)]
        untagged_by: PubkyId,
        tag_label: String,
        post_uri: String,
        #[serde(default = "unknown_kind")]
        #[schema(value_type = PostKindName)]
        post_kind: PostKind,
    },
    TagProfile {
        #[schema(value_type = String)]
        tagged_by: PubkyId,
        tag_label: String,
    },
    UntagProfile {
        #[schema(value_type = String)]
        untagged_by: PubkyId,
        tag_label: String,
    },
    Reply {
        #[schema(value_type = String)]
        replied_by: PubkyId,
        parent_post_uri: String,
        reply_uri: String,
        #[serde(default = "unknown_kind")]
        #[schema(value_type = PostKindName)]
        post_kind: PostKind,
    },
    Repost {
        #[schema(value_type = String)]
        reposted_by: PubkyId,
        embed_uri: String,
        repost_uri: String,
        #[serde(default = "unknown_kind")]
        #[schema(value_type = PostKindName)]
        post_kind: PostKind,
    },
    Mention {
        #[schema(value_type = String)]
        mentioned_by: PubkyId,
        post_uri: String,
        #[serde(default = "unknown_kind")]
        #[schema(value_type = PostKindName)]
        post_kind: PostKind,
    },
    PostDeleted {
        delete_source: ChangedSource,
        #[schema(value_type = String)]
        deleted_by: PubkyId,
        deleted_uri: String,
        linked_uri: String,
        #[serde(default = "unknown_kind")]
        #[schema(value_type = PostKindName)]
        post_kind: PostKind,
    },
    PostEdited {
        edit_source: ChangedSource,
        #[schema(value_type = String)]
        edited_by: PubkyId,
        edited_uri: String,
        linked_uri: String,
        #[serde(default = "unknown_kind")]
        #[schema(value_type = PostKindName)]
        post_kind: PostKind,
    },
}

impl NotificationBody {
    /// The body as it is stored: what makes two notifications of one receiver the same.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a body has only strings")
    }

    /// A short name of the body in its receiver's list: 32 hex digits, half the BLAKE3 hash of its JSON.
    pub fn key(&self) -> String {
        let hash = blake3::hash(self.to_json().as_bytes()).to_hex();
        hash[..32].to_owned()
    }
}

/// Why somebody hears of another's edit or deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PostChangedSource)]
pub enum ChangedSource {
    /// The changed post replies to theirs.
    Reply,
    /// The changed post embeds theirs.
    Repost,
    /// They bookmarked it.
    Bookmark,
    /// They replied to it.
    ReplyParent,
    /// They embedded it.
    RepostEmbed,
    /// They tagged it.
    TaggedPost,
}

const fn unknown_kind() -> PostKind {
    PostKind::Unknown
}
