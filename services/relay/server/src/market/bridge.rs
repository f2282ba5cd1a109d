//! Nostr without a WebSocket: an event by its id, events by filters, and publishing.

use super::{Answer, Market, Refusal, caller::Caller, json, text_answer};
use crate::backend::Backend;
use axum::extract::{Path, State};
use nexus_model::Raw;
use nexus_nostr::{Event, EventId, Filter};
use nexus_relay::session::Verdict;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
struct Found<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    /// True if a filter's limit left events out.
    more: bool,
}

#[derive(Debug, Serialize)]
struct Taken {
    id: EventId,
    /// Why nothing was stored, if nothing was; else empty.
    message: String,
}

/// `GET /api/v1/events/{id}`
pub(super) async fn event<B: Backend>(
    State(market): State<Market<B>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Answer {
    let id: EventId = id.parse().map_err(|_| Refusal::bad("not an event id"))?;
    let page = market.relay.query_once(&caller.asker, vec![Filter::new().with_ids([id])]).await?;
    let found = page.events.first().ok_or_else(|| Refusal::not_found("event"))?;
    Ok(text_answer(found.json.to_string()))
}

/// `POST /api/v1/events`
pub(super) async fn publish<B: Backend>(State(market): State<Market<B>>, caller: Caller) -> Answer {
    let event = Event::parse(text(&caller)?).map_err(|error| Refusal::bad(error.to_string()))?;
    let id = event.id;
    let message = match market.relay.submit(&caller.asker, Raw::new(event)).await {
        Verdict::Accepted(remark) => remark.map(|remark| remark.to_string()).unwrap_or_default(),
        Verdict::Refused(reason) => return Err(reason.into()),
    };
    json(&Taken { id, message })
}

/// `POST /api/v1/query`: a filter, or an array of filters.
pub(super) async fn query<B: Backend>(State(market): State<Market<B>>, caller: Caller) -> Answer {
    let filters = filters(text(&caller)?)?;
    let page = market.relay.query_once(&caller.asker, filters).await?;
    let read = page.events.iter().map(|stored| serde_json::from_str(&stored.json));
    let events = read.collect::<Result<Vec<&RawValue>, _>>().map_err(|_| Refusal::unavailable())?;
    json(&Found { events, more: page.more })
}

fn text(caller: &Caller) -> Result<&str, Refusal> {
    std::str::from_utf8(&caller.body).map_err(|_| Refusal::bad("the body is not UTF-8"))
}

fn filters(text: &str) -> Result<Vec<Filter>, Refusal> {
    let texts: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|_| Refusal::bad("the body is not an array of filters"))?
    } else {
        vec![serde_json::from_str(text).map_err(|_| Refusal::bad("the body is not a filter"))?]
    };
    let read = texts.iter().map(|text| Filter::parse(text.get()).map_err(|error| Refusal::bad(error.to_string())));
    let filters: Vec<Filter> = read.collect::<Result<_, _>>()?;
    if filters.is_empty() { Err(Refusal::bad("there is no filter")) } else { Ok(filters) }
}
