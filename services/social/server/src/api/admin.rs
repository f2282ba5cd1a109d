//! For the operator, below `/admin/social`: what failed, what waits, and how far sources were read.

use super::{
    error::{Answer, ApiError},
    extract::{Body, Part},
    params::Paged,
};
use crate::shared::Shared;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use nexus_model::Timestamp;
use nexus_social::{
    effects::{Effects, RetryChange, RetryReason, RetryRow, SourceCursor, SourceLog},
    store::{self, Store},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Routes that nobody but the operator may reach: the caller guards them.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/admin/social/dead-letters", get(dead_letters))
        .route("/admin/social/dead-letters/retry", post(revive))
        .route("/admin/social/retries", get(retries))
        .route("/admin/social/retries/retry", post(retry))
        .route("/admin/social/cursors", get(cursors))
        .with_state(shared)
}

/// An event that waits or was given up.
#[derive(Serialize)]
struct RetryView {
    uri: Arc<str>,
    operation: &'static str,
    homeserver: Arc<str>,
    attempts: u32,
    due: Timestamp,
    /// The URI that it waits for; null when it waits for time alone.
    waits_for: Option<Arc<str>>,
    error: String,
}

impl From<RetryRow> for RetryView {
    fn from(row: RetryRow) -> Self {
        let waits_for = match row.reason {
            RetryReason::Dependency(uri) => Some(uri),
            RetryReason::Transient => None,
        };
        let operation = row.operation.as_str();
        let RetryRow { uri, homeserver, attempts, due, error, .. } = row;
        Self { uri, operation, homeserver, attempts, due, waits_for, error }
    }
}

type Page = Paged<50, 1000, 1_000_000>;

async fn dead_letters(State(social): State<Arc<Shared>>, Part(page): Part<Page>) -> Answer<Vec<RetryView>> {
    let rows = social.stored(move |store| store.dead_letters(page.into())).await??;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}

async fn retries(State(social): State<Arc<Shared>>, Part(page): Part<Page>) -> Answer<Vec<RetryView>> {
    let rows = social.stored(move |store| store.retries(page.into())).await??;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}

/// Which dead letters: the one for a URI, or all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    uri: Option<Arc<str>>,
}

/// Puts dead letters back into the queue, due now.
async fn revive(State(social): State<Arc<Shared>>, Body(which): Body<Which>) -> Result<StatusCode, ApiError> {
    let change = RetryChange::Revive { uri: which.uri, due: social.clock.now() };
    social.stored(move |store| commit(store, change)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Which entry of the queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    uri: Arc<str>,
}

/// Makes an entry of the queue due now.
async fn retry(State(social): State<Arc<Shared>>, Body(one): Body<One>) -> Result<StatusCode, ApiError> {
    let (now, uri) = (social.clock.now(), one.uri.clone());
    let known = social.stored(move |store| hurry(store, &uri, now)).await??;
    known.then_some(StatusCode::NO_CONTENT).ok_or_else(|| ApiError::Missing(format!("Retry not found: {}", one.uri)))
}

fn commit(store: &dyn Store, change: RetryChange) -> store::Result<()> {
    let mut group = store.begin()?;
    group.apply(&Effects { retries: vec![change], ..Effects::default() })?;
    group.commit().map(drop)
}

/// True if there was such an entry.
fn hurry(store: &dyn Store, uri: &str, now: Timestamp) -> store::Result<bool> {
    let mut group = store.begin()?;
    let Some(row) = group.state().retry(uri)? else { return Ok(false) };
    let change = RetryChange::Put(RetryRow { due: now, ..row });
    group.apply(&Effects { retries: vec![change], ..Effects::default() })?;
    group.commit().map(|_| true)
}

/// How far a source was read.
#[derive(Serialize)]
struct CursorView {
    homeserver: Arc<str>,
    /// The user, where a log of one user is read.
    user: Option<String>,
    cursor: u64,
}

impl From<SourceCursor> for CursorView {
    fn from(row: SourceCursor) -> Self {
        let (homeserver, user) = match row.log {
            SourceLog::Homeserver(homeserver) => (homeserver, None),
            SourceLog::User { homeserver, user } => (homeserver, Some(user.to_string())),
        };
        Self { homeserver, user, cursor: row.cursor }
    }
}

async fn cursors(State(social): State<Arc<Shared>>) -> Answer<Vec<CursorView>> {
    let rows = social.stored(|store| store.cursors()).await??;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}
