//! Files (spec c.8). The bytes are the hands' business; here it is decided whose bytes are still wanted.

use super::{Context, Draft, Outcome};
use crate::{
    effects::RowChange,
    input::Event,
    record::Stamp,
    row::{ContentHash, FileKey, FileRow},
    store::Result,
};
use nexus_model::Action;
use nexus_pubky::{Path, PubkyId, TimestampId};
use pubky_app_specs::PubkyAppFile;

impl Context<'_> {
    pub(super) fn put_file(
        self,
        event: &Event,
        id: TimestampId,
        record: &PubkyAppFile,
        hash: ContentHash,
    ) -> Result<Outcome> {
        let key = FileKey { owner: event.address.user, id };
        let old = self.state.file(&key)?;
        let indexed_at = old.as_ref().map_or(self.now, |old| old.indexed_at);
        let row = FileRow::of(key, record, Stamp { indexed_at, hash: Some(hash) });
        if old.as_ref() == Some(&row) {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::of(self, event);
        let action = if old.is_some() { Action::Update } else { Action::Create };
        draft.change(&key.owner, &event.address.path, action, row.hash);
        old.filter(|old| old.src != row.src).into_iter().for_each(|old| draft.orphan(old));
        draft.row(RowChange::PutFile(row));
        Ok(draft.finish())
    }

    pub(super) fn delete_file(self, mut draft: Draft, owner: &PubkyId, id: TimestampId) -> Result<Outcome> {
        let key = FileKey { owner: *owner, id };
        let Some(old) = self.state.file(&key)? else { return Ok(Outcome::Unchanged) };
        draft.change(owner, &Path::File(id), Action::Delete, None);
        draft.row(RowChange::RemoveFile(key));
        draft.orphan(old);
        Ok(draft.finish())
    }
}
