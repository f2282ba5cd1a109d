//! What surrounds a post: ancestors, replies, and who reposted it. Beyond upstream.

use super::{
    Routes,
    cursor::{self, Continued, continued},
    error::{Answer, ApiError, found},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{After, Content, Count, Limit, Paged, PostPath, PubkyIdText},
    shown::ShownThread,
};
use crate::shared::Shared;
use axum::extract::State;
use nexus_pubky::PubkyId;
use nexus_social::view::Thread;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, PartialSchema as _};
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(thread)).routes(routes!(reposts))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ThreadQuery {
    /// Viewer Pubky ID
    #[param(value_type = Option<PubkyIdText>)]
    viewer_id: Option<PubkyId>,
    /// Ancestors at the most (0–100, **default** 20)
    #[serde(default)]
    #[param(schema_with = Count::<20, 100>::schema)]
    ancestors: Count<20, 100>,
    /// Replies at the most, over all levels (0–200, **default** 50)
    #[serde(default)]
    #[param(schema_with = Count::<50, 200>::schema)]
    replies: Count<50, 200>,
    /// Levels of replies (1–10, **default** 3)
    #[serde(default)]
    #[param(schema_with = Limit::<3, 10>::reference)]
    depth: Limit<3, 10>,
    /// `uri`: light views, without texts, for clients that read posts from their homeservers and verify them.
    #[serde(default)]
    #[param(inline)]
    content: Content,
}

/// A post among its ancestors and replies
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/thread", tag = "Post", operation_id = "post_thread_handler",
    params(PostPath, ThreadQuery),
    responses(
        (status = 200, description = "Thread; with `content=uri` a `ThreadLight`", body = Thread),
        Invalid, Missing, Failures
    )
)]
async fn thread(
    State(social): State<Arc<Shared>>,
    At(at): At<PostPath>,
    Query(query): Query<ThreadQuery>,
) -> Answer<ShownThread> {
    let depth = u8::try_from(query.depth.0).unwrap_or(u8::MAX);
    let viewer = query.viewer_id.as_ref();
    let thread = social.ask(|index| index.thread(&at.key(), viewer, query.ancestors.0, query.replies.0, depth));
    let shown = thread.map(|thread| ShownThread::new(thread, query.content));
    found(shown, || ApiError::no_post(&at.key()))
}

/// Posts that embed a post, oldest first. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/post/{author_id}/{post_id}/reposts", tag = "Post", operation_id = "post_reposts_handler",
    params(PostPath, After, Paged<50, 200>),
    responses(
        (status = 200, description = "Keys of reposts, as `author:post`", body = Vec<String>),
        Invalid, Missing, Failures
    )
)]
async fn reposts(
    State(social): State<Arc<Shared>>,
    At(at): At<PostPath>,
    Part(after): Part<After>,
    Part(page): Part<Paged<50, 200>>,
) -> Continued<String> {
    let slice = after.slice(page);
    let reposts = social.ask(|index| index.reposts(&at.key(), slice));
    let reposts = reposts.ok_or_else(|| ApiError::no_post(&at.key()))?;
    let next = cursor::next(&reposts, slice.page);
    continued(reposts.into_iter().map(|repost| repost.post.to_string()).collect(), next)
}
