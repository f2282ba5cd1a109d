//! The index as many readers and one writer share it.

use super::Index;
use crate::effects::Effects;
use parking_lot::{RwLock, RwLockReadGuard};

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

    /// Applies a committed group, in its order. Readers see all of it or nothing.
    pub fn publish(&self, effects: &[Effects]) {
        let mut index = self.0.write();
        effects.iter().for_each(|effects| index.apply(effects));
    }
}
