//! Edits of posts and their revival. The time of creation stays, mentions are scanned again, edges are only added.

use super::super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    input::Event,
    notification::{ChangedSource, NotificationBody},
    row::{Edge, PostKey, PostKind, PostRow},
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::PubkyId;

impl Context<'_> {
    pub(super) fn edit_post(self, event: &Event, old: &PostRow, mut row: PostRow) -> Result<Outcome> {
        // A reply stays the reply it was.
        row.parent = old.parent.clone().or(row.parent);
        if row == *old {
            return Ok(Outcome::Unchanged);
        }
        let edges = self.state.edges_from_post(&row.key)?;
        let links = match self.links(&row, &edges)? {
            Ok(links) => links,
            Err(missing) => return Ok(missing),
        };
        let mut draft = Draft::of(self, event);
        let action = if old.deleted { Action::Create } else { Action::Update };
        draft.change(&row.key.author, &event.address.path, action, row.hash);
        links.add(&mut draft, &row.key, self.now);
        if old.content != row.content {
            self.mention(&mut draft, &row.key, &row.kind, &row.content, &edges);
        }
        if is_worth_telling(old, &row) {
            for interest in self.interested(&row.key, &edges)? {
                let body = NotificationBody::PostEdited {
                    edit_source: interest.source,
                    edited_by: row.key.author,
                    edited_uri: row.key.uri(),
                    linked_uri: interest.linked_uri,
                    post_kind: row.kind.clone(),
                };
                draft.notify(&row.key.author, &interest.receiver, body);
            }
        }
        draft.row(RowChange::PutPost(row));
        Ok(draft.finish())
    }

    /// Who has to do with a post: its repliers, taggers, bookmarkers and reposters, and the author of its parent.
    pub(super) fn interested(self, key: &PostKey, outgoing: &[Edge]) -> Result<Vec<Interest>> {
        let mut all: Vec<_> = self.state.edges_to_post(key)?.iter().filter_map(Interest::of_incoming).collect();
        all.extend(outgoing.iter().filter_map(Interest::of_parent));
        Ok(all)
    }
}

/// The text or what it carries changed, or it became or ceased to be a collection.
fn is_worth_telling(old: &PostRow, new: &PostRow) -> bool {
    let is_collection = |row: &PostRow| row.kind == PostKind::Collection;
    old.content != new.content || old.attachments != new.attachments || is_collection(old) != is_collection(new)
}

/// Somebody who hears of a post's edit or deletion, and why.
pub(super) struct Interest {
    pub(super) receiver: PubkyId,
    pub(super) source: ChangedSource,
    pub(super) linked_uri: String,
}

impl Interest {
    fn of_incoming(edge: &Edge) -> Option<Self> {
        let (receiver, source, linked_uri) = match edge {
            Edge::Replied { post, .. } => (post.author, ChangedSource::ReplyParent, post.uri()),
            Edge::Reposted { post, .. } => (post.author, ChangedSource::RepostEmbed, post.uri()),
            Edge::Tagged(tag) => (tag.tagger, ChangedSource::TaggedPost, tag.uri()),
            Edge::Bookmarked(bookmark) => (bookmark.user, ChangedSource::Bookmark, bookmark.uri()),
            Edge::Mentioned { .. } | Edge::Follows(_) | Edge::Mutes(_) => return None,
        };
        Some(Self { receiver, source, linked_uri })
    }

    /// The author of what the post answers.
    pub(super) fn of_parent(edge: &Edge) -> Option<Self> {
        let Edge::Replied { parent, .. } = edge else { return None };
        Some(Self { receiver: parent.author, source: ChangedSource::Reply, linked_uri: parent.uri() })
    }

    /// The author of what the post embeds.
    pub(super) fn of_embedded(edge: &Edge) -> Option<Self> {
        let Edge::Reposted { target, .. } = edge else { return None };
        Some(Self { receiver: target.author, source: ChangedSource::Repost, linked_uri: target.uri() })
    }
}
