//! The first pass: users and where they live, posts and files, each without what it points at.

use super::{Draft, Drafted};
use crate::{
    effects::{Effects, RowChange},
    record::Stamp,
    row::{FileKey, FileRow, HostRow, PostKey, PostRow, Profile, UserRow, UserState},
};
use nexus_model::Action;
use nexus_pubky::{Path, PubkyId, Record};

impl Draft<'_> {
    /// What the line brings in the first pass.
    pub(super) fn object(&self) -> Drafted {
        match self.path() {
            Path::Profile => self.user(),
            Path::Post(id) => self.post(PostKey { author: self.address.user, id: *id }),
            Path::File(id) => self.file(FileKey { owner: self.address.user, id: *id }),
            _ => Ok(Ok(Effects::default())),
        }
    }

    fn user(&self) -> Drafted {
        let id = self.address.user;
        let mut effects = Effects::default();
        if let Some(homeserver) = self.line.homeserver.as_deref().filter(|name| !self.is_trusted() && !is_home(name)) {
            return Ok(Err(format!("the homeserver {:?} is neither a key nor a base URL", brief(homeserver))));
        }
        if let Some(row) = self.host()
            && self.state.host(&id)?.as_ref() != Some(&row)
        {
            effects.rows.push(RowChange::PutHost(row));
        }
        let line = &self.line;
        let (state, profile) = match (&line.value, line.stub, line.deleted) {
            (None, true, _) => (UserState::Stub, Profile::named(id.as_str())),
            (None, _, true) => (UserState::Deleted, Profile::named("[DELETED]")),
            (None, false, false) if line.homeserver.is_some() || line.trust.is_some() => return Ok(Ok(effects)),
            _ => match self.record() {
                Ok(Record::User(record)) => (UserState::Active, Profile::of(&record)),
                Ok(_) => return Ok(Err("the value is no profile".into())),
                Err(reason) => return Ok(Err(reason)),
            },
        };
        let old = self.state.user(&id)?;
        let kept = old.as_ref().filter(|_| !self.is_trusted());
        let indexed_at = kept.map_or_else(|| self.time(), |old| old.indexed_at);
        let row = UserRow { id, state, profile, indexed_at, hash: self.hash() };
        if old.as_ref() == Some(&row) {
            return Ok(Ok(effects));
        }
        let action = action(old.is_some(), state == UserState::Deleted);
        let hash = row.hash;
        effects.rows.push(RowChange::PutUser(row));
        Ok(Ok(self.effects(effects.rows, action, hash)))
    }

    fn host(&self) -> Option<HostRow> {
        let line = &self.line;
        let homeserver = line.homeserver.as_deref()?.into();
        let resolved_at = line.resolved_at.filter(|_| self.is_trusted()).unwrap_or(self.importer.now);
        Some(HostRow { user: self.address.user, homeserver, resolved_at, stale: line.stale })
    }

    fn post(&self, key: PostKey) -> Drafted {
        let record = match self.record() {
            Ok(Record::Post(record)) => record,
            Ok(_) => return Ok(Err("the value is no post".into())),
            Err(reason) => return Ok(Err(reason)),
        };
        let old = self.state.post(&key)?;
        let kept = old.as_ref().filter(|_| !self.is_trusted());
        let indexed_at = kept.map_or_else(|| self.time(), |old| old.indexed_at);
        let row = PostRow::of(key, &record, Stamp { indexed_at, hash: self.hash() });
        let row = PostRow { deleted: self.line.deleted && self.is_trusted(), ..row };
        if old.as_ref() == Some(&row) {
            return Ok(Ok(Effects::default()));
        }
        let (action, hash) = (action(old.is_some(), row.deleted), row.hash);
        Ok(Ok(self.effects(vec![RowChange::PutPost(row)], action, hash)))
    }

    fn file(&self, key: FileKey) -> Drafted {
        let record = match self.record() {
            Ok(Record::File(record)) => record,
            Ok(_) => return Ok(Err("the value is no file".into())),
            Err(reason) => return Ok(Err(reason)),
        };
        let old = self.state.file(&key)?;
        let kept = old.as_ref().filter(|_| !self.is_trusted());
        let indexed_at = kept.map_or_else(|| self.time(), |old| old.indexed_at);
        let row = FileRow::of(key, &record, Stamp { indexed_at, hash: self.hash() });
        if old.as_ref() == Some(&row) {
            return Ok(Ok(Effects::default()));
        }
        let (action, hash) = (action(old.is_some(), false), row.hash);
        Ok(Ok(self.effects(vec![RowChange::PutFile(row)], action, hash)))
    }
}

const fn action(is_known: bool, is_gone: bool) -> Action {
    match (is_known, is_gone) {
        (_, true) => Action::Delete,
        (true, false) => Action::Update,
        (false, false) => Action::Create,
    }
}

/// True for what can name a homeserver: its key, or its base URL.
fn is_home(name: &str) -> bool {
    let host = name.strip_prefix("http://").or_else(|| name.strip_prefix("https://"));
    let is_host = |host: &str| host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[');
    name.parse::<PubkyId>().is_ok() || host.is_some_and(is_host) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn brief(text: &str) -> String {
    text.chars().take(100).collect()
}
