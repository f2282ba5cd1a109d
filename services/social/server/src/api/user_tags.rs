//! Labels on profiles.

use super::{
    Routes,
    error::{Answer, ApiError, found},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{LabelText, Paged, PubkyIdText, TagPage, Trust, UserPath},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::view::{TagDetails, Taggers};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(tags)).routes(routes!(taggers))
}

/// User Tags
#[utoipa::path(
    get, path = "/v0/user/{user_id}/tags", tag = "User", operation_id = "user_tags_handler",
    params(UserPath, TagPage, Trust),
    responses((status = 200, description = "User tags", body = Vec<TagDetails>), Invalid, Missing, Failures)
)]
async fn tags(
    State(social): State<Arc<Shared>>,
    At(at): At<UserPath>,
    Query(page): Query<TagPage>,
    Query(trust): Query<Trust>,
) -> Answer<Vec<TagDetails>> {
    let scope = trust.scope()?;
    let tags = social.ask(|index| index.user_tags(&at.user_id, page.window(5), scope));
    found(tags, || ApiError::no_user(&at.user_id))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct LabelPath {
    /// User Pubky ID
    #[param(value_type = PubkyIdText)]
    user_id: PubkyId,
    /// Tag name
    label: LabelText,
}

/// User label taggers
#[utoipa::path(
    get, path = "/v0/user/{user_id}/taggers/{label}", tag = "User", operation_id = "user_taggers_handler",
    params(LabelPath, Paged<40, 100>, Trust),
    responses((status = 200, description = "User tags", body = Taggers), Invalid, Failures)
)]
async fn taggers(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPath>,
    Part(page): Part<Paged<40, 100>>,
    Query(trust): Query<Trust>,
) -> Answer<Taggers> {
    let scope = trust.scope()?;
    Ok(Json(social.ask(|index| index.user_taggers(&at.user_id, at.label.0.as_str(), page.into(), scope))))
}
