//! Retries that are being fetched while logs go on. A newer event of the same record makes the retried one void:
//! what was fetched for it may be older than the deletion that has just been read.

use nexus_pubky::Address;
use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Which records are being retried, and whether a newer event has come meanwhile.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    retries: Mutex<HashMap<Address, bool>>,
    count: AtomicUsize,
}

impl InFlight {
    /// A retry begins. False if one of the same record is under way.
    pub(crate) fn begin(&self, address: &Address) -> bool {
        let mut retries = self.locked();
        let is_new = !retries.contains_key(address);
        if is_new {
            retries.insert(address.clone(), false);
            self.count.store(retries.len(), Ordering::SeqCst);
        }
        is_new
    }

    /// A newer event is about to be handed to the writer.
    pub(crate) fn supersede(&self, address: &Address) {
        if self.count.load(Ordering::SeqCst) > 0
            && let Some(superseded) = self.locked().get_mut(address)
        {
            *superseded = true;
        }
    }

    /// Hands over what was retried, unless it is void. Newer events wait meanwhile, so none can slip in between.
    pub(crate) fn hand_over<T>(&self, address: &Address, hand_over: impl FnOnce() -> T) -> Option<T> {
        let retries = self.locked();
        (retries.get(address) == Some(&false)).then(hand_over)
    }

    /// A retry has ended.
    pub(crate) fn end(&self, address: &Address) {
        let mut retries = self.locked();
        retries.remove(address);
        self.count.store(retries.len(), Ordering::SeqCst);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Address, bool>> {
        // Each change is a single insertion, removal or flag.
        self.retries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_event_voids_a_retry() {
        let in_flight = InFlight::default();
        let address: Address =
            "pubky://operrr8wsbpr3ue9d4qj41ge1kcc6r7fdiy6o3ugjrrhi4y77rdo/pub/pubky.app/profile.json".parse().unwrap();
        in_flight.supersede(&address);
        assert!(in_flight.begin(&address), "an event before the retry is none of its business");
        assert!(!in_flight.begin(&address));
        assert_eq!(in_flight.hand_over(&address, || 1), Some(1));
        in_flight.supersede(&address);
        assert_eq!(in_flight.hand_over(&address, || 1), None);
        in_flight.end(&address);
        assert!(in_flight.begin(&address));
    }
}
