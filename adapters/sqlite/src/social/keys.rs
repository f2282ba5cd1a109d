//! Numbers of users, kept at hand for the writer.

use nexus_pubky::PubkyId;
use std::collections::HashMap;

/// How many numbers are kept; then all are forgotten, and read again as they are needed.
const MOST: usize = 1 << 18;

/// Numbers that are committed, and those that the open group has given.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: HashMap<PubkyId, i64>,
    uncommitted: Vec<PubkyId>,
}

impl Keys {
    pub(super) fn get(&self, id: &PubkyId) -> Option<i64> {
        self.known.get(id).copied()
    }

    /// Keeps a number that the file has.
    pub(super) fn found(&mut self, id: &PubkyId, number: i64) {
        if self.known.len() < MOST {
            self.known.insert(*id, number);
        }
    }

    /// Keeps a number that the open group has given.
    pub(super) fn given(&mut self, id: &PubkyId, number: i64) {
        self.known.insert(*id, number);
        self.uncommitted.push(*id);
    }

    /// Forgets what a group had given that was not committed.
    pub(super) fn begin(&mut self) {
        for id in self.uncommitted.drain(..) {
            self.known.remove(&id);
        }
    }

    /// What the group gave holds now.
    pub(super) fn committed(&mut self) {
        self.uncommitted.clear();
        if self.known.len() >= MOST {
            self.known.clear();
        }
    }
}
