//! One user.

use super::{
    Routes,
    cursor::{self, Continued, continued},
    error::{Answer, ApiError, found},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{After, Limit, Paged, PubkyIdText, Range, Trust, UserPath},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::{
    notification::Notification,
    query::{Relation, UserQuery, UserSource},
    view::{Relationship, UserCounts, UserDetails, UserView},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new()
        .routes(routes!(view))
        .routes(routes!(details))
        .routes(routes!(counts))
        .routes(routes!(relationship))
        .routes(routes!(followers))
        .routes(routes!(following))
        .routes(routes!(friends))
        .routes(routes!(notifications))
}

pub(super) fn expensive_routes() -> Routes {
    Routes::new().routes(routes!(path))
}

/// User profile
#[utoipa::path(
    get, path = "/v0/user/{user_id}", tag = "User", operation_id = "user_view_handler", params(UserPath, Trust),
    responses((status = 200, description = "User Profile", body = UserView), Missing, Failures)
)]
async fn view(State(social): State<Arc<Shared>>, At(at): At<UserPath>, Query(trust): Query<Trust>) -> Answer<UserView> {
    let depth = trust.depth()?;
    let view = social.ask(|index| index.user_view(&at.user_id, trust.viewer_id.as_ref(), depth));
    found(view, || ApiError::no_user(&at.user_id))
}

/// User details
#[utoipa::path(
    get, path = "/v0/user/{user_id}/details", tag = "User", operation_id = "user_details_handler", params(UserPath),
    responses((status = 200, description = "User details", body = UserDetails), Missing, Failures)
)]
async fn details(State(social): State<Arc<Shared>>, At(at): At<UserPath>) -> Answer<UserDetails> {
    found(social.ask(|index| index.user(&at.user_id)), || ApiError::no_user(&at.user_id))
}

/// User counts
#[utoipa::path(
    get, path = "/v0/user/{user_id}/counts", tag = "User", operation_id = "user_counts_handler", params(UserPath),
    responses((status = 200, description = "User counts", body = UserCounts), Missing, Failures)
)]
async fn counts(State(social): State<Arc<Shared>>, At(at): At<UserPath>) -> Answer<UserCounts> {
    found(social.ask(|index| index.user_counts(&at.user_id)), || ApiError::no_user(&at.user_id))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PairPath {
    /// User Pubky ID
    #[param(value_type = PubkyIdText)]
    user_id: PubkyId,
    /// Viewer Pubky ID
    #[param(value_type = PubkyIdText)]
    viewer_id: PubkyId,
}

/// User <> Viewer Relationship
#[utoipa::path(
    get, path = "/v0/user/{user_id}/relationship/{viewer_id}", tag = "User",
    operation_id = "user_relationship_handler", params(PairPath),
    responses((status = 200, description = "User relationship", body = Relationship), Missing, Failures)
)]
async fn relationship(State(social): State<Arc<Shared>>, At(at): At<PairPath>) -> Answer<Relationship> {
    let relationship = social.ask(|index| index.relationship(&at.user_id, &at.viewer_id));
    found(relationship, || ApiError::no_user(&at.user_id))
}

/// A page of a follow list.
type Related = Paged<50, 200>;

/// List user's follower IDs, oldest first. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/user/{user_id}/followers", tag = "User", operation_id = "user_followers_handler",
    params(UserPath, After, Related),
    responses((status = 200, description = "User followers list", body = Vec<String>), Invalid, Missing, Failures)
)]
async fn followers(
    State(social): State<Arc<Shared>>,
    At(at): At<UserPath>,
    Part(after): Part<After>,
    Part(page): Part<Related>,
) -> Continued<PubkyId> {
    related(&social, at.user_id, Relation::Followers, after, page)
}

