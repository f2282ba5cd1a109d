//! Deletion of posts: without a trace while nobody has to do with them, else as a tombstone; and moderation,
//! which leaves no tombstone.

use super::{
    super::{Context, Draft, Outcome},
    edit::Interest,
};
use crate::{
    effects::RowChange,
    input::Event,
    notification::NotificationBody,
    row::{Edge, PostKey, PostKind, PostRow},
    rules::MentionPolicy,
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::{Path, TimestampId};

/// What the content of a deleted post reads.
const DELETED: &str = "[DELETED]";

impl Context<'_> {
    pub(in super::super) fn delete_post(self, event: &Event, id: TimestampId) -> Result<Outcome> {
        let key = PostKey { author: event.address.user, id };
        let Some(old) = self.state.post(&key)?.filter(|post| !post.deleted) else { return Ok(Outcome::Unchanged) };
        let outgoing = self.state.edges_from_post(&key)?;
        let is_mention = |edge: &Edge| matches!(edge, Edge::Mentioned { .. });
        let is_held = self.policy.mentions == MentionPolicy::BlockDelete && outgoing.iter().any(is_mention);
        let incoming = self.state.edges_to_post(&key)?;
        let draft = Draft::of(self, event);
        Ok(if is_held || !incoming.is_empty() {
            self.bury_post(draft, old, &outgoing)?
        } else {
            erase(draft, &old, outgoing, incoming)
        })
    }

    /// Removes a post whatever points at it. Replies and reposts of it keep their edges: they stay what they are.
    pub(in super::super) fn remove_post(self, draft: Draft, key: &PostKey) -> Result<Outcome> {
        let Some(old) = self.state.post(key)? else { return Ok(Outcome::Unchanged) };
        let (outgoing, incoming) = (self.state.edges_from_post(key)?, self.state.edges_to_post(key)?);
        Ok(erase(draft, &old, outgoing, incoming))
    }

    /// Leaves a tombstone: edges and place stay, what was said goes.
    fn bury_post(self, mut draft: Draft, old: PostRow, outgoing: &[Edge]) -> Result<Outcome> {
        let key = old.key;
        draft.change(&key.author, &Path::Post(key.id), Action::Delete, None);
        let interested = self.interested(&key, outgoing)?;
        tell(&mut draft, &old, interested.into_iter());
        draft.row(RowChange::PutPost(PostRow {
            content: DELETED.into(),
            kind: PostKind::Short,
            embed: None,
            attachments: None,
            lock: None,
            deleted: true,
            hash: None,
            ..old
        }));
        Ok(draft.finish())
    }
}

fn erase(mut draft: Draft, old: &PostRow, outgoing: Vec<Edge>, incoming: Vec<Edge>) -> Outcome {
    let key = old.key;
    draft.change(&key.author, &Path::Post(key.id), Action::Delete, None);
    if !old.deleted {
        let links =
            outgoing.iter().filter_map(|edge| Interest::of_parent(edge).or_else(|| Interest::of_embedded(edge)));
        tell(&mut draft, old, links);
    }
    let is_about_it = |edge: &Edge| matches!(edge, Edge::Tagged(_) | Edge::Bookmarked(_));
    let gone = outgoing.into_iter().chain(incoming.into_iter().filter(is_about_it));
    gone.for_each(|edge| draft.row(RowChange::RemoveEdge(edge)));
    draft.row(RowChange::RemovePost(key));
    draft.finish()
}

fn tell(draft: &mut Draft, old: &PostRow, interested: impl Iterator<Item = Interest>) {
    for interest in interested {
        let body = NotificationBody::PostDeleted {
            delete_source: interest.source,
            deleted_by: old.key.author,
            deleted_uri: old.key.uri(),
            linked_uri: interest.linked_uri,
            post_kind: old.kind.clone(),
        };
        draft.notify(&old.key.author, &interest.receiver, body);
    }
}
