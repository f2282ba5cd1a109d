//! The state of a job. What a job knows is a set of facts that only grows, and its state follows from them; so
//! it doesn't matter in which order requests, results and feedback arrive.

use crate::ports::PreparedEvent;
use nexus_nostr::{
    Event, EventId, Kind, PublicKey, Seconds,
    nip::{nip59, nip90},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many providers of a job are kept. The answers of further ones are stored, and not counted.
pub const PROVIDERS: usize = 1_000;

/// How much of an input's text is told: its type and its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// `url`, `event`, `job`, `text`, or what else the customer wrote.
    pub kind: String,
    /// Bytes.
    pub len: usize,
}

/// What is known about the job of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The request.
    pub id: EventId,
    /// What the request says; `None` as long as only answers came.
    pub request: Option<Request>,
    /// True if the customer deleted the request.
    pub cancelled: bool,
    /// Who answered.
    pub providers: BTreeMap<PublicKey, Provider>,
}

/// What a request says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which kind of job.
    pub kind: Kind,
    /// Who asks.
    pub customer: PublicKey,
    /// When it was written.
    pub created_at: Seconds,
    /// When it came.
    pub received_at: Seconds,
    /// From when on nobody need answer.
    pub expires_at: Option<Seconds>,
    /// What is offered, in millisatoshi.
    pub bid_msat: Option<u64>,
    /// The form in which the result is wanted.
    pub output: Option<String>,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// The topics.
    pub topics: Vec<String>,
    /// The providers that are wanted; empty for any.
    pub targets: Vec<PublicKey>,
    /// True if the inputs are encrypted.
    pub encrypted: bool,
}

/// What one provider has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// When the first answer came.
    pub first_seen: Seconds,
    /// What the newest answer says that says one of the five things.
    pub status: Option<nip90::Status>,
    /// The price of the newest answer that names one, in millisatoshi.
    pub amount_msat: Option<u64>,
    /// The result, the lowest id of several.
    pub result: Option<EventId>,
    /// When the first result came.
    pub result_at: Option<Seconds>,
    /// True if some answer names another customer than the request has.
    pub customer_mismatch: bool,
    named: Vec<PublicKey>,
    /// When the answer was written that `status` is from, and its id: they decide which is the newest.
    newest: Option<(Seconds, EventId)>,
    priced: Option<(Seconds, EventId)>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Nobody has answered.
    Open,
    /// Everybody who answered failed.
    Failed,
    /// Somebody is at it.
    Claimed,
    /// Somebody wants to be paid.
    PaymentRequired,
    /// Somebody has a part of the result.
    Partial,
    /// Nobody came up with a result in time.
    Expired,
    /// There is a result.
    Succeeded,
    /// The customer wants it no more.
    Cancelled,
}

/// Which jobs are asked for. Every member that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct JobQuery {
    /// The kind of the request.
    pub kind: Option<Kind>,
    /// Where the job stands at `now`.
    pub state: Option<JobState>,
    /// Who asks.
    pub customer: Option<PublicKey>,
    /// Who answered.
    pub provider: Option<PublicKey>,
    /// A topic.
    pub topic: Option<String>,
    /// Not written before.
    pub since: Option<Seconds>,
    /// Not written after.
    pub until: Option<Seconds>,
    /// Only what comes after this job in the order of the answer.
    pub after: Option<(Seconds, EventId)>,
    /// At most so many.
    pub limit: usize,
    /// The time, on which expiry depends.
    pub now: Seconds,
}

impl JobQuery {
    /// True if `job` is asked for. Jobs whose request never came are not. `limit` plays no part.
    pub fn matches(&self, job: &Job) -> bool {
        let Some(request) = &job.request else { return false };
        let after = |(at, id): (Seconds, EventId)| {
            (at, std::cmp::Reverse(id)) > (request.created_at, std::cmp::Reverse(job.id))
        };
        self.kind.is_none_or(|kind| kind == request.kind)
            && self.customer.is_none_or(|customer| customer == request.customer)
            && self.provider.is_none_or(|provider| job.providers.contains_key(&provider))
            && self.topic.as_ref().is_none_or(|topic| request.topics.contains(topic))
            && self.since.is_none_or(|since| since <= request.created_at)
            && self.until.is_none_or(|until| request.created_at <= until)
            && self.after.is_none_or(after)
            && self.state.is_none_or(|state| state == job.state(self.now))
    }
}

impl Job {
    /// A job of which nothing is known.
    pub const fn new(id: EventId) -> Self {
        Self { id, request: None, cancelled: false, providers: BTreeMap::new() }
    }

    /// The job that an event opens or answers.
    pub fn concerned(event: &Event) -> Option<EventId> {
        if nip90::is_request(event.kind) {
            return Some(event.id);
        }
        if nip90::is_result(event.kind) || event.kind == Kind::JOB_FEEDBACK {
            return nip90::request_id(event);
        }
        None
    }

