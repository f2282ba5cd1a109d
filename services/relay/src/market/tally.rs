//! What the market counts for each day and kind of job. Counts are stored, as what is counted expires.

use super::{Job, JobState, Request};
use nexus_nostr::{
    Event, Kind, Seconds,
    nip::{
        nip45::HyperLogLog,
        nip90::{self, Status},
    },
};

/// What is counted. The names are kept for good: they are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Requests.
    Requests,
    /// Results.
    Results,
    /// Feedback of each status.
    Feedback(Status),
    /// Requests that their customers deleted.
    Cancelled,
    /// Millisatoshi that requests offered.
    BidMsat,
    /// Millisatoshi that results asked for.
    AmountMsat,
    /// Seconds from a request to its first result, summed over jobs.
    LatencySeconds,
    /// Jobs of which the latency is known.
    LatencyCount,
    /// Requests that ended without a result.
    Expired,
    /// How many customers asked: a register of HyperLogLog, of which the highest value counts and not the sum.
    Customers(u8),
    /// How many providers answered, in the same way.
    Providers(u8),
}

impl Counter {
    /// The byte of a key by which its register is chosen. It is kept for good: registers are on disk.
    pub const OFFSET: usize = 8;
    /// Every counter that is a sum.
    const SUMS: [Self; 13] = [
        Self::Requests,
        Self::Results,
        Self::Feedback(Status::PaymentRequired),
        Self::Feedback(Status::Processing),
        Self::Feedback(Status::Error),
        Self::Feedback(Status::Success),
        Self::Feedback(Status::Partial),
        Self::Cancelled,
        Self::BidMsat,
        Self::AmountMsat,
        Self::LatencySeconds,
        Self::LatencyCount,
        Self::Expired,
    ];

    /// The counter of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let register = |role: &str| name.strip_prefix(role)?.strip_prefix('_')?.parse().ok();
        let sum = || Self::SUMS.into_iter().find(|counter| counter.word() == name);
        let customers = register("customers").map(Self::Customers);
        customers.or_else(|| register("providers").map(Self::Providers)).or_else(sum)
    }

    /// The name on disk.
    pub fn name(self) -> String {
        match self.register() {
            Some(register) => format!("{}_{register}", self.word()),
            None => self.word().to_owned(),
        }
    }

    /// The register, if it is one.
    pub const fn register(self) -> Option<u8> {
        match self {
            Self::Customers(register) | Self::Providers(register) => Some(register),
            _ => None,
        }
    }

    /// What is known after `amount` was counted.
    pub fn joined(self, known: u64, amount: u64) -> u64 {
        if self.register().is_some() { known.max(amount) } else { known.saturating_add(amount) }
    }

    /// The name in statistics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Results => "results",
            Self::Feedback(Status::PaymentRequired) => "feedback_payment_required",
            Self::Feedback(Status::Processing) => "feedback_processing",
            Self::Feedback(Status::Error) => "feedback_error",
            Self::Feedback(Status::Success) => "feedback_success",
            Self::Feedback(Status::Partial) => "feedback_partial",
            Self::Cancelled => "cancelled",
            Self::BidMsat => "bid_msat",
            Self::AmountMsat => "amount_msat",
            Self::LatencySeconds => "latency_seconds",
            Self::LatencyCount => "latency_count",
            Self::Expired => "expired",
            Self::Customers(_) => "customers",
            Self::Providers(_) => "providers",
        }
    }
}

/// Something to add to a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Days since the epoch.
    pub day: i64,
    /// The kind of the request; for feedback to an unknown request its own.
    pub kind: Kind,
    /// What is counted.
    pub counter: Counter,
    /// How much is added; for a register, to what it is raised.
    pub amount: u64,
}

impl Tally {
    /// What to count for `event`, which `job` took into account; `latency` if it is the job's first result.
    pub(crate) fn of(event: &Event, job: &Job, received_at: Seconds, latency: Option<u64>) -> Vec<Self> {
        let kind = job.request.as_ref().map_or(fallback_kind(event.kind), |request| request.kind);
        let day = received_at.get() / 86_400;
        let tally = |counter, amount| Self { day, kind, counter, amount };
        let (register, rank) = HyperLogLog::place(&event.pubkey, Counter::OFFSET);
        if nip90::is_request(event.kind) {
            let bid = nip90::bid_msat(event).map(|bid| tally(Counter::BidMsat, bid));
            let requests = [tally(Counter::Requests, 1), tally(Counter::Customers(register), rank.into())];
            return requests.into_iter().chain(bid).collect();
        }
        let provider = tally(Counter::Providers(register), rank.into());
        if event.kind == Kind::JOB_FEEDBACK {
            let status = nip90::status_text(event).and_then(Status::parse);
            let feedback = status.map(|status| tally(Counter::Feedback(status), 1));
            return std::iter::once(provider).chain(feedback).collect();
        }
        let amount = nip90::amount_msat(event).map(|amount| tally(Counter::AmountMsat, amount));
        let latencies =
            latency.map(|seconds| [tally(Counter::LatencySeconds, seconds), tally(Counter::LatencyCount, 1)]);
        [provider, tally(Counter::Results, 1)]
            .into_iter()
            .chain(amount)
            .chain(latencies.into_iter().flatten())
            .collect()
    }

    /// What to count for a job whose request has expired: on the day on which it came, if there is no result.
    pub fn expired(job: &Job) -> Option<Self> {
        let request = job.request.as_ref()?;
        let is_expired = job.state(request.expires_at?) == JobState::Expired;
        let day = request.received_at.get() / 86_400;
        is_expired.then_some(Self { day, kind: request.kind, counter: Counter::Expired, amount: 1 })
    }

    /// What to count for a request that its customer deleted: on the day on which it came, which nobody chooses.
    pub(crate) const fn cancelled(request: &Request) -> Self {
        Self { day: request.received_at.get() / 86_400, kind: request.kind, counter: Counter::Cancelled, amount: 1 }
    }
}

const fn fallback_kind(kind: Kind) -> Kind {
    if nip90::is_result(kind) { Kind::new(kind.get() - 1000) } else { kind }
}
