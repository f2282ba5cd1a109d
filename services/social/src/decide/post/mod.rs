//! Posts (spec c.4): new ones here, [edits](edit) and [deletions](delete) in modules of their own.

mod delete;
mod edit;
mod links;

use super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    input::Event,
    notification::NotificationBody,
    record::Stamp,
    row::{ContentHash, Edge, PostKey, PostKind, PostRow},
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::{PubkyId, TimestampId, collection_items, mentions};
use pubky_app_specs::PubkyAppPost;

impl Context<'_> {
    pub(super) fn put_post(
        self,
        event: &Event,
        id: TimestampId,
        record: &PubkyAppPost,
        hash: ContentHash,
    ) -> Result<Outcome> {
        let key = PostKey { author: event.address.user, id };
        let old = self.state.post(&key)?;
        let indexed_at = old.as_ref().map_or(self.now, |old| old.indexed_at);
        let row = PostRow::of(key, record, Stamp { indexed_at, hash: Some(hash) });
        match old {
            Some(old) => self.edit_post(event, &old, row),
            None => self.new_post(event, row),
        }
    }

    fn new_post(self, event: &Event, row: PostRow) -> Result<Outcome> {
        let key = row.key;
        if let Some(waits) = self.unless_known(&key.author)? {
            return Ok(waits);
        }
        let links = match self.links(&row, &[])? {
            Ok(links) => links,
            Err(missing) => return Ok(missing),
        };
        let mut draft = Draft::of(self, event);
        draft.change(&key.author, &event.address.path, Action::Create, row.hash);
        let (content, kind) = (row.content.clone(), row.kind.clone());
        draft.row(RowChange::PutPost(row));
        links.add(&mut draft, &key, self.now);
        let mentioned = self.mention(&mut draft, &key, &kind, &content, &[]);
        if let Some(first) = mentioned.first() {
            self.discover(first, draft.ingest())?;
        }
        if kind == PostKind::Collection {
            self.discover_curated(&mut draft, &content)?;
        }
        draft.arrived(key.uri());
        Ok(draft.finish())
    }

    /// Adds edges and notifications for users whom the text names and no edge has yet. Gives all whom it names.
    fn mention(self, draft: &mut Draft, key: &PostKey, kind: &PostKind, text: &str, edges: &[Edge]) -> Vec<PubkyId> {
        let mut users = mentions(text);
        users.retain(|user| *user != key.author);
        for user in &users {
            let is_known = |edge: &Edge| matches!(edge, Edge::Mentioned { user: known, .. } if known == user);
            if edges.iter().any(is_known) {
                continue;
            }
            draft.row(RowChange::PutEdge(Edge::Mentioned { post: *key, user: *user, time: self.now }));
            let (mentioned_by, post_uri, post_kind) = (key.author, key.uri(), kind.clone());
            draft.notify(&key.author, user, NotificationBody::Mention { mentioned_by, post_uri, post_kind });
        }
        users
    }

    fn discover_curated(self, draft: &mut Draft, content: &str) -> Result<()> {
        collection_items(content).iter().try_for_each(|(author, _)| self.discover(author, draft.ingest()))
    }
}
