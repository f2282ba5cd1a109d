//! One line of a dump: one stored object as JSON, under the URI of its record.
//!
//! `{"uri":"pubky://PK/pub/pubky.app/posts/ID","indexed_at":MS,"value":{…}}` is the whole of it for most. What a
//! record alone doesn't tell has a member of its own, and is left out where there is nothing to tell.

use crate::{
    notification::NotificationBody,
    row::{Edge, PostKey, PostRow},
};
use nexus_model::Timestamp;
use nexus_pubky::{PubkyId, mentions};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A line as it is written and read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Line {
    /// The record's URI; absent for a notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uri: Option<String>,
    /// When it was handled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) indexed_at: Option<Timestamp>,
    /// What the record says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Box<RawValue>>,
    /// BLAKE3 hash of the record's bytes as they were served, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<String>,
    /// A tombstone.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) deleted: bool,
    /// A user of whom only the key is known.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) stub: bool,
    /// Where the user lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) homeserver: Option<String>,
    /// When that was last confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resolved_at: Option<Timestamp>,
    /// Whether it is in doubt.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) stale: bool,
    /// The user's trust score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trust: Option<Box<RawValue>>,
    /// The edges that leave a post, where its text and `indexed_at` alone would give others: edits leave some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edges: Option<Vec<PostEdge>>,
    /// A notification, and whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notification: Option<NotificationBody>,
    /// Whose notification it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receiver: Option<PubkyId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// An edge that leaves a post.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostEdge {
    /// What it is, and to whom.
    #[serde(flatten)]
    to: PostEdgeTo,
    /// When it was handled.
    time: Timestamp,
}

/// What a post points at: a post's URI or a user's key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PostEdgeTo {
    Replied(String),
    Reposted(String),
    Mentioned(PubkyId),
}

impl PostEdge {
    /// `None` for an edge that leaves no post.
    pub(crate) fn of(edge: &Edge) -> Option<Self> {
        let to = match edge {
            Edge::Replied { parent, .. } => PostEdgeTo::Replied(parent.uri()),
            Edge::Reposted { target, .. } => PostEdgeTo::Reposted(target.uri()),
            Edge::Mentioned { user, .. } => PostEdgeTo::Mentioned(*user),
            _ => return None,
        };
        Some(Self { to, time: edge.time() })
    }

    /// The edge, as one of `post`; `None` if it names no post.
    pub(crate) fn to_edge(&self, post: PostKey) -> Option<Edge> {
        let time = self.time;
        Some(match &self.to {
            PostEdgeTo::Replied(uri) => Edge::Replied { post, parent: crate::record::post_key(uri)?, time },
            PostEdgeTo::Reposted(uri) => Edge::Reposted { post, target: crate::record::post_key(uri)?, time },
            PostEdgeTo::Mentioned(user) => Edge::Mentioned { post, user: *user, time },
        })
    }
}

/// The edges that a post has when it is indexed for the first time and never edited.
pub(crate) fn edges_of(row: &PostRow) -> Vec<Edge> {
    let (post, time) = (row.key, row.indexed_at);
    let linked = |uri: Option<&str>| uri.and_then(crate::record::post_key).filter(|key| *key != post);
    let mut edges = Vec::new();
    edges.extend(linked(row.parent.as_deref()).map(|parent| Edge::Replied { post, parent, time }));
    let embedded = row.embed.as_ref().map(|embed| embed.uri.as_str());
    edges.extend(linked(embedded).map(|target| Edge::Reposted { post, target, time }));
    let mentioned = mentions(&row.content).into_iter().filter(|user| *user != post.author);
    edges.extend(mentioned.map(|user| Edge::Mentioned { post, user, time }));
    edges
}
