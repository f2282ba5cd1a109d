//! Jobs: a list that is paged by key, and one with everything that happened to it.

use super::{
    Answer, Market, Refusal,
    caller::{Asked, Caller},
    json,
    view::{self, JobView, ProviderView},
};
use crate::backend::Backend;
use axum::extract::{Path, State};
use nexus_nostr::{
    Event, EventId, Filter, Kind, PublicKey, Seconds, TagCondition, TagName,
    nip::{nip90, nip90::Status},
};
use nexus_relay::{
    Asker,
    market::{Job, JobQuery, JobState},
    ports::StorageAdapter,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// How many answers of a job are told.
const MAX_ANSWERS: usize = 500;

/// Which jobs are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    kind: Option<u16>,
    state: Option<JobState>,
    customer: Option<PublicKey>,
    provider: Option<PublicKey>,
    t: Option<String>,
    since: Option<i64>,
    until: Option<i64>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct Page {
    jobs: Vec<JobView>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Detail {
    #[serde(flatten)]
    job: JobView,
    request: Option<Box<RawValue>>,
    provider_details: Vec<ProviderView>,
    timeline: Vec<Step>,
    results: Vec<Box<RawValue>>,
}

/// Something that happened to a job.
#[derive(Debug, Serialize)]
struct Step {
    id: EventId,
    pubkey: PublicKey,
    kind: u16,
    created_at: Seconds,
    status: Option<Status>,
}

/// `GET /api/v1/jobs`
pub(super) async fn list<B: Backend>(
    State(market): State<Market<B>>,
    Asked(wanted): Asked<Wanted>,
    caller: Caller,
) -> Answer {
    let scope = market.relay.scope_of(&caller.asker);
    let query = wanted.query(scope.now)?;
    if let Some(kind) = query.kind {
        market.relay.may_read(&caller.asker, Some(&[kind]))?;
    }
    let found = market.relay.storage().jobs(&query).await.map_err(|error| Market::<B>::failed(&error))?;
    let next = found.last().filter(|_| found.len() == query.limit).and_then(cursor);
    let may_read = |job: &Job| {
        job.request.as_ref().is_some_and(|request| market.relay.may_read(&caller.asker, Some(&[request.kind])).is_ok())
    };
    let seen = found.iter().filter(|job| view::may_see(job, &scope) && may_read(job));
    json(&Page { jobs: seen.filter_map(|job| JobView::of(job, scope.now)).collect(), next })
}

impl Wanted {
    fn query(self, now: Seconds) -> Result<JobQuery, Refusal> {
        let after = self.cursor.as_deref().map(read_cursor).transpose()?;
        Ok(JobQuery {
            kind: self.kind.map(Kind::new),
            state: self.state,
            customer: self.customer,
            provider: self.provider,
            topic: self.t,
            since: self.since.map(Seconds::new),
            until: self.until.map(Seconds::new),
            after,
            limit: self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
            now,
        })
    }
}

/// Where to go on after a job.
fn cursor(job: &Job) -> Option<String> {
    job.request.as_ref().map(|request| format!("{}.{}", request.created_at, job.id))
}

fn read_cursor(text: &str) -> Result<(Seconds, EventId), Refusal> {
    let parts = text.split_once('.').and_then(|(at, id)| Some((Seconds::new(at.parse().ok()?), id.parse().ok()?)));
    parts.ok_or_else(|| Refusal::bad("the cursor is not one of ours"))
}

/// `GET /api/v1/jobs/{id}`
pub(super) async fn one<B: Backend>(State(market): State<Market<B>>, Path(id): Path<String>, caller: Caller) -> Answer {
    let id: EventId = id.parse().map_err(|_| Refusal::bad("not an event id"))?;
    let scope = market.relay.scope_of(&caller.asker);
    let job = market.relay.storage().job(&id).await.map_err(|error| Market::<B>::failed(&error))?;
    let job = job.filter(|job| view::may_see(job, &scope)).ok_or_else(|| Refusal::not_found("job"))?;
    let job_view = JobView::of(&job, scope.now).ok_or_else(|| Refusal::not_found("job"))?;
    let kind = job.request.as_ref().map(|request| request.kind).ok_or_else(|| Refusal::not_found("job"))?;
    let request = events(&market, &caller.asker, Filter::new().with_ids([id]).with_kinds([kind])).await?;
    let answers = events(&market, &caller.asker, answers(&market, &caller.asker, &id, kind)).await?;
    let results = answers.iter().filter(|(event, _)| nip90::is_result(event.kind));
    json(&Detail {
        job: job_view,
        request: request.into_iter().next().map(|(_, text)| text),
        provider_details: view::providers(&job),
        timeline: answers.iter().rev().map(|(event, _)| step(event)).collect(),
        results: results.rev().map(|(_, text)| text.clone()).collect(),
    })
}

/// What was answered to a request, as far as the client may ask for it.
fn answers<B: Backend>(market: &Market<B>, asker: &Asker, id: &EventId, request: Kind) -> Filter {
    let kinds = [nip90::result_kind(request), Kind::JOB_FEEDBACK].into_iter();
    let kinds = kinds.filter(|kind| market.relay.may_read(asker, Some(&[*kind])).is_ok());
    Filter::new().with_kinds(kinds).with_tag(TagCondition::new(TagName::E, [id.to_string()])).with_limit(MAX_ANSWERS)
}

/// Stored events that the client may ask for and see, the newest first, each read and as text.
pub(super) async fn events<B: Backend>(
    market: &Market<B>,
    asker: &Asker,
    filter: Filter,
) -> Result<Vec<(Event, Box<RawValue>)>, Refusal> {
    market.relay.may_read(asker, filter.kinds())?;
    let limit = filter.limit().unwrap_or(MAX_ANSWERS);
    let found = market.relay.storage().query(&[filter.with_limit(limit)], &market.relay.scope_of(asker)).await;
    let page = found.map_err(|error| Market::<B>::failed(&error))?;
    let mut events = Vec::with_capacity(page.events.len());
    for stored in page.events {
        let event = stored.event().map_err(|error| Market::<B>::failed(&error))?;
        let text = RawValue::from_string(stored.json.to_string()).map_err(|_| Refusal::unavailable())?;
        events.push((event, text));
    }
    Ok(events)
}

fn step(event: &Event) -> Step {
    let status = if nip90::is_result(event.kind) {
        Some(Status::Success)
    } else {
        nip90::status_text(event).and_then(Status::parse)
    };
    Step { id: event.id, pubkey: event.pubkey, kind: event.kind.get(), created_at: event.created_at, status }
}
