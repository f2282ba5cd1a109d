//! Streams of posts.

pub(super) mod meter;
mod query;

use self::query::{StreamQuery, Window};
use super::{
    Routes,
    cursor::{Continued, continued, next},
    error::{Answer, ApiError},
    extract::{Body, Query},
    openapi::{Failures, Invalid},
    params::{After, Content, GlobalPostId, Listed, Paged, PubkyIdText, Range, Viewer},
    shown::{Show, ShownPost},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::{query::PostSource, view::PostViewDetailed};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(posts)).routes(routes!(keys))
}

pub(super) fn expensive_routes() -> Routes {
    Routes::new().routes(routes!(by_ids))
}

/// Stream Posts: Retrieve a stream of posts.
///
/// The `source` parameter determines the type of stream. Depending on the `source`, certain parameters are required:
/// - *following*, *followers*, *friends*: Require **observer_id** and exclude posts authored by the observer.
/// - *bookmarks*: Requires **observer_id**.
/// - *post_replies*: Requires **author_id** and **post_id** to filter replies to a specific post.
/// - *author*, *author_replies*: Require **author_id**.
/// - *collection*: Requires **author_id** and **post_id** of the collection; items come in curator order.
/// - *wot*: Requires **observer_id**. Posts from users within `depth` follow steps (1-3, default 2).
/// - *wot_domain*: Requires **observer_id** and **domain_tags**. Posts by authors whom the observer's web of trust
///   has tagged with any of them; with `depth=0` by the observer alone.
///
/// A page goes on with `cursor`, which `x-next-cursor` gives; `start`, `end` and `skip` work too.
#[utoipa::path(
    get, path = "/v0/stream/posts", tag = "Stream", operation_id = "stream_posts_handler",
    params(StreamQuery, Show, Range, After, Paged<10, 50>),
    responses(
        (status = 200, description = "Posts stream; with `content=uri` of `PostViewLight`", body = Vec<PostViewDetailed>),
        Invalid, Failures
    )
)]
async fn posts(
    State(social): State<Arc<Shared>>,
    Query(query): Query<StreamQuery>,
    Query(show): Query<Show>,
    window: Window,
) -> Continued<ShownPost> {
    let query = query.question(show.viewer_id, window)?;
    let (rows, next) = social.ask(|index| {
        let page = meter::counted(&query, |query| index.posts(query));
        (show.posts(index, page.iter().map(|entry| &entry.post)), next(&page, query.page))
    });
    continued(rows, next)
}

/// The keys of a stream of posts.
#[derive(Serialize, ToSchema)]
struct PostKeyStream {
    /// `author:post`
    post_keys: Vec<String>,
    /// Score of the last entry, to be passed back as `start`; null for an empty page and for collections.
    #[schema(minimum = 0)]
    last_post_score: Option<i64>,
    /// Where the stream goes on, to be passed back as `cursor`; left out when the page isn't full.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Stream of post keys, with the parameters of the stream of posts
#[utoipa::path(
    get, path = "/v0/stream/posts/keys", tag = "Stream", operation_id = "stream_post_keys_handler",
    params(StreamQuery, Viewer, Range, After, Paged<10, 50>),
    responses((status = 200, description = "Post key stream", body = PostKeyStream), Invalid, Failures)
)]
async fn keys(
    State(social): State<Arc<Shared>>,
    Query(query): Query<StreamQuery>,
    Query(viewer): Query<Viewer>,
    window: Window,
) -> Answer<PostKeyStream> {
    let query = query.question(viewer.viewer_id, window)?;
    let page = meter::counted(&query, |query| social.ask(|index| index.posts(query)));
    let scored = !matches!(query.source, PostSource::Collection(_));
    Ok(Json(PostKeyStream {
        post_keys: page.iter().map(|entry| entry.post.to_string()).collect(),
        last_post_score: page.last().filter(|_| scored).map(|entry| entry.score),
        next_cursor: next(&page, query.page),
    }))
}

#[derive(Deserialize, ToSchema)]
struct PostStreamByIdsRequest {
    /// Post keys (min=1, max=100).
    #[schema(value_type = Vec<GlobalPostId>)]
    post_ids: Listed<GlobalPostId>,
    /// Who looks.
    #[schema(value_type = Option<PubkyIdText>)]
    viewer_id: Option<PubkyId>,
    /// Include file metadata for post attachments.
    #[serde(default)]
    include_attachment_metadata: bool,
    /// `uri`: light views.
    #[serde(default)]
    #[schema(inline)]
    content: Content,
}

/// Known posts in the order of the request
#[utoipa::path(
    post, path = "/v0/stream/posts/by_ids", tag = "Stream", operation_id = "stream_posts_by_ids_handler",
    request_body = PostStreamByIdsRequest,
    responses((status = 200, description = "Post stream", body = Vec<PostViewDetailed>), Failures)
)]
async fn by_ids(State(social): State<Arc<Shared>>, Body(body): Body<PostStreamByIdsRequest>) -> Answer<Vec<ShownPost>> {
    let PostStreamByIdsRequest { post_ids, viewer_id, include_attachment_metadata, content } = body;
    let show = Show { viewer_id, include_attachment_metadata, content };
    Ok(Json(social.ask(|index| show.posts(index, post_ids.0.iter().map(|id| &id.0)))))
}
