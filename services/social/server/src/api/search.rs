//! Searches.

use super::{
    Routes,
    cursor::{self, Continued, continued, next},
    error::Answer,
    extract::{At, Part, Query},
    openapi::{Failures, Invalid},
    params::{
        After, ExcludeMuted, Kind, LabelText, Labels, Paged, PubkyIdText, Range, SearchText, Sorted, UserIdPrefix,
        UsernamePrefix, Viewer,
    },
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::PubkyId;
use nexus_social::{
    query::{LabelledQuery, NameQuery, Page},
    row::{Label, PostKey},
    search::{ContentHit, ContentQuery},
    view::{PostKindName, Ranked, UserHit},
};
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new()
        .routes(routes!(users_by_name))
        .routes(routes!(users_by_id))
        .routes(routes!(posts_by_tag))
        .routes(routes!(tags_by_prefix))
}

pub(super) fn expensive_routes() -> Routes {
    Routes::new().routes(routes!(users_by_tags)).routes(routes!(posts_by_content))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct NamePath {
    /// Username prefix to search for
    prefix: UsernamePrefix,
}

/// Search user id by username prefix. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/search/users/by_name/{prefix}", tag = "Search", operation_id = "search_users_by_name_handler",
    params(NamePath, After, Paged<50, 200>),
    responses((status = 200, description = "Search results", body = Vec<String>), Invalid, Failures)
)]
async fn users_by_name(
    State(social): State<Arc<Shared>>,
    At(at): At<NamePath>,
    Part(after): Part<After>,
    Part(page): Part<Paged<50, 200>>,
) -> Continued<PubkyId> {
    let (after, page) = (cursor::by_name(after.into())?, page.into());
    let query = NameQuery { prefix: at.prefix.0, after, page, unless_muted_by: None };
    let (users, next) = social.ask(|index| {
        let users = index.users_by_name(&query);
        let next = cursor::next_name(index, &users, page);
        (users, next)
    });
    continued(users, next)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct IdPath {
    /// User ID prefix to search for (at least 3 characters)
    prefix: UserIdPrefix,
}

/// Search user IDs by ID prefix. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/search/users/by_id/{prefix}", tag = "Search", operation_id = "search_users_by_id_handler",
    params(IdPath, After, Paged<50, 200>),
    responses((status = 200, description = "Search results", body = Vec<String>), Invalid, Failures)
)]
async fn users_by_id(
    State(social): State<Arc<Shared>>,
    At(at): At<IdPath>,
    Part(after): Part<After>,
    Part(page): Part<Paged<50, 200>>,
) -> Continued<PubkyId> {
    let (after, page) = (cursor::by_key(after.into())?, page.into());
    let users = social.ask(|index| index.users_by_id(&at.prefix.0, after.as_ref(), page));
    cursor::paged(users, page)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LabelsQuery {
    /// Comma-separated tag labels (1-5). Users tagged with any of them are returned
    tags: Labels,
}

/// Search users by profile tags, scored by how many taggers applied the searched labels. A page goes on with
/// `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/search/users/by_tags", tag = "Search", operation_id = "search_users_by_tags_handler",
    params(LabelsQuery, After, Paged<20, 200>),
    responses(
        (status = 200, description = "Search results ordered by tagger count", body = Vec<UserHit>), Invalid, Failures
    )
)]
async fn users_by_tags(
    State(social): State<Arc<Shared>>,
    Query(query): Query<LabelsQuery>,
    Part(after): Part<After>,
    Part(page): Part<Paged<20, 200>>,
) -> Continued<UserHit> {
    let (after, page) = (cursor::by_hits(after.into())?, page.into());
    let hits = social.ask(|index| index.users_by_tags(&query.tags.0, after.as_ref(), page));
    cursor::paged(hits, page)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TagPath {
    /// Tag name
    tag: LabelText,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SortQuery {
    /// StreamSorting method
    #[serde(default)]
    sorting: Sorted,
    /// Leave out posts by users whom the viewer mutes; requires `viewer_id`
    #[serde(default)]
    #[param(value_type = bool)]
    exclude_muted: ExcludeMuted,
}

fn post_key<S: Serializer>(key: &PostKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

/// A post that carries a label.
#[derive(Serialize, ToSchema)]
struct PostsByTagSearch {
    /// `author:post`
    #[serde(serialize_with = "post_key")]
    #[schema(value_type = String)]
    post_key: PostKey,
    /// Its score.
    #[schema(value_type = usize)]
    score: i64,
}

impl From<Ranked> for PostsByTagSearch {
    fn from(hit: Ranked) -> Self {
        Self { post_key: hit.post, score: hit.score }
    }
}

/// Search Posts by Tag. A page goes on with `cursor`, which `x-next-cursor` gives
#[utoipa::path(
    get, path = "/v0/search/posts/by_tag/{tag}", tag = "Search", operation_id = "search_posts_by_tag_handler",
    params(TagPath, SortQuery, Viewer, Range, After, Paged<20, 200>),
    responses((status = 200, description = "Search results", body = Vec<PostsByTagSearch>), Invalid, Failures)
)]
async fn posts_by_tag(
    State(social): State<Arc<Shared>>,
    At(at): At<TagPath>,
    Query(query): Query<SortQuery>,
    Query(viewer): Query<Viewer>,
    Part(range): Part<Range>,
    Part(after): Part<After>,
    Part(page): Part<Paged<20, 200>>,
) -> Continued<PostsByTagSearch> {
    let query = LabelledQuery {
        label: at.tag.0,
        sorting: query.sorting.into(),
        range: range.into(),
        after: after.into(),
        page: page.into(),
        unless_muted_by: query.exclude_muted.by(viewer.viewer_id)?,
    };
    let hits = social.ask(|index| index.posts_by_tag(&query));
    let next = next(&hits, query.page);
    continued(hits.into_iter().map(Into::into).collect(), next)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ContentParameters {
    /// Search query (2–30 characters, up to 4 terms)
    q: SearchText,
    /// Optional author Pubky ID to scope results
    #[param(value_type = Option<PubkyIdText>)]
    author: Option<PubkyId>,
    /// Optional post kind to filter by: short, long, image, video, link, file, collection
    #[param(value_type = Option<PostKindName>)]
    kind: Option<Kind>,
}

/// A post whose text matches.
#[derive(Serialize, ToSchema)]
struct PostsByContentSearch {
    /// `author:post`
    #[serde(serialize_with = "post_key")]
    #[schema(value_type = String)]
    post_key: PostKey,
    /// How well it matches; comparable within one answer only.
    score: f64,
}

impl From<ContentHit> for PostsByContentSearch {
    fn from(hit: ContentHit) -> Self {
        Self { post_key: hit.post, score: hit.score.into() }
    }
}

/// Full-text search over post content
#[utoipa::path(
    get, path = "/v0/search/posts/by_content", tag = "Search", operation_id = "search_posts_by_content_handler",
    params(ContentParameters, Paged<20, 100, 1000>),
    responses(
        (status = 200, description = "Search results ordered by relevance score", body = Vec<PostsByContentSearch>),
        Invalid, Failures
    )
)]
async fn posts_by_content(
    State(social): State<Arc<Shared>>,
    Query(query): Query<ContentParameters>,
    Part(page): Part<Paged<20, 100, 1000>>,
) -> Answer<Vec<PostsByContentSearch>> {
    let (SearchText(terms), Page { skip, limit }) = (query.q, page.into());
    if terms.is_empty() {
        return Ok(Json(Vec::new()));
    }
    let question = ContentQuery { terms, author: query.author, kind: query.kind.map(|kind| kind.0), skip, limit };
    let hits = social.search(question).await??;
    Ok(Json(hits.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct LabelPrefixPath {
    /// Tag name prefix
    prefix: LabelText,
}

/// Search tags by prefix
#[utoipa::path(
    get, path = "/v0/search/tags/by_prefix/{prefix}", tag = "Search", operation_id = "search_tags_by_prefix_handler",
    params(LabelPrefixPath, Paged<20, 100>),
    responses((status = 200, description = "Search results", body = Vec<String>), Failures)
)]
async fn tags_by_prefix(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPrefixPath>,
    Part(page): Part<Paged<20, 100>>,
) -> Answer<Vec<Label>> {
    Ok(Json(social.ask(|index| index.labels(at.prefix.0.as_str(), page.into()))))
}