/// List user's following IDs, oldest first. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/user/{user_id}/following", tag = "User", operation_id = "user_following_handler",
    params(UserPath, After, Related),
    responses((status = 200, description = "User following list", body = Vec<String>), Invalid, Missing, Failures)
)]
async fn following(
    State(social): State<Arc<Shared>>,
    At(at): At<UserPath>,
    Part(after): Part<After>,
    Part(page): Part<Related>,
) -> Continued<PubkyId> {
    related(&social, at.user_id, Relation::Following, after, page)
}

/// List user's friend IDs, oldest first. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/user/{user_id}/friends", tag = "User", operation_id = "user_friends_handler",
    params(UserPath, After, Related),
    responses((status = 200, description = "User friends list", body = Vec<String>), Invalid, Missing, Failures)
)]
async fn friends(
    State(social): State<Arc<Shared>>,
    At(at): At<UserPath>,
    Part(after): Part<After>,
    Part(page): Part<Related>,
) -> Continued<PubkyId> {
    related(&social, at.user_id, Relation::Friends, after, page)
}

fn related(social: &Shared, user: PubkyId, relation: Relation, after: After, page: Related) -> Continued<PubkyId> {
    let (source, page, now) = (UserSource::Relation(user, relation), page.into(), social.clock.now());
    let query = UserQuery { source, page, after: after.into(), unless_muted_by: None, now, seed: 0 };
    let listed = social.ask(|index| index.user(&user).map(|_| index.users(&query)));
    let listed = listed.ok_or_else(|| ApiError::no_user(&user))?;
    let next = cursor::next(&listed, page);
    continued(listed.into_iter().map(|entry| entry.user).collect(), next)
}

/// List of user notifications, newest first. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/user/{user_id}/notifications", tag = "User", operation_id = "list_notifications_handler",
    params(UserPath, Paged<20, 100>, Range, After),
    responses((status = 200, description = "List of notifications", body = Vec<Notification>), Invalid, Failures)
)]
async fn notifications(
    State(social): State<Arc<Shared>>,
    At(at): At<UserPath>,
    Part(page): Part<Paged<20, 100>>,
    Part(range): Part<Range>,
    Part(after): Part<After>,
) -> Continued<Notification> {
    let page = page.into();
    let told = social.notifications(at.user_id, range.into(), after.into(), page).await??;
    cursor::paged(told, page)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PathPath {
    /// Where it begins
    #[param(value_type = PubkyIdText)]
    user_id: PubkyId,
    /// Where it ends
    #[param(value_type = PubkyIdText)]
    to_id: PubkyId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PathQuery {
    /// Follow steps at the most (1–6, **default** 4)
    #[serde(default)]
    #[param(schema_with = Limit::<4, 6>::reference)]
    max_distance: Limit<4, 6>,
}

/// How one user is connected with another.
#[derive(Serialize, ToSchema)]
struct UserPathView {
    /// Follow steps from the one to the other, null when they are too many or there is no way.
    distance: Option<usize>,
    /// The users on a shortest way, both ends included; empty when there is none.
    #[schema(value_type = Vec<String>)]
    path: Vec<PubkyId>,
}

/// Shortest chain of follows from a user to another
#[utoipa::path(
    get, path = "/v0/user/{user_id}/path/{to_id}", tag = "User", operation_id = "user_path_handler",
    params(PathPath, PathQuery),
    responses((status = 200, description = "Path and distance", body = UserPathView), Invalid, Missing, Failures)
)]
async fn path(
    State(social): State<Arc<Shared>>,
    At(at): At<PathPath>,
    Query(query): Query<PathQuery>,
) -> Answer<UserPathView> {
    let steps = u8::try_from(query.max_distance.0).unwrap_or(u8::MAX);
    let path = social.ask(|index| {
        let unknown = [at.user_id, at.to_id].into_iter().find(|id| index.user_counts(id).is_none());
        unknown.map_or_else(|| Ok(index.path(&at.user_id, &at.to_id, steps)), |id| Err(ApiError::no_user(&id)))
    })?;
    let path = path.unwrap_or_default();
    Ok(Json(UserPathView { distance: path.len().checked_sub(1), path }))
}
