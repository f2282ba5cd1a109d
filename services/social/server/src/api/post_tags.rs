//! Labels on posts.

use super::{
    Routes,
    cursor::{self, Continued},
    error::{Answer, ApiError},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{After, LabelText, Paged, PostId, PostPath, PubkyIdText, TagPage, Trust},
    shown::ShownTaggers,
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::{read::TaggerScope, row::PostKey, view::TagDetails};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(tags)).routes(routes!(taggers))
}

/// Post tags. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/tags", tag = "Post", operation_id = "post_tags_handler",
    params(PostPath, TagPage, After, Trust),
    responses((status = 200, description = "Post tags", body = Vec<TagDetails>), Invalid, Missing, Failures)
)]
async fn tags(
    State(social): State<Arc<Shared>>,
    At(at): At<PostPath>,
    Query(page): Query<TagPage>,
    Part(after): Part<After>,
    Query(trust): Query<Trust>,
) -> Continued<TagDetails> {
    // A trusted moderator's label must not be paged out: the web of trust shows all it has by default.
    let labels = if trust.is_wot() { 100 } else { 5 };
    let (scope, window) = (trust.scope()?, page.window(&after, labels));
    let tags = social.ask(|index| index.post_tags(&at.key(), window, scope));
    cursor::paged(tags.ok_or_else(|| ApiError::no_post(&at.key()))?, window.labels.page)
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
    params(LabelPath, TaggersQuery, After, Paged<40, 100>),
    responses((status = 200, description = "Post tags", body = ShownTaggers), Invalid, Failures)
)]
async fn taggers(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPath>,
    Query(query): Query<TaggersQuery>,
    Part(after): Part<After>,
    Part(page): Part<Paged<40, 100>>,
) -> Answer<ShownTaggers> {
    let key = PostKey { author: at.author_id, id: at.post_id.0 };
    let everybody = TaggerScope::All { viewer: query.viewer_id.as_ref() };
    let slice = after.slice(page);
    let taggers = social.ask(|index| index.post_taggers(&key, at.label.0.as_str(), slice, everybody));
    Ok(Json(ShownTaggers::new(taggers, slice.page)))
}
