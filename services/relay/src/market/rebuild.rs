//! Jobs made again from stored events. A job's facts only grow, and learning one twice changes nothing; so the
//! events are told to the rows that are there, and what expired events told is kept. How providers stand follows
//! from all rows.

use super::{Job, JobQuery, Standings};
use crate::ports::{PreparedEvent, StorageAdapter, StorageError};
use nexus_model::Seq;
use nexus_nostr::{EventId, Kind, nip::nip09};
use std::collections::{BTreeMap, btree_map::Entry};

/// Events that are read at once.
const BATCH: usize = 1_000;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Stored events that were looked at.
    pub events: u64,
    /// Jobs that they concern, each counted once for every batch of events that names it.
    pub jobs: u64,
    /// Jobs that were not as they are now.
    pub changed: u64,
    /// Providers whose jobs were counted.
    pub providers: u64,
}

/// Brings all job rows in line with the stored events. No other call may write to the store meanwhile.
///
/// # Errors
/// The store's.
pub async fn rebuild<S: StorageAdapter>(storage: &S) -> Result<Rebuilt, StorageError> {
    let mut rebuilt = Rebuilt::default();
    let mut after = Seq::START;
    loop {
        let events = storage.market_events(after, BATCH).await?;
        let Some((last, _)) = events.last() else { break };
        after = *last;
        rebuilt.events += events.len() as u64;
        tell(storage, &events, &mut rebuilt).await?;
    }
    rebuilt.providers = count(storage).await?;
    Ok(rebuilt)
}

/// Counts all jobs for their providers, and gives the number of these.
async fn count<S: StorageAdapter>(storage: &S) -> Result<u64, StorageError> {
    let mut standings = Standings::default();
    let mut query = JobQuery { limit: BATCH, ..JobQuery::default() };
    loop {
        let jobs = storage.jobs(&query).await?;
        jobs.iter().for_each(|job| standings.count(job));
        let last = jobs.last().and_then(|job| Some((job.request.as_ref()?.created_at, job.id)));
        if last.is_none() {
            break;
        }
        query.after = last;
    }
    storage.put_standings(standings.marks().collect()).await?;
    Ok(standings.providers() as u64)
}

/// Tells one batch of events to the jobs that they concern.
async fn tell<S: StorageAdapter>(
    storage: &S,
    events: &[(Seq, PreparedEvent)],
    rebuilt: &mut Rebuilt,
) -> Result<(), StorageError> {
    let mut jobs: BTreeMap<EventId, (Option<Job>, Job)> = BTreeMap::new();
    for (_, prepared) in events {
        for id in concerned(prepared) {
            let (_, job) = match jobs.entry(id) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let known = storage.job(&id).await?;
                    entry.insert((known.clone(), known.unwrap_or_else(|| Job::new(id))))
                }
            };
            learn(job, prepared);
        }
    }
    let known = jobs.into_values().filter(|(before, job)| before.is_some() || *job != Job::new(job.id));
    let known: Vec<_> = known.collect();
    rebuilt.jobs += known.len() as u64;
    let changed: Vec<Job> =
        known.into_iter().filter(|(before, job)| before.as_ref() != Some(job)).map(|(_, job)| job).collect();
    rebuilt.changed += changed.len() as u64;
    if changed.is_empty() { Ok(()) } else { storage.put_jobs(changed).await }
}

/// The jobs that an event may have something to say about.
fn concerned(prepared: &PreparedEvent) -> Vec<EventId> {
    match prepared.event().kind {
        Kind::DELETION => nip09::event_ids(prepared.event()).collect(),
        _ => Job::concerned(prepared.event()).into_iter().collect(),
    }
}

fn learn(job: &mut Job, prepared: &PreparedEvent) {
    let event = prepared.event();
    if event.kind != Kind::DELETION {
        job.apply(prepared);
    } else if job.request.as_ref().is_some_and(|request| request.customer == event.pubkey) {
        job.cancel();
    }
}
