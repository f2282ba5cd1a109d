//! What is known about a provider: how its jobs went, and what others say of it with labels. (NIP-32)

use super::Job;
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
    /// Seconds from a request to its result, of the job in the middle.
    pub median_latency: Option<u64>,
    /// When it last began to answer, or had a result.
    pub last_seen: Option<Seconds>,
}

impl Performance {
    /// What `jobs` say about `provider`.
    pub fn of(provider: &PublicKey, jobs: &[Job]) -> Self {
        let mut performance = Self::default();
        let mut latencies = Vec::new();
        for (job, answer) in jobs.iter().filter_map(|job| Some((job, job.providers.get(provider)?))) {
            performance.jobs += 1;
            performance.succeeded += u64::from(answer.has_succeeded());
            performance.failed += u64::from(answer.has_failed());
            let seen = answer.result_at.unwrap_or(answer.first_seen).max(answer.first_seen);
            performance.last_seen = performance.last_seen.max(Some(seen));
            if let (Some(request), Some(at)) = (&job.request, answer.result_at) {
                latencies.push(at.distance(request.received_at));
            }
        }
        latencies.sort_unstable();
        performance.median_latency = latencies.get(latencies.len().saturating_sub(1) / 2).copied();
        let ended = performance.succeeded + performance.failed;
        performance.success_rate = (ended > 0).then(|| performance.succeeded as f64 / ended as f64);
        performance
    }
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
