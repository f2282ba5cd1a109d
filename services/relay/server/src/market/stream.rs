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
use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Updates that a stream may be behind.
const BEHIND: usize = 1_024;
/// Batches that a resuming stream reads at most; what is older is left out.
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
        let reader = Reader { cursor: head.get(), states: HashMap::new() };
        follow(Teller::<B> { relay, feed: self, reader }, head, stop).await
    }
}

/// Whoever reads the journal for all streams.
struct Teller<B: Backend> {
    relay: Arc<RelayOn<B>>,
    feed: Arc<JobFeed>,
    reader: Reader,
}

impl<B: Backend> Follower for Teller<B> {
    async fn read(&mut self, _after: Seq) -> Result<Seq, StorageError> {
        // Nobody listening is no failure.
        self.reader
            .read::<B>(&self.relay)
            .await?
            .into_iter()
            .for_each(|update| drop(self.feed.0.send(Arc::new(update))));
        Ok(self.reader.cursor)
    }
}

/// A place in the journal, and what was told of jobs last.
struct Reader {
    cursor: Seq,
    states: HashMap<EventId, JobState>,
}

impl Reader {
    /// Reads one batch, and gives the jobs that moved.
    async fn read<B: Backend>(&mut self, relay: &RelayOn<B>) -> Result<Vec<Update>, StorageError> {
        let scope = relay.scope_of(&Asker::default());
        let entries = relay.storage().events_after(self.cursor, BATCH).await?;
        let mut updates = Vec::new();
        for entry in &entries {
            for id in concerned(entry) {
                let job = relay.storage().job(&id).await?;
                updates.extend(job.and_then(|job| self.update(entry.seq(), &job, &scope)));
            }
            self.cursor = entry.seq();
        }
        if entries.is_empty() {
            self.cursor = self.cursor.max(relay.delivered());
        }
        Ok(updates)
    }

    /// What is to be told of a job: nothing, if it stands where it stood or strangers may not know of it.
    fn update(&mut self, seq: Seq, job: &Job, scope: &Scope) -> Option<Update> {
        let view = JobView::of(job, scope.now).filter(|_| may_see(job, scope))?;
        let kind = job.request.as_ref()?.kind;
        if self.states.len() >= REMEMBERED {
            self.states.clear();
        }
        if self.states.insert(job.id, view.state) == Some(view.state) {
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
    _caller: Caller,
) -> Result<Response, Refusal> {
    let kind = wanted.kind.map(Kind::new);
    let live = market.feed.0.subscribe();
    let missed = match resume_after(&headers)? {
        Some(after) => missed(&market, after).await?,
        None => Vec::new(),
    };
    let cursor = missed.last().map_or(Seq::START, |update| update.seq);
    let first = missed.into_iter().filter(move |update| kind.is_none_or(|kind| kind == update.kind));
    let first: String = first.map(|update| frame(&update)).collect();
    let opening = Bytes::from(format!(": jobs\nretry: 3000\n\n{first}"));
    let body = stream::once(async { opening }).chain(frames(live, kind, cursor)).map(Ok::<_, Infallible>);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What happened since a position, as far back as is reasonable.
async fn missed<B: Backend>(market: &Market<B>, after: Seq) -> Result<Vec<Update>, Refusal> {
    let mut reader = Reader { cursor: after, states: HashMap::new() };
    let upto = market.relay.delivered();
    let mut updates = Vec::new();
    for _ in 0..RESUME {
        if reader.cursor >= upto {
            break;
        }
        updates.extend(reader.read::<B>(&market.relay).await.map_err(|error| Market::<B>::failed(&error))?);
    }
    Ok(updates)
}

fn resume_after(headers: &HeaderMap) -> Result<Option<Seq>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.map(|number| Some(Seq::new(number))).ok_or_else(|| Refusal::bad("Last-Event-ID is not a position"))
}

/// What is told from now on, of updates after `cursor`.
fn frames(live: broadcast::Receiver<Arc<Update>>, kind: Option<Kind>, cursor: Seq) -> impl Stream<Item = Bytes> {
    stream::unfold(Some(live), move |live| async move {
        let mut live = live?;
        loop {
            match tokio::time::timeout(BEAT, live.recv()).await {
                Err(_) => return Some((Bytes::from_static(b": beat\n\n"), Some(live))),
                Ok(Ok(update)) if update.seq > cursor && kind.is_none_or(|kind| kind == update.kind) => {
                    return Some((Bytes::from(frame(&update)), Some(live)));
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
