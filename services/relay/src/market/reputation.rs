//! What is known about a provider: how its jobs went, and what others say of it with labels. (NIP-32)

use nexus_nostr::{Event, Kind, PublicKey, Seconds, nip::nip59};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The namespace of labels that name none. (NIP-32)
const UNNAMED: &str = "ugc";

/// How a provider's jobs went.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Performance {
    /// Jobs that it answered.
    pub jobs: u64,
    /// Those of them for which it had a result.
    pub succeeded: u64,
    /// Those of them for which it reported nothing but an error.
    pub failed: u64,
    /// The share of results among jobs that came to an end; nothing, if none did.
    pub success_rate: Option<f64>,
    /// Seconds from a request to its result, of the job in the middle: exact below 16, else at most an eighth too low.
    pub median_latency: Option<u64>,
    /// When it last began to answer, or had a result.
    pub last_seen: Option<Seconds>,
}

/// Labels by namespace, each with the number of those who gave it.
pub type Labels = BTreeMap<String, BTreeMap<String, u64>>;

/// The labels that `events` give to `about`. Nobody counts twice for one label, and nobody for themselves.
pub fn labels<'a>(about: &PublicKey, events: impl IntoIterator<Item = &'a Event>) -> Labels {
    let mut given: BTreeMap<(String, String), BTreeSet<PublicKey>> = BTreeMap::new();
    let concerned = events
        .into_iter()
        .filter(|event| event.kind == Kind::LABEL && event.pubkey != *about && nip59::is_recipient(event, about));
    for event in concerned {
        for tag in event.tags.named("l") {
            if let Some(label) = tag.value() {
                let namespace = tag.get(2).unwrap_or(UNNAMED);
                given.entry((namespace.to_owned(), label.to_owned())).or_default().insert(event.pubkey);
            }
        }
    }
    let mut labels = Labels::new();
    for ((namespace, label), givers) in given {
        labels.entry(namespace).or_default().insert(label, givers.len() as u64);
    }
    labels
}
