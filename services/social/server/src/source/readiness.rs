//! Whether every configured homeserver has once been read to its head: what `/ready` asks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Tells whether the sources have caught up. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicUsize>);

impl Readiness {
    /// True if every configured homeserver has been read to its head once, or none is configured.
    pub fn is_ready(&self) -> bool {
        self.behind() == 0
    }

    /// How many configured homeservers have not been read to their head yet.
    pub fn behind(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// One more homeserver that has to be read.
    pub(crate) fn await_one(&self) -> CatchingUp {
        self.0.fetch_add(1, Ordering::SeqCst);
        CatchingUp(Some(self.clone()))
    }
}

/// A homeserver that has not been read to its head yet.
#[derive(Debug)]
pub(crate) struct CatchingUp(Option<Readiness>);

impl CatchingUp {
    /// It has been.
    pub(crate) fn done(&mut self) {
        if let Some(readiness) = self.0.take() {
            readiness.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub(crate) const fn is_done(&self) -> bool {
        self.0.is_none()
    }
}
