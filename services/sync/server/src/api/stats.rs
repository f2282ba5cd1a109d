//! Numbers.

use super::{Api, Refusal};
use crate::consumers::Standing;
use crate::outbox;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use nexus_delivery::channel::Stats;
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
pub(super) async fn buffer(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({"outbox_buffer": delivery(&api).await?.unsettled})))
}

/// What waits for consumers, for how long, and how many of them there are.
pub(super) async fn outbox(State(api): State<Api>) -> Result<Json<Value>, Refusal> {
    let stats = delivery(&api).await?;
    let now = api.means.clock.now();
    let age = api.ask(move |store| outbox::oldest_age(store, stats.floor, now)).await?;
    Ok(Json(json!({
        "unsettled": stats.unsettled,
        "under_way": stats.under_way,
        "connections": stats.connections,
        "oldest_seconds": age.map_or(0.0, |age| age.as_secs_f64()),
    })))
}

async fn delivery(api: &Api) -> Result<Stats, Refusal> {
    let stopping = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    api.means.channel.stats().await.ok_or_else(stopping)
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
