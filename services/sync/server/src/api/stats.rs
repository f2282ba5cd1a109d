//! Numbers.

use super::{Api, Refusal};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Tracked repos.
pub(super) async fn repos(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let counts = api.ask(|store| store.counts()).await?;
    Ok(Json(json!({"repo_count": counts.repos})))
}

/// Indexed records.
pub(super) async fn records(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let counts = api.ask(|store| store.counts()).await?;
    Ok(Json(json!({"record_count": counts.records})))
}

/// Events that are not settled.
pub(super) async fn outbox(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let stopping = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    let stats = api.channel.stats().await.ok_or_else(stopping)?;
    Ok(Json(json!({"outbox_buffer": stats.unsettled})))
}

/// Commits that are set aside until a resync is done.
pub(super) async fn buffered(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let counts = api.ask(|store| store.counts()).await?;
    Ok(Json(json!({"resync_buffer": counts.buffered})))
}
