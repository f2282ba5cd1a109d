//! Rows of repos that an open group has met: each is read once, and written once if it was changed.

use super::recent::Row;
use nexus_atproto::Did;
use nexus_sync::repo::Repo;
use std::{collections::HashMap, sync::Arc};

/// The rows of one group.
#[derive(Debug, Default)]
pub(super) struct Rows(HashMap<Did, Met>);

#[derive(Debug)]
struct Met {
    committed: Row,
    now: Row,
    standing: Standing,
}

/// How the file stands to what is known of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The same, and the same as before the group.
    Same,
    /// It was changed in the file.
    Written,
    /// It is to be changed in the file.
    Unwritten,
}

impl Rows {
    /// A repo as it is in the group, if the group has met it.
    pub(super) fn now(&self, did: &Did) -> Option<Row> {
        self.0.get(did).map(|met| met.now.clone())
    }

    /// A repo was read, and is as it was before the group.
    pub(super) fn met(&mut self, did: &Did, row: &Row) {
        let met = Met { committed: row.clone(), now: row.clone(), standing: Standing::Same };
        self.0.insert(did.clone(), met);
    }

    /// A repo that was met has changed.
    pub(super) fn change(&mut self, repo: Repo) {
        if let Some(met) = self.0.get_mut(&repo.did) {
            met.now = Some(Arc::new(repo));
            met.standing = Standing::Unwritten;
        }
    }

    /// A repo that was met was changed in the file.
    pub(super) fn written(&mut self, did: &Did, repo: Option<Repo>) {
        if let Some(met) = self.0.get_mut(did) {
            met.now = repo.map(Arc::new);
            met.standing = Standing::Written;
        }
    }

    /// What is to be written, each with what was committed before.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = (Option<&Repo>, &Repo)> {
        let unwritten = self.0.values().filter(|met| met.standing == Standing::Unwritten && met.now != met.committed);
        unwritten.filter_map(|met| Some((met.committed.as_deref(), met.now.as_deref()?)))
    }

    /// All that has changed, as it is now.
    pub(super) fn changed(&mut self) -> Vec<(Did, Row)> {
        let met = std::mem::take(&mut self.0).into_iter();
        met.filter(|(_, met)| met.standing != Standing::Same).map(|(did, met)| (did, met.now)).collect()
    }
}
