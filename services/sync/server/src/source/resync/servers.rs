//! The servers that repos are fetched from, each with its own bounds.

use crate::source::turnstile::Turnstile;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Servers that are remembered although nothing is fetched from them now.
const AT_REST: usize = 1_000;

/// Every server of late.
#[derive(Debug)]
pub(super) struct Servers {
    places: usize,
    known: Mutex<HashMap<Arc<str>, Arc<Turnstile>>>,
}

impl Servers {
    /// Lets `places` requests at once through to each server.
    pub(super) fn new(places: usize) -> Self {
        Self { places, known: Mutex::default() }
    }

    /// The server at this address.
    pub(super) fn at(&self, pds: &str) -> Arc<Turnstile> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = known.get(pds) {
            return Arc::clone(server);
        }
        if known.len() >= AT_REST {
            known.retain(|_, server| Arc::strong_count(server) > 1 || server.paused().is_some());
        }
        let server = Arc::new(Turnstile::new(self.places, 0));
        known.insert(pds.into(), Arc::clone(&server));
        server
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn servers_at_rest_are_forgotten_and_those_that_asked_for_patience_are_not() {
        let servers = Servers::new(1);
        servers.at("busy").pause(Duration::from_secs(60));
        let used = servers.at("used");
        (0..3 * AT_REST).for_each(|n| drop(servers.at(&n.to_string())));
        assert!(servers.known.lock().unwrap().len() <= AT_REST);
        assert!(servers.at("busy").paused().is_some());
        assert!(Arc::ptr_eq(&servers.at("used"), &used));
    }
}
