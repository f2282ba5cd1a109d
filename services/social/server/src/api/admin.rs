//! For the operator, below `/admin/social`: what failed, what waits, and how far sources were read.

use super::{
    Routes,
    error::{Answer, ApiError},
    extract::{Body, Part},
    openapi::{Failures, Invalid, Missing},
    params::Paged,
};
use crate::shared::Shared;
use axum::{Json, extract::State, http::StatusCode};
use nexus_model::Timestamp;
use nexus_social::{
    effects::{RetryReason, RetryRow, SourceCursor, SourceLog},
    input::{Input, Verdict},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::routes;

/// Routes that nobody but the operator may reach: the caller guards them.
pub(super) fn routes() -> Routes {
    Routes::new()
        .routes(routes!(dead_letters))
        .routes(routes!(revive))
        .routes(routes!(retries))
        .routes(routes!(retry))
        .routes(routes!(cursors))
}

/// What the guard answers.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes answers that the guard gives")]
pub(super) enum Guarded {
    /// The operator's token is missing or wrong
    #[response(status = 401)]
    WrongToken,
    /// The operator has set no token
    #[response(status = 403)]
    Closed,
}

/// An event that waits or was given up.
#[derive(Serialize, ToSchema)]
struct RetryView {
    /// The record.
    #[schema(value_type = String)]
    uri: Arc<str>,
    /// `PUT` or `DEL`.
    operation: &'static str,
    /// Who told of it.
    #[schema(value_type = String)]
    homeserver: Arc<str>,
    /// How often it failed.
    attempts: u32,
    /// When it is tried next, in milliseconds.
    #[schema(value_type = i64)]
    due: Timestamp,
    /// The URI that it waits for; null when it waits for time alone.
    #[schema(value_type = Option<String>)]
    waits_for: Option<Arc<str>>,
    /// Why it failed last.
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

/// Events that were given up, the latest first
#[utoipa::path(
    get, path = "/admin/social/dead-letters", tag = "Admin", operation_id = "dead_letters_handler",
    params(Page), security(("admin" = [])),
    responses((status = 200, description = "Dead letters", body = Vec<RetryView>), Invalid, Guarded, Failures)
)]
async fn dead_letters(State(social): State<Arc<Shared>>, Part(page): Part<Page>) -> Answer<Vec<RetryView>> {
    let rows = social.stored(move |store| store.dead_letters(page.into())).await??;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}

/// Events that wait to be tried again, the next due first
#[utoipa::path(
    get, path = "/admin/social/retries", tag = "Admin", operation_id = "retries_handler",
    params(Page), security(("admin" = [])),
    responses((status = 200, description = "The queue", body = Vec<RetryView>), Invalid, Guarded, Failures)
)]
async fn retries(State(social): State<Arc<Shared>>, Part(page): Part<Page>) -> Answer<Vec<RetryView>> {
    let rows = social.stored(move |store| store.retries(page.into())).await??;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}

/// Which dead letters: the one for a URI, or all of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterChoice)]
struct Which {
    /// The record; without it, all dead letters.
    #[schema(value_type = Option<String>)]
    uri: Option<Arc<str>>,
}

/// Put dead letters back into the queue, due now
#[utoipa::path(
    post, path = "/admin/social/dead-letters/retry", tag = "Admin", operation_id = "revive_dead_letters_handler",
    request_body = Which, security(("admin" = [])),
    responses((status = 204, description = "They are in the queue"), Invalid, Guarded, Failures)
)]
async fn revive(State(social): State<Arc<Shared>>, Body(which): Body<Which>) -> Result<StatusCode, ApiError> {
    social.writer.ask(Input::Revive(which.uri)).await?;
    social.followups.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// Which entry of the queue.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetryChoice)]
struct One {
    /// The record.
    #[schema(value_type = String)]
    uri: Arc<str>,
}

/// Make an entry of the queue due now
#[utoipa::path(
    post, path = "/admin/social/retries/retry", tag = "Admin", operation_id = "hurry_retry_handler",
    request_body = One, security(("admin" = [])),
    responses((status = 204, description = "It is due"), Invalid, Missing, Guarded, Failures)
)]
async fn retry(State(social): State<Arc<Shared>>, Body(one): Body<One>) -> Result<StatusCode, ApiError> {
    let verdict = social.writer.ask(Input::Hurry(Arc::clone(&one.uri))).await?;
    if verdict == Verdict::Unchanged {
        return Err(ApiError::Missing(format!("Retry not found: {}", one.uri)));
    }
    social.followups.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// How far a source was read.
#[derive(Serialize, ToSchema)]
#[schema(as = SourceCursorView)]
struct CursorView {
    /// Whose log.
    #[schema(value_type = String)]
    homeserver: Arc<str>,
    /// The user, where a log of one user is read.
    user: Option<String>,
    /// The last event that is durable.
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

/// How far each source was read
#[utoipa::path(
    get, path = "/admin/social/cursors", tag = "Admin", operation_id = "source_cursors_handler", security(("admin" = [])),
    responses((status = 200, description = "Cursors", body = Vec<CursorView>), Guarded, Failures)
)]
async fn cursors(State(social): State<Arc<Shared>>) -> Answer<Vec<CursorView>> {
    let rows = social.stored(|store| store.cursors()).await??;
    Ok(Json(rows.into_iter().map(Into::into).collect()))
}
