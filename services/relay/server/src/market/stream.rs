//! Jobs as they open and move, as server-sent events. One task reads the journal for all streams.
//!
//! Each event is called `job`, carries the job as the list shows it, and has the journal's position as its id, with
//! which a client resumes. A client that is too slow is told `end` and connects again.

use super::{
    Market, Refusal,
    caller::{Asked, Caller},
    follow::{BATCH, Follower, follow},
    view::{JobView, may_see},
};
use crate::backend::{Backend, RelayOn};
use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderName, header};
use nexus_journal::HeadWatch;
use nexus_model::Seq;
use nexus_nostr::{Event, EventId, Kind, nip::nip09};
use nexus_relay::{
    Asker,
    market::{Job, JobState},
    ports::{Entry, RemovalReason, Scope, StorageAdapter, StorageError},
};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Updates that a stream may be behind.
const BEHIND: usize = 1_024;
/// Batches that a resuming stream reads at most: the newest.
const RESUME: usize = 20;
/// Jobs whose last state is remembered, so that only changes are told.
const REMEMBERED: usize = 10_000;
/// How often a silent stream shows that it lives.
const BEAT: Duration = Duration::from_secs(15);

/// Tells streams what happens to jobs.
#[derive(Debug)]
pub struct JobFeed(broadcast::Sender<Arc<Update>>);

/// A job that opened or moved.
#[derive(Debug)]
struct Update {
    seq: Seq,
    kind: Kind,
    json: String,
}

impl Default for JobFeed {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl JobFeed {
    /// Reads the journal from where `head` stands until `stop`, and tells the streams.
    ///
    /// # Errors
    /// The store's, when it is damaged; what can be tried again is.
    pub async fn run<B: Backend>(
        self: Arc<Self>,
        relay: Arc<RelayOn<B>>,
        head: HeadWatch,
        stop: CancellationToken,
    ) -> Result<(), StorageError> {
        follow(Teller::<B> { relay, feed: self, told: Told::default() }, head, stop).await
    }
}

/// Whoever reads the journal for all streams.
struct Teller<B: Backend> {
    relay: Arc<RelayOn<B>>,
    feed: Arc<JobFeed>,
    told: Told,
}

impl<B: Backend> Follower for Teller<B> {
    async fn read(&mut self, after: Seq) -> Result<Seq, StorageError> {
        let (updates, upto) = self.told.read::<B>(&self.relay, after).await?;
        // Nobody listening is no failure.
        updates.into_iter().for_each(|update| drop(self.feed.0.send(Arc::new(update))));
        Ok(upto)
    }
}

/// Where jobs stood when they were told of last.
#[derive(Default)]
struct Told(HashMap<EventId, JobState>);

impl Told {
    /// Reads one batch after a position. Gives the jobs that moved, and up to where it has read.
    async fn read<B: Backend>(&mut self, relay: &RelayOn<B>, after: Seq) -> Result<(Vec<Update>, Seq), StorageError> {
        let entries = relay.storage().events_after(after, BATCH).await?;
        let upto = entries.last().map_or_else(|| after.max(relay.delivered()), Entry::seq);
        // All are read before the first counts as told: where one can't be read, the batch is read again.
        let (mut jobs, mut read) = (Vec::new(), HashSet::new());
        for entry in &entries {
            for id in concerned(entry).into_iter().filter(|id| read.insert(*id)) {
                jobs.extend(relay.storage().job(&id).await?.map(|job| (entry.seq(), job)));
            }
        }
        let scope = relay.scope_of(&Asker::default());
        Ok((jobs.iter().filter_map(|(seq, job)| self.update(*seq, job, &scope)).collect(), upto))
    }

    /// What is to be told of a job: nothing, if it stands where it stood or strangers may not know of it.
    fn update(&mut self, seq: Seq, job: &Job, scope: &Scope) -> Option<Update> {
        let view = JobView::of(job, scope.now).filter(|_| may_see(job, scope))?;
        let kind = job.request.as_ref()?.kind;
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        if self.0.insert(job.id, view.state) == Some(view.state) {
            return None;
        }
        Some(Update { seq, kind, json: serde_json::to_string(&view).ok()? })
    }
}

/// The jobs that an entry may have moved.
fn concerned(entry: &Entry) -> Vec<EventId> {
    let by_event = |event: &Event| match event.kind {
        Kind::DELETION => nip09::event_ids(event).collect(),
        _ => Job::concerned(event).into_iter().collect(),
    };
    match entry {
        Entry::Created { event, .. } => by_event(event),
        Entry::Removed { id, reason: RemovalReason::Expired, .. } => vec![*id],
        Entry::Removed { .. } => Vec::new(),
    }
}

/// Which jobs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    kind: Option<u16>,
}

/// `GET /api/v1/jobs/stream`
pub(super) async fn stream<B: Backend>(
    State(market): State<Market<B>>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
    Caller { asker, .. }: Caller,
) -> Result<Response, Refusal> {
    let kind = wanted.kind.map(Kind::new);
    if let Some(kind) = kind {
        market.relay.may_read(&asker, Some(&[kind]))?;
    }
    let live = market.feed.0.subscribe();
    let missed = match resume_after(&headers)? {
        Some(after) => missed(&market, after).await?,
        None => Vec::new(),
    };
    let cursor = missed.last().map_or(Seq::START, |update| update.seq);
    let wanted = move |update: &Update| {
        kind.is_none_or(|kind| kind == update.kind) && market.relay.may_read(&asker, Some(&[update.kind])).is_ok()
    };
    let first: String = missed.iter().filter(|update| wanted(update)).map(frame).collect();
    let opening = Bytes::from(format!(": jobs\nretry: 3000\n\n{first}"));
    let body = stream::once(async { opening }).chain(frames(live, wanted, cursor)).map(Ok::<_, Infallible>);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What happened since a position: the newest of it, if that is too much.
async fn missed<B: Backend>(market: &Market<B>, after: Seq) -> Result<Vec<Update>, Refusal> {
    let upto = market.relay.delivered();
    let mut cursor = after.max(Seq::new(upto.get().saturating_sub((RESUME * BATCH) as u64)));
    let (mut told, mut updates) = (Told::default(), Vec::new());
    while cursor < upto {
        let read = told.read::<B>(&market.relay, cursor).await;
        let (more, read) = read.map_err(|error| Market::<B>::failed(&error))?;
        updates.extend(more);
        cursor = read;
    }
    Ok(updates)
}

fn resume_after(headers: &HeaderMap) -> Result<Option<Seq>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(|number| Some(Seq::new(number))).ok_or_else(|| Refusal::bad("Last-Event-ID is not a position"))
}

/// What is told from now on, of updates after `cursor` that are wanted.
fn frames(
    live: broadcast::Receiver<Arc<Update>>,
    wanted: impl Fn(&Update) -> bool,
    cursor: Seq,
) -> impl Stream<Item = Bytes> {
    stream::unfold(Some((live, wanted)), move |state| async move {
        let (mut live, wanted) = state?;
        loop {
            match tokio::time::timeout(BEAT, live.recv()).await {
                Err(_) => return Some((Bytes::from_static(b": beat\n\n"), Some((live, wanted)))),
                Ok(Ok(update)) if update.seq > cursor && wanted(&update) => {
                    return Some((Bytes::from(frame(&update)), Some((live, wanted))));
                }
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(_))) => {
                    return Some((Bytes::from_static(b"event: end\ndata: too slow\n\n"), None));
                }
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    })
}

fn frame(update: &Update) -> String {
    format!("id: {}\nevent: job\ndata: {}\n\n", update.seq, update.json)
}
