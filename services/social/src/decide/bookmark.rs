//! Bookmarks (spec c.6).

use super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    input::Event,
    record::post_key,
    row::{Bookmark, Edge},
    rules::Reason,
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::HashId;
use pubky_app_specs::PubkyAppBookmark;

impl Context<'_> {
    /// A user has one bookmark of a post: another record for the same post moves it to the top.
    pub(super) fn put_bookmark(self, event: &Event, id: HashId, record: &PubkyAppBookmark) -> Result<Outcome> {
        let user = event.address.user;
        let Some(post) = post_key(&record.uri) else { return Ok(Outcome::Refused(Reason::NotAPost)) };
        if let Some(waits) = self.unless_known(&user)? {
            return Ok(waits);
        }
        if self.state.post(&post)?.is_none() {
            return Ok(Outcome::Waits { on: post.uri(), ingest: Vec::new() });
        }
        let old = self.state.bookmark(&user, &post)?;
        if old.is_some_and(|old| old.id == id && old.created_at == record.created_at) {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, event);
        let action = if old.is_some() { Action::Update } else { Action::Create };
        draft.change(&user, &event.address.path, action, None);
        let (time, created_at) = (self.now, record.created_at);
        draft.row(RowChange::PutEdge(Edge::Bookmarked(Bookmark { user, post, id, time, created_at })));
        Ok(draft.finish())
    }

    pub(super) fn delete_bookmark(self, event: &Event, id: &HashId) -> Result<Outcome> {
        let user = event.address.user;
        let Some(old) = self.state.bookmark_by_id(&user, id)? else { return Ok(Outcome::Unchanged) };
        let mut draft = Draft::of(self, event);
        draft.change(&user, &event.address.path, Action::Delete, None);
        draft.row(RowChange::RemoveEdge(Edge::Bookmarked(old)));
        Ok(draft.finish())
    }
}
