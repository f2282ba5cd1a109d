//! Labels on posts.

use super::{
    Routes,
    error::{Answer, ApiError, found},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{LabelText, Paged, PostId, PostPath, PubkyIdText, TagPage, Trust},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::{
    read::TaggerScope,
    row::PostKey,
    view::{TagDetails, Taggers},
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(tags)).routes(routes!(taggers))
}

/// Post tags
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/tags", tag = "Post", operation_id = "post_tags_handler",
    params(PostPath, TagPage, Trust),
    responses((status = 200, description = "Post tags", body = Vec<TagDetails>), Invalid, Missing, Failures)
)]
async fn tags(
    State(social): State<Arc<Shared>>,
    At(at): At<PostPath>,
    Query(page): Query<TagPage>,
    Query(trust): Query<Trust>,
) -> Answer<Vec<TagDetails>> {
    // A trusted moderator's label must not be paged out: the web of trust shows all it has by default.
    let labels = if trust.is_wot() { 100 } else { 5 };
    let scope = trust.scope()?;
    found(social.ask(|index| index.post_tags(&at.key(), page.window(labels), scope)), || ApiError::no_post(&at.key()))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct LabelPath {
    /// Author Pubky ID
    #[param(value_type = PubkyIdText)]
    author_id: PubkyId,
    /// Post ID
    post_id: PostId,
    /// Tag name
    label: LabelText,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TaggersQuery {
    /// Viewer Pubky ID
    #[param(value_type = Option<PubkyIdText>)]
    viewer_id: Option<PubkyId>,
    /// Ignored: Web of Trust filtering is not applied to taggers
    #[serde(rename = "depth")]
    #[param(value_type = Option<i32>, minimum = 0)]
    _depth: Option<u32>,
}

/// Post specific label Taggers
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/taggers/{label}", tag = "Post", operation_id = "post_taggers_handler",
    params(LabelPath, TaggersQuery, Paged<40, 100>),
    responses((status = 200, description = "Post tags", body = Taggers), Invalid, Failures)
)]
async fn taggers(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPath>,
    Query(query): Query<TaggersQuery>,
    Part(page): Part<Paged<40, 100>>,
) -> Answer<Taggers> {
    let key = PostKey { author: at.author_id, id: at.post_id.0 };
    let everybody = TaggerScope::All { viewer: query.viewer_id.as_ref() };
    Ok(Json(social.ask(|index| index.post_taggers(&key, at.label.0.as_str(), page.into(), everybody))))
}
