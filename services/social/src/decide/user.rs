//! Profiles (spec c.3).

use super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    input::Event,
    row::{ContentHash, Profile, UserRow, UserState, user_uri},
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::{Path, PubkyId};
use pubky_app_specs::PubkyAppUser;

/// What the name of a deleted user reads.
const DELETED: &str = "[DELETED]";

impl Context<'_> {
    pub(super) fn put_user(self, event: &Event, record: &PubkyAppUser, hash: ContentHash) -> Result<Outcome> {
        let id = event.address.user;
        let old = self.state.user(&id)?;
        let row = UserRow {
            id,
            state: UserState::Active,
            profile: Profile::of(record),
            indexed_at: self.now,
            hash: Some(hash),
        };
        let was = old.as_ref().map(|old| old.state);
        if old.as_ref().is_some_and(|old| UserRow { indexed_at: old.indexed_at, ..row.clone() } == *old) {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, event);
        let action = if was == Some(UserState::Active) { Action::Update } else { Action::Create };
        draft.change(&id, &Path::Profile, action, row.hash);
        draft.row(RowChange::PutUser(row));
        if was.is_none() {
            draft.arrived(user_uri(&id));
        }
        Ok(draft.finish())
    }

    /// Deletes a profile: without a trace if nothing points at the user, else a tombstone stays.
    pub(super) fn delete_user(self, mut draft: Draft, id: &PubkyId) -> Result<Outcome> {
        let Some(old) = self.state.user(id)?.filter(|user| user.state != UserState::Deleted) else {
            return Ok(Outcome::Unchanged);
        };
        draft.change(id, &Path::Profile, Action::Delete, None);
        draft.row(if self.state.is_referenced(id)? {
            let (state, profile) = (UserState::Deleted, Profile::named(DELETED));
            RowChange::PutUser(UserRow { state, profile, hash: None, ..old })
        } else {
            RowChange::RemoveUser(*id)
        });
        Ok(draft.finish())
    }
}
