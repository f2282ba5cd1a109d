//! Statistics: the relay as a whole, and what the market counted for each day and kind of job.

use super::{
    Answer, Market, Refusal,
    caller::{Asked, Caller},
    text_answer,
};
use crate::backend::Backend;
use axum::extract::State;
use nexus_nostr::{Filter, Kind, PublicKey, Seconds, nip::nip45::HyperLogLog};
use nexus_relay::{
    market::{Counter, Job, JobQuery, JobState, Tally},
    ports::{Scope, StorageAdapter, WebSocketAdapter},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400;
const DEFAULT_DAYS: i64 = 7;
const MAX_DAYS: i64 = 90;
/// How many jobs are looked at, the newest first.
const JOBS: usize = 5_000;

/// For which days.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    days: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Stats {
    relay: RelayStats,
    market: MarketStats,
}

#[derive(Debug, Serialize)]
struct RelayStats {
    connections: usize,
    events: u64,
    /// True if there are more events than were counted.
    approximate: bool,
}

#[derive(Debug, Serialize)]
struct MarketStats {
    days: Vec<DayStats>,
    /// Of the jobs written since the first of these days.
    jobs: BTreeMap<&'static str, u64>,
    customers: usize,
    providers: usize,
    /// True if only the newest jobs were looked at.
    approximate: bool,
}

/// What was counted on one day for one kind of request.
#[derive(Debug, Serialize)]
struct DayStats {
    day: i64,
    kind: u16,
    #[serde(flatten)]
    counts: BTreeMap<&'static str, u64>,
}

/// Sums, and registers of which each set tells how many there were.
#[derive(Default)]
struct Counts {
    sums: BTreeMap<&'static str, u64>,
    parties: BTreeMap<&'static str, HyperLogLog>,
}

/// `GET /api/v1/stats`, `GET /api/stats`
pub(super) async fn stats<B: Backend>(
    State(market): State<Market<B>>,
    Asked(wanted): Asked<Wanted>,
    caller: Caller,
) -> Answer {
    let days = wanted.days.unwrap_or(DEFAULT_DAYS).clamp(1, MAX_DAYS);
    let question = format!("stats {days}");
    if let Some(answer) = market.recent.get(&question) {
        return Ok(text_answer(answer));
    }
    let scope = market.relay.scope_of(&caller.asker);
    let first_day = scope.now.get() / DAY - days + 1;
    let stats =
        Stats { relay: relay_stats(&market).await?, market: market_stats(&market, first_day, scope.now).await? };
    let answer = serde_json::to_string(&stats).map_err(|_| Refusal::unavailable())?;
    market.recent.put(question, &answer);
    Ok(text_answer(answer))
}

async fn relay_stats<B: Backend>(market: &Market<B>) -> Result<RelayStats, Refusal> {
    let cap = market.relay.settings().limits.count;
    let counted = market.relay.storage().count(&[Filter::new()], cap, None, &Scope::operator()).await;
    let counted = counted.map_err(|error| Market::<B>::failed(&error))?;
    let connections = market.relay.sockets().connections().len();
    Ok(RelayStats { connections, events: counted.count, approximate: counted.capped })
}

async fn market_stats<B: Backend>(market: &Market<B>, first_day: i64, now: Seconds) -> Result<MarketStats, Refusal> {
    let storage = market.relay.storage();
    let tallies = storage.tallies(first_day).await.map_err(|error| Market::<B>::failed(&error))?;
    let since = Some(Seconds::new(first_day * DAY));
    let query = JobQuery { since, limit: JOBS, now, ..JobQuery::default() };
    let jobs = storage.jobs(&query).await.map_err(|error| Market::<B>::failed(&error))?;
    let customers: BTreeSet<PublicKey> = jobs.iter().filter_map(|job| Some(job.request.as_ref()?.customer)).collect();
    let providers: BTreeSet<&PublicKey> = jobs.iter().flat_map(|job| job.providers.keys()).collect();
    Ok(MarketStats {
        days: by_day(tallies),
        customers: customers.len(),
        providers: providers.len(),
        approximate: jobs.len() == JOBS,
        jobs: by_state(&jobs, now),
    })
}

fn by_day(tallies: Vec<Tally>) -> Vec<DayStats> {
    let mut days: BTreeMap<(i64, Kind), Counts> = BTreeMap::new();
    for tally in tallies {
        days.entry((tally.day, tally.kind)).or_default().add(tally.counter, tally.amount);
    }
    days.into_iter().map(|((day, kind), counts)| DayStats { day, kind: kind.get(), counts: counts.told() }).collect()
}

impl Counts {
    fn add(&mut self, counter: Counter, amount: u64) {
        match counter.register() {
            Some(register) => {
                let empty = || HyperLogLog::with_offset(Counter::OFFSET);
                let party = self.parties.entry(counter.word()).or_insert_with(empty);
                party.raise(register, u8::try_from(amount).unwrap_or(u8::MAX));
            }
            None => drop(self.sums.insert(counter.word(), amount)),
        }
    }

    fn told(self) -> BTreeMap<&'static str, u64> {
        // Estimates are small and never negative.
        let parties = self.parties.into_iter().map(|(word, party)| (word, party.estimate().round() as u64));
        self.sums.into_iter().chain(parties).collect()
    }
}

fn by_state(jobs: &[Job], now: Seconds) -> BTreeMap<&'static str, u64> {
    let mut states = BTreeMap::new();
    for job in jobs {
        *states.entry(name(job.state(now))).or_default() += 1;
    }
    states
}

const fn name(state: JobState) -> &'static str {
    match state {
        JobState::Open => "open",
        JobState::Failed => "failed",
        JobState::Claimed => "claimed",
        JobState::PaymentRequired => "payment_required",
        JobState::Partial => "partial",
        JobState::Expired => "expired",
        JobState::Succeeded => "succeeded",
        JobState::Cancelled => "cancelled",
    }
}
