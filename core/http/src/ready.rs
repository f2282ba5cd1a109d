//! Readiness: a list of conditions that services register. The program is ready when all of them hold.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

/// Every condition of the program. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<RwLock<Vec<Condition>>>);

/// Something that must hold before clients should come, such as "social: homeserver X was read to its head".
#[derive(Clone, Debug)]
pub struct Condition {
    name: Arc<str>,
    holds: Arc<AtomicBool>,
}

impl Condition {
    /// It holds now.
    pub fn reached(&self) {
        self.holds.store(true, Ordering::Release);
    }

    /// It no longer holds.
    pub fn lost(&self) {
        self.holds.store(false, Ordering::Release);
    }

    /// True if it holds.
    pub fn holds(&self) -> bool {
        self.holds.load(Ordering::Acquire)
    }
}

impl Readiness {
    /// Adds a condition that doesn't hold yet.
    pub fn register(&self, name: impl Into<Arc<str>>) -> Condition {
        let condition = Condition { name: name.into(), holds: Arc::default() };
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(condition.clone());
        condition
    }

    /// True if every condition holds, or there is none.
    pub fn is_ready(&self) -> bool {
        self.missing().is_empty()
    }

    /// The names of the conditions that don't hold. Empty means ready.
    pub fn missing(&self) -> Vec<Arc<str>> {
        let conditions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        conditions.iter().filter(|c| !c.holds()).map(|c| c.name.clone()).collect()
    }
}
