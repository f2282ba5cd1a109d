//! The index as many readers and one writer share it.

use super::Index;
use crate::effects::{Effects, RowChange};
use nexus_pubky::PubkyId;
use parking_lot::{RwLock, RwLockReadGuard, RwLockUpgradableReadGuard};

/// An index behind a lock that readers hold for the length of one answer.
#[derive(Debug, Default)]
pub struct Published(RwLock<Index>);

impl Published {
    /// Shares an index.
    pub fn new(index: Index) -> Self {
        Self(RwLock::new(index))
    }

    /// The index as it is now. Keep the guard no longer than one answer takes: the writer waits for it, and
    /// never hold it across an `await`.
    pub fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.0.read()
    }

    /// Applies a committed group, in its order. Readers see all of it or nothing; only what stands before new trust
    /// scores they see first, since what follows from those takes long to reckon and is reckoned beside them.
    pub fn publish(&self, effects: &[Effects]) {
        let is_plain = |effects: &Effects| new_trust(effects).is_none();
        for part in effects.chunk_by(|a, b| is_plain(a) && is_plain(b)) {
            match part {
                [alone] if let Some(scores) = new_trust(alone) => self.publish_trust(scores),
                part => {
                    let mut index = self.0.write();
                    part.iter().for_each(|effects| index.apply(effects));
                }
            }
        }
    }

    fn publish_trust(&self, scores: &[(PubkyId, f64)]) {
        let index = self.0.upgradable_read();
        let mut starters = index.starters_with(scores);
        RwLockUpgradableReadGuard::upgrade(index).take_trust(scores, &mut starters);
        // Nobody waits while the old ones are given up.
        drop(starters);
    }
}

/// The trust scores that an event's effects consist of, if it is those.
fn new_trust(effects: &Effects) -> Option<&[(PubkyId, f64)]> {
    match effects.rows.as_slice() {
        [RowChange::SetTrust(scores)] => Some(scores),
        _ => None,
    }
}
