//! What makes two edges the same one, and the order in which stores hand them out.

use crate::row::{Edge, Label, PostKey, Target};
use nexus_pubky::PubkyId;
use std::sync::Arc;

/// The identity of an edge: a second edge with the same key replaces the first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the edge of the same name, from whom to whom")]
pub enum EdgeKey {
    Replied(PostKey, PostKey),
    Reposted(PostKey, PostKey),
    Mentioned(PostKey, PubkyId),
    Follows(PubkyId, PubkyId),
    Mutes(PubkyId, PubkyId),
    Bookmarked(PubkyId, PostKey),
    Tagged(PubkyId, Target, Label, Option<Arc<str>>),
}

impl Edge {
    /// Its identity.
    pub fn key(&self) -> EdgeKey {
        match self {
            Self::Replied { post, parent, .. } => EdgeKey::Replied(*post, *parent),
            Self::Reposted { post, target, .. } => EdgeKey::Reposted(*post, *target),
            Self::Mentioned { post, user, .. } => EdgeKey::Mentioned(*post, *user),
            Self::Follows(edge) => EdgeKey::Follows(edge.from, edge.to),
            Self::Mutes(edge) => EdgeKey::Mutes(edge.from, edge.to),
            Self::Bookmarked(bookmark) => EdgeKey::Bookmarked(bookmark.user, bookmark.post),
            Self::Tagged(tag) => EdgeKey::Tagged(tag.tagger, tag.target, tag.label.clone(), tag.app.clone()),
        }
    }
}

/// Brings edges into the one order that every store promises: by time, then by identity.
pub fn sort_by_time(edges: &mut [Edge]) {
    edges.sort_by_cached_key(|edge| (edge.time(), edge.key()));
}
