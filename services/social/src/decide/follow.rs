//! Follows and mutes (spec c.5): relations between two users.

use super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    input::Event,
    notification::NotificationBody,
    row::{Edge, UserEdge, user_uri},
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::PubkyId;

impl Context<'_> {
    pub(super) fn put_follow(self, event: &Event, to: &PubkyId, created_at: i64) -> Result<Outcome> {
        let from = event.address.user;
        if from == *to {
            return Ok(Outcome::Unchanged);
        }
        if let Some(waits) = self.unless_known(&from)? {
            return Ok(waits);
        }
        if self.state.user(to)?.is_none() {
            return self.missing(user_uri(to), to);
        }
        let old = self.state.follow(&from, to)?;
        let outcome = self.put_relation(event, to, created_at, old, Edge::Follows);
        let Some(mut draft) = outcome else { return Ok(Outcome::Unchanged) };
        if old.is_none() {
            let is_mutual = self.state.follow(to, &from)?.is_some();
            draft.notify(
                &from,
                to,
                if is_mutual {
                    NotificationBody::NewFriend { followed_by: from }
                } else {
                    NotificationBody::Follow { followed_by: from }
                },
            );
        }
        Ok(draft.finish())
    }

    pub(super) fn delete_follow(self, event: &Event, to: &PubkyId) -> Result<Outcome> {
        let from = event.address.user;
        let Some(old) = self.state.follow(&from, to)? else { return Ok(Outcome::Unchanged) };
        let mut draft = self.remove_relation(event, Edge::Follows(old));
        if self.state.follow(to, &from)?.is_some() {
            draft.notify(&from, to, NotificationBody::LostFriend { unfollowed_by: from });
        }
        Ok(draft.finish())
    }

    pub(super) fn put_mute(self, event: &Event, to: &PubkyId, created_at: i64) -> Result<Outcome> {
        let old = self.state.mute(&event.address.user, to)?;
        let outcome = self.put_relation(event, to, created_at, old, Edge::Mutes);
        Ok(outcome.map_or(Outcome::Unchanged, Draft::finish))
    }

    pub(super) fn delete_mute(self, event: &Event, to: &PubkyId) -> Result<Outcome> {
        let Some(old) = self.state.mute(&event.address.user, to)? else { return Ok(Outcome::Unchanged) };
        Ok(self.remove_relation(event, Edge::Mutes(old)).finish())
    }

    /// A new relation, or a rewritten record of an old one, which keeps its time. `None` if nothing is new.
    fn put_relation(
        self,
        event: &Event,
        to: &PubkyId,
        created_at: i64,
        old: Option<UserEdge>,
        edge: fn(UserEdge) -> Edge,
    ) -> Option<Draft> {
        if old.is_some_and(|old| old.created_at == created_at) {
            return None;
        }
        let (from, time) = (event.address.user, old.map_or(self.now, |old| old.time));
        let mut draft = Draft::of(self, event);
        let action = if old.is_some() { Action::Update } else { Action::Create };
        draft.change(&from, &event.address.path, action, None);
        draft.row(RowChange::PutEdge(edge(UserEdge { from, to: *to, time, created_at })));
        Some(draft)
    }

    fn remove_relation(self, event: &Event, edge: Edge) -> Draft {
        let mut draft = Draft::of(self, event);
        draft.change(&event.address.user, &event.address.path, Action::Delete, None);
        draft.row(RowChange::RemoveEdge(edge));
        draft
    }
}
