//! What the market counts for each day and kind of job. Counts are stored, as what is counted expires.

use super::{Job, Request};
use nexus_nostr::{
    Event, Kind, Seconds,
    nip::nip90::{self, Status},
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
}

impl Counter {
    /// Every counter.
    pub const ALL: [Self; 12] = [
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
    ];

    /// The counter of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|counter| counter.as_str() == name)
    }

    /// The name on disk and in statistics.
    pub const fn as_str(self) -> &'static str {
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
    /// How much is added.
    pub amount: u64,
}

impl Tally {
    /// What to count for `event`, which `job` took into account; `latency` if it is the job's first result.
    pub(crate) fn of(event: &Event, job: &Job, received_at: Seconds, latency: Option<u64>) -> Vec<Self> {
        let kind = job.request.as_ref().map_or(fallback_kind(event.kind), |request| request.kind);
        let day = received_at.get() / 86_400;
        let tally = |counter, amount| Self { day, kind, counter, amount };
        if nip90::is_request(event.kind) {
            let bid = nip90::bid_msat(event).map(|bid| tally(Counter::BidMsat, bid));
            return std::iter::once(tally(Counter::Requests, 1)).chain(bid).collect();
        }
        if event.kind == Kind::JOB_FEEDBACK {
            let status = nip90::status_text(event).and_then(Status::parse);
            return status.map(|status| tally(Counter::Feedback(status), 1)).into_iter().collect();
        }
        let amount = nip90::amount_msat(event).map(|amount| tally(Counter::AmountMsat, amount));
        let latencies =
            latency.map(|seconds| [tally(Counter::LatencySeconds, seconds), tally(Counter::LatencyCount, 1)]);
        std::iter::once(tally(Counter::Results, 1)).chain(amount).chain(latencies.into_iter().flatten()).collect()
    }

    /// What to count for a request that its customer deleted: on the day on which it came, which nobody chooses.
    pub(crate) const fn cancelled(request: &Request) -> Self {
        Self { day: request.received_at.get() / 86_400, kind: request.kind, counter: Counter::Cancelled, amount: 1 }
    }
}

const fn fallback_kind(kind: Kind) -> Kind {
    if nip90::is_result(kind) { Kind::new(kind.get() - 1000) } else { kind }
}
