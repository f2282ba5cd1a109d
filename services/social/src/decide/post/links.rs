//! What a post answers and embeds. Both are settled by the first record that names one: edits only add.

use super::super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    notification::NotificationBody,
    record::post_key,
    row::{Edge, PostKey, PostRow},
    store::Result,
};
use nexus_model::Timestamp;

/// Posts that a post newly points at, both indexed.
pub(super) struct Links {
    parent: Option<PostRow>,
    target: Option<PostRow>,
}

impl Context<'_> {
    /// Looks up what `row` newly points at, given the edges that leave it already; or what to do while a post
    /// that it points at is missing.
    pub(super) fn links(self, row: &PostRow, edges: &[Edge]) -> Result<std::result::Result<Links, Outcome>> {
        let has_parent = edges.iter().any(|edge| matches!(edge, Edge::Replied { .. }));
        let has_target = edges.iter().any(|edge| matches!(edge, Edge::Reposted { .. }));
        let named = |uri: Option<&str>| uri.and_then(post_key).filter(|key| *key != row.key);
        let parent = named(row.parent.as_deref()).filter(|_| !has_parent);
        let target = named(row.embed.as_ref().map(|embed| embed.uri.as_str())).filter(|_| !has_target);
        let mut found = [None, None];
        for (key, slot) in [parent, target].into_iter().zip(&mut found) {
            let Some(key) = key else { continue };
            *slot = self.state.post(&key)?;
            if slot.is_none() {
                return self.missing(key.uri(), &key.author).map(Err);
            }
        }
        let [parent, target] = found;
        Ok(Ok(Links { parent, target }))
    }
}

impl Links {
    /// Adds edges and notifications.
    pub(super) fn add(&self, draft: &mut Draft, post: &PostKey, time: Timestamp) {
        if let Some(parent) = &self.parent {
            draft.row(RowChange::PutEdge(Edge::Replied { post: *post, parent: parent.key, time }));
            draft.notify(
                &post.author,
                &parent.key.author,
                NotificationBody::Reply {
                    replied_by: post.author,
                    parent_post_uri: parent.key.uri(),
                    reply_uri: post.uri(),
                    post_kind: parent.kind.clone(),
                },
            );
        }
        if let Some(target) = &self.target {
            draft.row(RowChange::PutEdge(Edge::Reposted { post: *post, target: target.key, time }));
            draft.notify(
                &post.author,
                &target.key.author,
                NotificationBody::Repost {
                    reposted_by: post.author,
                    embed_uri: target.key.uri(),
                    repost_uri: post.uri(),
                    post_kind: target.kind.clone(),
                },
            );
        }
    }
}
