//! Numbers.

use super::{Api, Refusal};
use crate::consumers::Standing;
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
    let stats = api.means.channel.stats().await.ok_or_else(stopping)?;
    Ok(Json(json!({"outbox_buffer": stats.unsettled})))
}

/// Commits that are set aside until a resync is done.
pub(super) async fn buffered(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let counts = api.ask(|store| store.counts()).await?;
    Ok(Json(json!({"resync_buffer": counts.buffered})))
}

/// Named consumers, and how far each is behind.
pub(super) async fn consumers(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let all = api.means.consumers.list().await?;
    let shown = |standing: &Standing| {
        json!({
            "name": standing.name.as_str(),
            "collections": standing.collections,
            "connections": standing.connections,
            "seq": standing.floor.get(),
            "lag": standing.lag,
        })
    };
    Ok(Json(json!({"consumers": all.iter().map(shown).collect::<Vec<_>>()})))
}

/// How far the firehose and the list of repos were read.
pub(super) async fn cursors(State(api): State<Api>) -> Json<Value> {
    let cursors = &api.means.cursors;
    Json(json!({"firehose": cursors.firehose(), "list_repos": cursors.list()}))
}
