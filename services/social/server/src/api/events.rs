//! The log of handled events.

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
use std::sync::Arc;
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
    let mut lines = social.stored(move |store| store.log(query.cursor, query.limit.0)).await??;
    let next = query.cursor.saturating_add(lines.len() as u64);
    lines.push(format!("cursor: {next}"));
    Ok(lines.join("\n"))
}
