//! `/v0/live`: changes as they happen, by server-sent events, or by WebSocket when the client asks for an
//! upgrade. A frame is sent only once the index has what it tells of, and any client can go on where it stopped
//! for as long as the journal keeps its changes.

mod interest;
mod presentation;

use crate::api::{error::ApiError, extract::Query};
use axum::{
    Router,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, StatusCode, header::UPGRADE},
    response::Response,
    routing::get,
};
use interest::Interest;
use nexus_delivery::{Refusal, Session, Start, Tail, sse, ws};
use nexus_http::Client;
use nexus_model::Seq;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, OpenApi};

pub use presentation::{Frame, Social};

/// A client has nothing to say here; longer messages end its connection. In bytes.
const MAX_MESSAGE: usize = 4_096;

/// The route. `tail` follows the social service's journal with [`Social`] as its presentation.
pub fn routes(tail: Tail) -> Router {
    Router::new().route("/v0/live", get(live)).with_state(tail)
}

/// The documentation of the route.
#[derive(OpenApi)]
#[openapi(paths(live), components(schemas(Frame)))]
pub struct Docs;

impl std::fmt::Debug for Docs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Docs")
    }
}

/// What a client wants to hear of. Lists are separated by commas; a change must fit every condition on records.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Records of these users, up to 100 keys.
    author: Option<String>,
    /// Posts of these kinds: `short`, `long`, `image`, `video`, `link`, `file`, `collection`.
    kind: Option<String>,
    /// Tags with these labels. With `kind` too, both those posts and those tags.
    tag: Option<String>,
    /// Records of these collections: `profile`, `posts`, `follows`, `mutes`, `bookmarks`, `tags`, `files`.
    collection: Option<String>,
    /// Also the notifications of this user; only those, if there is no other condition. Without it there are none.
    notifications_for: Option<String>,
    /// Go on after this `seq`; without it, with what comes next. The header `Last-Event-ID` counts more.
    cursor: Option<u64>,
}

/// Changes as they happen
///
/// An endless answer of server-sent events, or a WebSocket if the request asks for an upgrade. Each change is
/// one event (its `id` is the `seq`, its name the action) or one text message. A removal says neither kind nor
/// label any more, so removals of posts and tags reach everybody who filters by those. In silence an SSE comment
/// with a new `id`, or the message `{"cursor":N}`, tells how far the server has looked. The last event is `end`,
/// the last message `{"end":"…"}`: `expired` (the cursor is older than what is kept: read the state again and go
/// on from `oldest`), `too_slow`, `unavailable` or `stopping` (come back with the same cursor).
#[utoipa::path(
    get,
    path = "/v0/live",
    tag = "Live",
    params(Wanted, ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this `seq`")),
    responses(
        (status = 200, description = "Server-sent events without end", body = Frame, content_type = "text/event-stream"),
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 400, description = "A condition or the cursor makes no sense"),
        (status = 429, description = "This client has too many live sessions"),
        (status = 503, description = "There are too many live sessions")
    )
)]
async fn live(
    State(tail): State<Tail>,
    Client(client): Client,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let session = begin(&tail, &client.to_string(), &wanted, &headers)?;
    if !headers.contains_key(UPGRADE) {
        return Ok(sse::response(session));
    }
    Ok(upgrade?.max_message_size(MAX_MESSAGE).on_upgrade(|socket| ws::serve(socket, session)))
}

fn begin(tail: &Tail, client: &str, wanted: &Wanted, headers: &HeaderMap) -> Result<Session, ApiError> {
    let interest = Interest::parse(wanted).map_err(|reason| ApiError::invalid(reason.to_string()))?;
    let last = sse::last_event_id(headers).map_err(|error| ApiError::Invalid(format!("Last-Event-ID: {error}")))?;
    let cursor = last.or(wanted.cursor.map(Seq::new));
    let start = cursor.map_or(Start::Now, Start::After);
    tail.subscribe(client, Arc::new(interest), start).map_err(|full| match full {
        Refusal::Full => ApiError::Refused(StatusCode::SERVICE_UNAVAILABLE, full.to_string()),
        Refusal::ClientFull => ApiError::Refused(StatusCode::TOO_MANY_REQUESTS, full.to_string()),
    })
}
