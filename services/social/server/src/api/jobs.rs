//! `/admin/social/jobs`: what jobs there are, and running one now.

use super::{
    Routes,
    admin::Guarded,
    error::ApiError,
    extract::At,
    openapi::{Failures, Invalid, Missing},
};
use crate::{
    jobs::{AskedBy, Job, Refused, Run},
    shared::Shared,
};
use axum::{Json, extract::State, http::StatusCode};
use std::sync::Arc;
use utoipa_axum::routes;

/// Routes that nobody but the operator may reach: the caller guards them.
pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(jobs)).routes(routes!(run))
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let text = refused.to_string();
        match refused {
            Refused::Unknown(_) => Self::Missing(text),
            Refused::Running => Self::Refused(StatusCode::CONFLICT, text),
            Refused::Stopping => Self::Refused(StatusCode::SERVICE_UNAVAILABLE, text),
        }
    }
}

/// Jobs, when they run, and their last runs
#[utoipa::path(
    get, path = "/admin/social/jobs", tag = "Admin", operation_id = "jobs_handler", security(("admin" = [])),
    responses((status = 200, description = "Jobs", body = Vec<Job>), Guarded, Failures)
)]
async fn jobs(State(social): State<Arc<Shared>>) -> Json<Vec<Job>> {
    Json(social.jobs.jobs())
}

/// Run a job now
///
/// The answer doesn't wait for its end: the list of jobs tells it.
#[utoipa::path(
    post, path = "/admin/social/jobs/{name}/run", tag = "Admin", operation_id = "run_job_handler",
    params(("name" = String, Path, description = "The job")), security(("admin" = [])),
    responses(
        (status = 202, description = "It has begun", body = Run),
        (status = 409, description = "It runs already"),
        (status = 503, description = "The program stops"),
        Invalid, Missing, Guarded, Failures
    )
)]
async fn run(State(social): State<Arc<Shared>>, At(name): At<String>) -> Result<(StatusCode, Json<Run>), ApiError> {
    let run = social.jobs.begin(&name, AskedBy::Operator)?;
    Ok((StatusCode::ACCEPTED, Json(run)))
}
