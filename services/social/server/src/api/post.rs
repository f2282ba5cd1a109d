//! One post.

use super::{
    Routes,
    error::{Answer, ApiError, found},
    extract::{At, Query},
    openapi::{Failures, Invalid, Missing},
    params::{Limit, PostPath, Viewer},
    shown::{Show, ShownPost},
};
use crate::shared::Shared;
use axum::extract::State;
use nexus_social::{
    query::{Slice, TagWindow},
    view::{BookmarkView, PostCounts, PostDetails, PostViewDetailed},
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(view)).routes(routes!(details)).routes(routes!(counts)).routes(routes!(bookmark))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TagLimits {
    /// Upper limit on the number of tags for the post (1–100, **default** 5)
    #[serde(default)]
    #[param(schema_with = Limit::<5, 100>::reference)]
    limit_tags: Limit<5, 100>,
    /// Upper limit on the number of taggers per tag (1–100, **default** 5)
    #[serde(default)]
    #[param(schema_with = Limit::<5, 100>::reference)]
    limit_taggers: Limit<5, 100>,
}

impl From<TagLimits> for TagWindow<'_> {
    fn from(limits: TagLimits) -> Self {
        Self { labels: Slice::first(limits.limit_tags.0), taggers: limits.limit_taggers.0 }
    }
}

/// Post view
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}", tag = "Post", operation_id = "post_view_handler",
    params(PostPath, TagLimits, Show),
    responses(
        (status = 200, description = "Post; with `content=uri` a `PostViewLight`", body = PostViewDetailed),
        Invalid, Missing, Failures
    )
)]
async fn view(
    State(social): State<Arc<Shared>>,
    At(at): At<PostPath>,
    Query(limits): Query<TagLimits>,
    Query(show): Query<Show>,
) -> Answer<ShownPost> {
    let view = social.ask(|index| show.post(index, &at.key(), limits.into()));
    found(view, || ApiError::no_post(&at.key()))
}

/// Post details
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/details", tag = "Post", operation_id = "post_details_handler",
    params(PostPath),
    responses((status = 200, description = "Post Details", body = PostDetails), Missing, Failures)
)]
async fn details(State(social): State<Arc<Shared>>, At(at): At<PostPath>) -> Answer<PostDetails> {
    found(social.ask(|index| index.post(&at.key())), || ApiError::no_post(&at.key()))
}

/// Post counts
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/counts", tag = "Post", operation_id = "post_counts_handler",
    params(PostPath),
    responses((status = 200, description = "Post Counts", body = PostCounts), Missing, Failures)
)]
async fn counts(State(social): State<Arc<Shared>>, At(at): At<PostPath>) -> Answer<PostCounts> {
    found(social.ask(|index| index.post_counts(&at.key())), || ApiError::no_post(&at.key()))
}

/// Post bookmark
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/bookmark", tag = "Post", operation_id = "post_bookmark_handler",
    params(PostPath, Viewer),
    responses((status = 200, description = "Post Bookmark", body = BookmarkView), Missing, Failures)
)]
async fn bookmark(
    State(social): State<Arc<Shared>>,
    At(at): At<PostPath>,
    Query(viewer): Query<Viewer>,
) -> Answer<BookmarkView> {
    let bookmark = viewer.viewer_id.and_then(|viewer| social.ask(|index| index.bookmark(&at.key(), &viewer)));
    found(bookmark, || ApiError::no_post(&at.key()))
}
