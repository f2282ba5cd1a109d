//! Where users live: first seen, confirmed, in doubt, moved (spec a.6; moving is supported, unlike upstream).

use super::{Context, Draft, Outcome};
use crate::{
    effects::{Effects, RowChange, SourceCursor, SourceLog},
    row::{HostRow, Profile, UserRow, UserState, user_uri},
    rules::{Reason, RuleAction, Subject},
    store::Result,
};
use nexus_pubky::PubkyId;
use std::sync::Arc;

impl Context<'_> {
    /// pkarr or a configured homeserver told where a user lives.
    pub(super) fn hosted(self, row: &HostRow) -> Result<Outcome> {
        let listed = &self.policy.blacklist;
        if listed.contains(row.user.as_str()) || listed.contains(&row.homeserver) {
            return Ok(Outcome::Refused(Reason::Blacklisted));
        }
        if self.policy.rules.action(&Subject::of_user(&row.user, &row.homeserver)) == RuleAction::Deny {
            return Ok(Outcome::Refused(Reason::Rule));
        }
        let old = self.state.host(&row.user)?;
        if old.as_ref() == Some(row) {
            return Ok(Outcome::Unchanged);
        }
        let mut draft = Draft::silent(self);
        if old.is_some_and(|old| old.homeserver != row.homeserver) {
            self.read_from_the_start(&mut draft, row)?;
        }
        draft.row(RowChange::PutHost(row.clone()));
        if self.state.user(&row.user)?.is_none() {
            draft.row(RowChange::PutUser(self.stub(row.user)));
            draft.arrived(user_uri(&row.user));
        }
        Ok(draft.finish())
    }

    /// The new home may hold another history than the one that was read there once.
    fn read_from_the_start(self, draft: &mut Draft, row: &HostRow) -> Result<()> {
        let log = SourceLog::User { homeserver: Arc::clone(&row.homeserver), user: row.user };
        if self.state.cursor(&log)?.is_some() {
            draft.cursor(SourceCursor { log, cursor: 0 });
        }
        Ok(())
    }

    /// A user of whom only the key is known.
    fn stub(self, id: PubkyId) -> UserRow {
        let profile = Profile::named(id.as_str());
        UserRow { id, state: UserState::Stub, profile, indexed_at: self.now, hash: None }
    }

    /// pkarr no longer knows where a user lives. The mapping is kept, and not trusted until it is confirmed.
    pub(super) fn doubtful(self, user: &PubkyId) -> Result<Outcome> {
        let Some(old) = self.state.host(user)? else { return Ok(Outcome::Unchanged) };
        let mut draft = Draft::silent(self);
        draft.row(RowChange::PutHost(HostRow { stale: true, resolved_at: self.now, ..old }));
        Ok(draft.finish())
    }
}

/// New trust scores replace all old ones.
pub(super) fn trust(scores: &Arc<[(PubkyId, f64)]>) -> Effects {
    Effects { rows: vec![RowChange::SetTrust(Arc::clone(scores))], ..Effects::default() }
}
