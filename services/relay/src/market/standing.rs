//! How each provider's jobs went, as counts that follow the jobs. They are asked for often, and by strangers, so
//! they are stored beside the jobs: an answer costs as much for a provider of a million jobs as for one of ten.
//!
//! Only jobs count whose request is known. A job that goes because its customer vanished counts no more.

use super::{Job, Performance};
use nexus_nostr::{PublicKey, Seconds};
use std::collections::{BTreeMap, BTreeSet};

/// Seconds up to which latencies are told apart one by one.
const EXACT: u64 = 16;
/// Into how many parts each doubling above that is cut.
const PARTS: u64 = 8;

/// What is counted. The names are kept for good: they are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Jobs that the provider answered.
    Jobs,
    /// Those of them for which it had a result.
    Succeeded,
    /// Those of them for which it reported nothing but an error.
    Failed,
    /// When it last began to answer, or had a result: the latest counts, and not the sum.
    LastSeen,
    /// Results that took about as long, by the number of their range.
    Latency(u16),
}

impl Measure {
    /// The name on disk.
    pub fn name(self) -> String {
        match self {
            Self::Jobs => "jobs".to_owned(),
            Self::Succeeded => "succeeded".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::LastSeen => "last_seen".to_owned(),
            Self::Latency(range) => format!("latency_{range}"),
        }
    }

    /// The measure of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "jobs" => Self::Jobs,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "last_seen" => Self::LastSeen,
            _ => Self::Latency(name.strip_prefix("latency_")?.parse().ok()?),
        })
    }
}

/// Something to add to what is known of a provider; for [`Measure::LastSeen`] what it is at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The provider.
    pub provider: PublicKey,
    /// What is counted.
    pub measure: Measure,
    /// How much.
    pub amount: i64,
}

/// What is known of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing(BTreeMap<Measure, i64>);

impl Standing {
    /// Adds to what is known.
    pub fn add(&mut self, measure: Measure, amount: i64) {
        let known = self.0.entry(measure).or_default();
        *known = if measure == Measure::LastSeen { amount.max(*known) } else { known.saturating_add(amount) };
        if *known == 0 {
            self.0.remove(&measure);
        }
    }

    /// Everything that is known, as it would be told of `provider`.
    pub fn marks(&self, provider: PublicKey) -> impl Iterator<Item = Mark> + '_ {
        self.0.iter().map(move |(&measure, &amount)| Mark { provider, measure, amount })
    }

    /// What it means.
    pub fn performance(&self) -> Performance {
        let (succeeded, failed) = (self.count(Measure::Succeeded), self.count(Measure::Failed));
        let ended = succeeded + failed;
        Performance {
            jobs: self.count(Measure::Jobs),
            succeeded,
            failed,
            success_rate: (ended > 0).then(|| succeeded as f64 / ended as f64),
            median_latency: self.median(),
            last_seen: self.0.get(&Measure::LastSeen).map(|seconds| Seconds::new(*seconds)),
        }
    }

    fn count(&self, measure: Measure) -> u64 {
        self.0.get(&measure).map_or(0, |amount| u64::try_from(*amount).unwrap_or(0))
    }

    /// The latency in the middle, or the least of its range; of two in the middle the lower.
    fn median(&self) -> Option<u64> {
        let ranges = || {
            self.0.range(Measure::Latency(0)..).filter_map(|(measure, &amount)| match measure {
                Measure::Latency(range) if amount > 0 => Some((*range, amount)),
                _ => None,
            })
        };
        let middle = (ranges().map(|(_, amount)| amount).sum::<i64>() + 1) / 2;
        let mut seen = 0;
        let (range, _) = ranges().find(|(_, amount)| {
            seen += amount;
            seen >= middle
        })?;
        Some(least(range))
    }
}

/// How the jobs of all providers went, counted from nothing.
#[derive(Clone, Debug, Default)]
pub struct Standings(BTreeMap<PublicKey, Standing>);

impl Standings {
    /// Counts one more job.
    pub fn count(&mut self, job: &Job) {
        for Mark { provider, measure, amount } in marks(None, Some(job)) {
            self.0.entry(provider).or_default().add(measure, amount);
        }
    }

    /// What was counted.
    pub fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        self.0.iter().flat_map(|(provider, standing)| standing.marks(*provider))
    }

    /// How many providers have jobs that count.
    pub fn providers(&self) -> usize {
        self.0.len()
    }
}

/// What changes when a job becomes `after` that was `before`.
pub fn marks(before: Option<&Job>, after: Option<&Job>) -> Vec<Mark> {
    let providers = |job: Option<&Job>| job.map(|job| job.providers.keys().copied().collect()).unwrap_or_default();
    let all: BTreeSet<PublicKey> = [before, after].into_iter().flat_map(providers as fn(_) -> Vec<_>).collect();
    let mut marks = Vec::new();
    for provider in all {
        let (before, after) = (share(before, &provider), share(after, &provider));
        let mut change = BTreeMap::new();
        for (measure, amount) in &after {
            *change.entry(*measure).or_default() += amount;
        }
        for (measure, amount) in &before {
            *change.entry(*measure).or_default() -= amount;
        }
        // A moment is no sum: it is told whole, where it is later.
        if let Some(moved) = change.get_mut(&Measure::LastSeen) {
            *moved = if *moved > 0 { after.get(&Measure::LastSeen).copied().unwrap_or(0) } else { 0 };
        }
        let changed = change.into_iter().filter(|(_, amount)| *amount != 0);
        marks.extend(changed.map(|(measure, amount)| Mark { provider, measure, amount }));
    }
    marks
}

/// What one job says of one of its providers.
fn share(job: Option<&Job>, provider: &PublicKey) -> BTreeMap<Measure, i64> {
    let known = job.and_then(|job| Some((job.request.as_ref()?, job.providers.get(provider)?)));
    let Some((request, answer)) = known else { return BTreeMap::new() };
    let seen = answer.result_at.unwrap_or(answer.first_seen).max(answer.first_seen);
    let mut share = BTreeMap::from([(Measure::Jobs, 1), (Measure::LastSeen, seen.get())]);
    if answer.has_succeeded() {
        share.insert(Measure::Succeeded, 1);
    }
    if answer.has_failed() {
        share.insert(Measure::Failed, 1);
    }
    if let Some(at) = answer.result_at {
        share.insert(Measure::Latency(range(at.distance(request.received_at))), 1);
    }
    share
}

/// The range in which a latency lies: one for each second at first, then eight for each doubling.
fn range(seconds: u64) -> u16 {
    if seconds < EXACT {
        return u16::try_from(seconds).unwrap_or(u16::MAX);
    }
    let doublings = u64::from(seconds.ilog2()) - u64::from(EXACT.ilog2());
    let part = (seconds >> (doublings + 1)) - PARTS;
    u16::try_from(EXACT + doublings * PARTS + part).unwrap_or(u16::MAX)
}

/// The least latency of a range.
fn least(range: u16) -> u64 {
    let range = u64::from(range);
    let Some(beyond) = range.checked_sub(EXACT) else { return range };
    let (doublings, part) = (beyond / PARTS, beyond % PARTS);
    (PARTS + part).checked_shl(u32::try_from(doublings + 1).unwrap_or(u32::MAX)).unwrap_or(u64::MAX)
}
