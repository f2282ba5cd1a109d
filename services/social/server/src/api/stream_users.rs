//! Streams of users.

mod query;

use self::query::{StreamQuery, Window};
use super::{
    Routes,
    cursor::{self, Continued, continued},
    error::Answer,
    extract::{Body, Part, Query},
    openapi::{Failures, Invalid},
    params::{After, ExcludeMuted, Listed, Paged, PubkyIdText, UsernamePrefix, Viewer},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::{
    query::{Depth, NameQuery, UserQuery},
    read::Read,
    view::{RankedUser, UserView},
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(ids)).routes(routes!(by_username))
}

pub(super) fn expensive_routes() -> Routes {
    Routes::new().routes(routes!(users)).routes(routes!(by_ids))
}

/// Known users, in the order of their ids.
fn views<'a>(
    index: &dyn Read,
    ids: impl IntoIterator<Item = &'a PubkyId>,
    viewer: Option<&PubkyId>,
    depth: Option<Depth>,
) -> Vec<UserView> {
    ids.into_iter().filter_map(|id| index.user_view(id, viewer, depth)).collect()
}

/// Here a depth that isn't 1 to 3 is ignored (spec d.11), and so is one that nobody looks from.
fn lenient(viewer: Option<&PubkyId>, depth: Option<u32>) -> Option<Depth> {
    let steps = viewer.and(depth)?;
    Depth::new(u8::try_from(steps).ok()?)
}

/// Stream Users: Retrieve a stream of users.
///
/// The `source` parameter determines the type of stream. Depending on the `source`, certain parameters are required:
/// - *following*, *followers*, *friends*, *recommended*: Require **user_id**.
/// - *influencers*: With **user_id** and a **timeframe** other than 'all_time', **reach** says among whom (default
///   `wot_2`). Without **user_id** among all.
/// - *post_replies*: Requires **author_id** and **post_id**.
/// - *most_followed*: Requires nothing.
/// - *starter_pack*: Requires **tags** (1-5 interests). **user_id**, or else **viewer_id**, and whom that user
///   follows are left out. Moderation labels are rejected, as is a **skip** above 100.
///
/// A page goes on with `cursor`, which `x-next-cursor` gives, and with `skip`; *recommended*, *post_replies* and
/// previews are not paged.
#[utoipa::path(
    get, path = "/v0/stream/users", tag = "Stream", operation_id = "stream_users_handler",
    params(StreamQuery, After, Paged<5, 20>),
    responses((status = 200, description = "Users stream", body = Vec<UserView>), Invalid, Failures)
)]
async fn users(
    State(social): State<Arc<Shared>>,
    Query(query): Query<StreamQuery>,
    window: Window,
) -> Continued<UserView> {
    let (viewer, depth) = (query.viewer_id, lenient(query.viewer_id.as_ref(), query.depth));
    let query = query.question(window, &social)?;
    let (rows, next) = social.ask(|index| {
        let page = index.users(&query);
        let users = page.iter().map(|entry| &entry.user);
        (views(index, users, viewer.as_ref(), depth), next(&query, &page))
    });
    continued(rows, next)
}

/// Where a stream goes on, if it does.
fn next(query: &UserQuery, page: &[RankedUser]) -> Option<String> {
    cursor::next(page, query.page).filter(|_| query.source.is_paged())
}

/// Stream of user ids, with the parameters of the stream of users
#[utoipa::path(
    get, path = "/v0/stream/users/ids", tag = "Stream", operation_id = "stream_user_ids_handler",
    params(StreamQuery, After, Paged<5, 20>),
    responses((status = 200, description = "User IDs stream", body = Vec<String>), Invalid, Failures)
)]
async fn ids(
    State(social): State<Arc<Shared>>,
    Query(query): Query<StreamQuery>,
    window: Window,
) -> Continued<PubkyId> {
    let query = query.question(window, &social)?;
    let page = social.ask(|index| index.users(&query));
    let next = next(&query, &page);
    continued(page.into_iter().map(|entry| entry.user).collect(), next)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UsernameQuery {
    /// Username to search for
    username: UsernamePrefix,
    /// Leave out users whom the viewer mutes; requires `viewer_id`
    #[serde(default)]
    #[param(value_type = bool)]
    exclude_muted: ExcludeMuted,
}

/// Stream of user from username search result. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/stream/users/username", tag = "Stream", operation_id = "stream_username_search_handler",
    params(UsernameQuery, Viewer, After, Paged<20, 20>),
    responses((status = 200, description = "Username search stream", body = Vec<UserView>), Invalid, Failures)
)]
async fn by_username(
    State(social): State<Arc<Shared>>,
    Query(query): Query<UsernameQuery>,
    Query(viewer): Query<Viewer>,
    Part(after): Part<After>,
    Part(page): Part<Paged<20, 20>>,
) -> Continued<UserView> {
    let (after, page) = (cursor::by_name(after.into())?, page.into());
    let (prefix, unless_muted_by) = (query.username.0, query.exclude_muted.by(viewer.viewer_id)?);
    let query = NameQuery { prefix, after, page, unless_muted_by };
    let (rows, next) = social.ask(|index| {
        let users = index.users_by_name(&query);
        let next = cursor::next_name(index, &users, page);
        (views(index, &users, viewer.viewer_id.as_ref(), None), next)
    });
    continued(rows, next)
}

#[derive(Deserialize, ToSchema)]
struct UserStreamByIdsRequest {
    /// User ids (min=1, max=100).
    #[schema(value_type = Vec<PubkyIdText>)]
    user_ids: Listed<PubkyId>,
    /// Who looks.
    #[schema(value_type = Option<PubkyIdText>)]
    viewer_id: Option<PubkyId>,
    /// How far the taggers may be from the viewer.
    #[schema(value_type = Option<i32>, minimum = 0)]
    depth: Option<u32>,
}

/// Known users in the order of the request
#[utoipa::path(
    post, path = "/v0/stream/users/by_ids", tag = "Stream", operation_id = "stream_users_by_ids_handler",
    request_body = UserStreamByIdsRequest,
    responses((status = 200, description = "Users stream", body = Vec<UserView>), Failures)
)]
async fn by_ids(State(social): State<Arc<Shared>>, Body(body): Body<UserStreamByIdsRequest>) -> Answer<Vec<UserView>> {
    let viewer = body.viewer_id.as_ref();
    let depth = lenient(viewer, body.depth);
    Ok(Json(social.ask(|index| views(index, &body.user_ids.0, viewer, depth))))
}
