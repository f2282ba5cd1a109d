//! Labels on profiles.

use super::{
    Routes,
    cursor::{self, Continued},
    error::{Answer, ApiError},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{After, LabelText, Paged, PubkyIdText, TagPage, Trust, UserPath},
    shown::ShownTaggers,
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::view::TagDetails;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(tags)).routes(routes!(taggers))
}

/// User Tags. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/user/{user_id}/tags", tag = "User", operation_id = "user_tags_handler",
    params(UserPath, TagPage, After, Trust),
    responses((status = 200, description = "User tags", body = Vec<TagDetails>), Invalid, Missing, Failures)
)]
async fn tags(
    State(social): State<Arc<Shared>>,
    At(at): At<UserPath>,
    Query(page): Query<TagPage>,
    Part(after): Part<After>,
    Query(trust): Query<Trust>,
) -> Continued<TagDetails> {
    let (scope, window) = (trust.scope()?, page.window(&after, 5));
    let tags = social.ask(|index| index.user_tags(&at.user_id, window, scope));
    cursor::paged(tags.ok_or_else(|| ApiError::no_user(&at.user_id))?, window.labels.page)
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
    params(LabelPath, After, Paged<40, 100>, Trust),
    responses((status = 200, description = "User tags", body = ShownTaggers), Invalid, Failures)
)]
async fn taggers(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPath>,
    Part(after): Part<After>,
    Part(page): Part<Paged<40, 100>>,
    Query(trust): Query<Trust>,
) -> Answer<ShownTaggers> {
    let (scope, slice) = (trust.scope()?, after.slice(page));
    let taggers = social.ask(|index| index.user_taggers(&at.user_id, at.label.0.as_str(), slice, scope));
    Ok(Json(ShownTaggers::new(taggers, slice.page)))
}
