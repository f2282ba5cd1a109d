//! What this server is, and ingestion on demand.

use super::{Routes, error::ApiError, extract::At, openapi::Failures, params::UserPath};
use crate::shared::{About, Shared};
use axum::{Json, extract::State};
use nexus_model::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use time::{OffsetDateTime, macros::format_description};
use utoipa::ToSchema;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(info)).routes(routes!(ingest))
}

/// What this server does.
const DESCRIPTION: &str = "A social index and API for the Pubky network.";

/// What this server is.
#[derive(Serialize, ToSchema)]
struct ServerInfo {
    /// What it does.
    description: String,
    /// Where it is described.
    homepage: String,
    /// Its licence.
    license: String,
    /// Its name.
    name: String,
    /// Where its source is.
    repository: String,
    /// Its version.
    version: String,
    /// The commit it was built from, or `unknown`.
    commit_hash: String,
    /// Until when everything that was handled is durable: now, in UTC.
    last_index_snapshot: String,
    /// The folder of files.
    base_file_url: String,
}

#[utoipa::path(
    get, path = "/v0/info", tag = "Info", operation_id = "info_handler",
    responses((status = 200, description = "Server info", body = ServerInfo), Failures)
)]
async fn info(State(social): State<Arc<Shared>>) -> Json<ServerInfo> {
    let About { name, homepage, repository, license, version, commit } = social.about;
    Json(ServerInfo {
        description: DESCRIPTION.into(),
        homepage: homepage.into(),
        license: license.into(),
        name: name.into(),
        repository: repository.into(),
        version: version.into(),
        commit_hash: commit.unwrap_or("unknown").into(),
        last_index_snapshot: utc(social.clock.now()),
        base_file_url: social.files.display().to_string(),
    })
}

/// `2026-08-21 10:11:12`
fn utc(time: Timestamp) -> String {
    let seconds = OffsetDateTime::from_unix_timestamp(time.millis().div_euclid(1000));
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    seconds.ok().and_then(|time| time.format(format).ok()).unwrap_or_default()
}

/// Ingest a user by resolving their homeserver. If the user is already known, nothing happens.
#[utoipa::path(
    put, path = "/v0/ingest/{user_id}", tag = "Bootstrap", operation_id = "ingest_user_handler",
    params(UserPath),
    responses(
        (status = 200, description = "User successfully ingested (or already known)"),
        (status = 403, description = "User is hosted on a blacklisted HS"),
        Failures
    )
)]
async fn ingest(State(social): State<Arc<Shared>>, At(at): At<UserPath>) -> Result<(), ApiError> {
    let is_known = social.ask(|index| index.user_counts(&at.user_id)).is_some();
    if !is_known {
        social.ingest.ingest(&at.user_id).await?;
    }
    Ok(())
}
