//! Jobs as the API tells of them.

use nexus_nostr::{EventId, PublicKey, Seconds, nip::nip90::Status};
use nexus_relay::{
    market::{Job, JobState, Provider},
    ports::{Scope, Viewer},
};
use serde::Serialize;

/// A job in a list.
#[derive(Debug, Serialize)]
pub(super) struct JobView {
    id: EventId,
    kind: u16,
    customer: PublicKey,
    pub(super) state: JobState,
    created_at: Seconds,
    received_at: Seconds,
    expires_at: Option<Seconds>,
    bid_msat: Option<u64>,
    output: Option<String>,
    inputs: Vec<InputView>,
    tags_t: Vec<String>,
    targets: Vec<PublicKey>,
    encrypted: bool,
    providers: usize,
    result_id: Option<EventId>,
}

#[derive(Debug, Serialize)]
struct InputView {
    #[serde(rename = "type")]
    kind: String,
    len: usize,
}

/// What one provider has answered.
#[derive(Debug, Serialize)]
pub(super) struct ProviderView {
    pubkey: PublicKey,
    first_seen: Seconds,
    status: Option<Status>,
    amount_msat: Option<u64>,
    result_id: Option<EventId>,
    result_at: Option<Seconds>,
    latency: Option<u64>,
    customer_mismatch: bool,
}

impl JobView {
    /// A job as it stands at `now`; `None` if its request never came.
    pub(super) fn of(job: &Job, now: Seconds) -> Option<Self> {
        let request = job.request.as_ref()?;
        let input = |input: &nexus_relay::market::Input| InputView { kind: input.kind.clone(), len: input.len };
        Some(Self {
            id: job.id,
            kind: request.kind.get(),
            customer: request.customer,
            state: job.state(now),
            created_at: request.created_at,
            received_at: request.received_at,
            expires_at: request.expires_at,
            bid_msat: request.bid_msat,
            output: request.output.clone(),
            inputs: request.inputs.iter().map(input).collect(),
            tags_t: request.topics.clone(),
            targets: request.targets.clone(),
            encrypted: request.encrypted,
            providers: job.providers.len(),
            result_id: job.result(),
        })
    }
}

/// All providers of a job, the first first.
pub(super) fn providers(job: &Job) -> Vec<ProviderView> {
    let view = |(pubkey, provider): (&PublicKey, &Provider)| ProviderView {
        pubkey: *pubkey,
        first_seen: provider.first_seen,
        status: provider.status,
        amount_msat: provider.amount_msat,
        result_id: provider.result,
        result_at: provider.result_at,
        latency: job.request.as_ref().zip(provider.result_at).map(|(request, at)| at.distance(request.received_at)),
        customer_mismatch: provider.customer_mismatch,
    };
    let mut views: Vec<ProviderView> = job.providers.iter().map(view).collect();
    views.sort_by_key(|view| (view.first_seen, view.pubkey));
    views
}

/// True if a viewer may know of a job: its kind isn't restricted, or they are its customer or wanted for it.
pub(super) fn may_see(job: &Job, scope: &Scope) -> bool {
    let Some(request) = &job.request else { return false };
    if !scope.restricted_kinds.contains(&request.kind) {
        return true;
    }
    match &scope.viewer {
        Viewer::Operator => true,
        Viewer::Client(keys) => keys.iter().any(|key| *key == request.customer || request.targets.contains(key)),
    }
}
