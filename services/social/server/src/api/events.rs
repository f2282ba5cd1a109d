//! The log of handled events, as far as the index has them.

use super::{
    Routes,
    error::ApiError,
    extract::Query,
    openapi::{Failures, Invalid},
    params::Limit,
};
use crate::shared::Shared;
use axum::extract::State;
use serde::Deserialize;
use std::sync::{Arc, atomic::Ordering};
use utoipa::IntoParams;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(events))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// Cursor
    #[serde(default)]
    cursor: u64,
    /// Number of events to return (1–1000, **default** 500)
    #[serde(default)]
    #[param(schema_with = Limit::<500, 1000>::reference)]
    limit: Limit<500, 1000>,
}

#[utoipa::path(
    get, path = "/v0/events", tag = "Events", operation_id = "get_events_handler", params(EventsQuery),
    responses(
        (status = 200, description = "Events list as plain text with cursor", body = String, content_type = "text/plain"),
        Invalid, Failures
    )
)]
async fn events(State(social): State<Arc<Shared>>, Query(query): Query<EventsQuery>) -> Result<String, ApiError> {
    // What isn't in the index yet would be asked for and not found.
    let shown = social.logged.load(Ordering::Acquire).saturating_sub(query.cursor);
    let limit = query.limit.0.min(usize::try_from(shown).unwrap_or(usize::MAX));
    let mut lines = social.stored(move |store| store.log(query.cursor, limit)).await??;
    let next = query.cursor.saturating_add(lines.len() as u64);
    lines.push(format!("cursor: {next}"));
    Ok(lines.join("\n"))
}
