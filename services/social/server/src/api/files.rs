//! Descriptions of files; their bytes are below `/static`.

use super::{
    Routes,
    error::{Answer, ApiError, found},
    extract::{At, Body},
    openapi::{Failures, Invalid, Missing},
    params::Listed,
    shown::file_key,
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_social::view::FileDetails;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(file))
}

pub(super) fn expensive_routes() -> Routes {
    Routes::new().routes(routes!(by_ids))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct FilePath {
    /// File Pubky Uri
    file_id: String,
}

/// File details
#[utoipa::path(
    get, path = "/v0/files/file/{file_id}", tag = "File", operation_id = "file_details_handler", params(FilePath),
    responses((status = 200, description = "File Details", body = FileDetails), Invalid, Missing, Failures)
)]
async fn file(State(social): State<Arc<Shared>>, At(at): At<FilePath>) -> Answer<FileDetails> {
    let key = file_key(&at.file_id).ok_or_else(|| ApiError::invalid("Malformed file URI"))?;
    found(social.ask(|index| index.file(&key)), ApiError::no_file)
}

#[derive(Deserialize, ToSchema)]
struct FilesByIdsBody {
    /// File URIs (min=1, max=100).
    #[schema(value_type = Vec<String>)]
    uris: Listed<String>,
}

/// List files by URIs, in the order of the request; malformed and unknown ones are left out
#[utoipa::path(
    post, path = "/v0/files/by_ids", tag = "File", operation_id = "file_details_by_uris_handler",
    request_body = FilesByIdsBody,
    responses((status = 200, description = "List of File Details", body = Vec<FileDetails>), Failures)
)]
async fn by_ids(State(social): State<Arc<Shared>>, Body(body): Body<FilesByIdsBody>) -> Answer<Vec<FileDetails>> {
    let keys = body.uris.0.iter().filter_map(|uri| file_key(uri));
    Ok(Json(social.ask(|index| keys.filter_map(|key| index.file(&key)).collect())))
}