    /// Takes a request, result or feedback into account. For the first result gives how many seconds it took.
    pub fn apply(&mut self, prepared: &PreparedEvent) -> Option<u64> {
        let event = prepared.event();
        let is_first = nip90::is_result(event.kind) && self.result().is_none();
        if nip90::is_request(event.kind) {
            // What came first stays: who repeats a request doesn't open its job again.
            self.request.get_or_insert_with(|| Request::read(prepared));
        } else if self.providers.len() >= PROVIDERS && !self.providers.contains_key(&event.pubkey) {
            return None;
        } else {
            let entry = self.providers.entry(event.pubkey);
            let provider = entry.or_insert_with(|| Provider::new(prepared.received_at()));
            provider.apply(event, prepared.received_at());
        }
        self.compare_customers();
        let request = self.request.as_ref().filter(|_| is_first)?;
        Some(prepared.received_at().distance(request.received_at))
    }

    /// The customer deleted the request: what it said is forgotten, that it was is not.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        if let Some(request) = &mut self.request {
            request.output = None;
            request.inputs.clear();
            request.topics.clear();
        }
    }

    /// Forgets what `provider` answered.
    pub fn forget_provider(&mut self, provider: &PublicKey) {
        self.providers.remove(provider);
    }

    /// Where the job stands at `now`.
    pub fn state(&self, now: Seconds) -> JobState {
        if self.cancelled {
            return JobState::Cancelled;
        }
        let furthest = self.providers.values().map(Provider::state).max().unwrap_or(JobState::Open);
        let expired = self.request.as_ref().and_then(|request| request.expires_at).is_some_and(|end| end <= now);
        if expired { furthest.max(JobState::Expired) } else { furthest }
    }

    /// The result, of the provider who had it first.
    pub fn result(&self) -> Option<EventId> {
        let with_result = self.providers.values().filter(|provider| provider.result.is_some());
        with_result.min_by_key(|provider| (provider.result_at, provider.result))?.result
    }

    fn compare_customers(&mut self) {
        let Some(request) = &self.request else { return };
        for provider in self.providers.values_mut() {
            provider.customer_mismatch = provider.named.iter().any(|named| *named != request.customer);
        }
    }
}

impl Request {
    fn read(prepared: &PreparedEvent) -> Self {
        let event = prepared.event();
        let inputs = event.tags.named("i").map(|tag| Input {
            kind: tag.get(2).unwrap_or_default().chars().take(16).collect(),
            len: tag.value().map_or(0, str::len),
        });
        Self {
            kind: event.kind,
            customer: event.pubkey,
            created_at: event.created_at,
            received_at: prepared.received_at(),
            expires_at: prepared.expires_at(),
            bid_msat: nip90::bid_msat(event),
            output: event.tags.values("output").next().map(str::to_owned),
            inputs: inputs.collect(),
            topics: event.tags.values("t").map(str::to_owned).collect(),
            targets: nip59::recipients(event).collect(),
            encrypted: event.tags.first("encrypted").is_some(),
        }
    }
}

impl Provider {
    const fn new(received_at: Seconds) -> Self {
        Self {
            first_seen: received_at,
            status: None,
            amount_msat: None,
            result: None,
            result_at: None,
            customer_mismatch: false,
            named: Vec::new(),
            newest: None,
            priced: None,
        }
    }

    fn apply(&mut self, event: &Event, received_at: Seconds) {
        let is_result = nip90::is_result(event.kind);
        let moment = (event.created_at, event.id);
        self.first_seen = self.first_seen.min(received_at);
        let said = if is_result { Some(nip90::Status::Success) } else { status(event) };
        if said.is_some() && self.newest.is_none_or(|newest| moment > newest) {
            self.newest = Some(moment);
            self.status = said;
        }
        if let Some(amount) = nip90::amount_msat(event)
            && self.priced.is_none_or(|priced| moment >= priced)
        {
            self.amount_msat = Some(amount);
            self.priced = Some(moment);
        }
        if is_result {
            self.result = Some(self.result.map_or(event.id, |result| result.min(event.id)));
            self.result_at = Some(self.result_at.map_or(received_at, |first| first.min(received_at)));
        }
        self.name_customer(event);
    }

    fn name_customer(&mut self, event: &Event) {
        if let Some(customer) = nip90::customer(event)
            && let Err(place) = self.named.binary_search(&customer)
        {
            self.named.insert(place, customer);
            // Two are enough to know that one of them isn't the request's.
            self.named.truncate(2);
        }
    }

    /// True if there is a result, or it says so.
    pub(super) fn has_succeeded(&self) -> bool {
        self.state() == JobState::Succeeded
    }

    /// True if the last that it says is an error.
    pub(super) fn has_failed(&self) -> bool {
        self.state() == JobState::Failed
    }

    /// How far this provider has come. A result can't be taken back.
    fn state(&self) -> JobState {
        if self.result.is_some() {
            return JobState::Succeeded;
        }
        match self.status {
            Some(nip90::Status::Success) => JobState::Succeeded,
            Some(nip90::Status::Partial) => JobState::Partial,
            Some(nip90::Status::PaymentRequired) => JobState::PaymentRequired,
            Some(nip90::Status::Error) => JobState::Failed,
            Some(nip90::Status::Processing) | None => JobState::Claimed,
        }
    }
}

fn status(feedback: &Event) -> Option<nip90::Status> {
    nip90::Status::parse(nip90::status_text(feedback)?)
}
