//! A generated network of which every record is worth a line in the log of handled events: no repeats, and
//! nobody follows themselves.

use bytes::Bytes;
use nexus_fake_homeserver::{FakeHomeserver, Network, Plan};
use std::collections::BTreeSet;

/// A user, a path and a body.
pub(crate) type Written = (String, String, Bytes);

/// About so many records.
pub(crate) fn distinct(events: usize, users: usize, seed: u64) -> Vec<Written> {
    let mut seen = BTreeSet::new();
    let mut records = Network::generate(Plan { events, users, seed }).records;
    records.retain(|(user, path, _)| !path.ends_with(user.as_str()) && seen.insert((user.clone(), path.clone())));
    records
}

pub(crate) fn write(homeserver: &FakeHomeserver, records: &[Written]) {
    for (user, path, body) in records {
        homeserver.put(user, path, body.clone());
    }
}

/// The lines of the log that the records are worth.
pub(crate) fn lines(records: &[Written]) -> Vec<String> {
    records.iter().map(|(user, path, _)| format!("PUT pubky://{user}{path}")).collect()
}

/// Everybody who wrote.
pub(crate) fn users(records: &[Written]) -> BTreeSet<&str> {
    records.iter().map(|(user, ..)| user.as_str()).collect()
}
