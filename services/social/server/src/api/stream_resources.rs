//! Streams of tagged resources.

use super::{
    Routes,
    cursor::{Continued, continued, next},
    error::Answer,
    extract::{Part, Query},
    openapi::{Failures, Invalid},
    params::{After, Labels, Paged, Range, SortedResources, Viewer, Which},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::ResourceId;
use nexus_social::{query::ResourceQuery, view::ResourceView};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(resources)).routes(routes!(ids))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// Filter by app namespace
    app: Option<String>,
    /// Comma-separated tag labels (max 5, OR logic)
    tags: Option<Labels>,
    /// timeline or taggers_count
    #[serde(default)]
    #[param(value_type = String)]
    sorting: SortedResources,
    /// Ordering of response list. Defaults to descending.
    #[serde(default)]
    order: Which,
}

type Page = Paged<10, 100>;

impl StreamQuery {
    fn question(self, range: Range, after: After, page: Page) -> ResourceQuery {
        ResourceQuery {
            app: self.app.map(Into::into),
            tags: self.tags.map_or_else(Vec::new, |labels| labels.0),
            sorting: self.sorting.into(),
            order: self.order.into(),
            range: range.into(),
            after: after.into(),
            page: page.into(),
        }
    }
}

/// Stream resources with app/tag filtering, returns full ResourceView objects
#[utoipa::path(
    get, path = "/v0/stream/resources", tag = "Stream", operation_id = "stream_resources_handler",
    params(StreamQuery, Viewer, Range, After, Page),
    responses((status = 200, description = "Resource stream", body = Vec<ResourceView>), Invalid, Failures)
)]
async fn resources(
    State(social): State<Arc<Shared>>,
    Query(query): Query<StreamQuery>,
    Query(viewer): Query<Viewer>,
    Part(range): Part<Range>,
    Part(after): Part<After>,
    Part(page): Part<Page>,
) -> Continued<ResourceView> {
    let query = query.question(range, after, page);
    let (rows, next) = social.ask(|index| {
        let page = index.resources(&query);
        let views = page.iter().filter_map(|(id, _)| index.resource_view(id, viewer.viewer_id.as_ref()));
        (views.collect(), next(&page, query.page))
    });
    continued(rows, next)
}

/// The ids of a stream of resources.
#[derive(Serialize, ToSchema)]
struct ResourceKeyStream {
    /// Ids.
    #[schema(value_type = Vec<String>)]
    resource_ids: Vec<ResourceId>,
    /// Score of the last entry, to be passed back as `start`; null for an empty page.
    #[schema(minimum = 0)]
    last_score: Option<i64>,
    /// Where the stream goes on, to be passed back as `cursor`; left out when the page isn't full.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Stream of resource ids, with the parameters of the stream of resources
#[utoipa::path(
    get, path = "/v0/stream/resources/ids", tag = "Stream", operation_id = "stream_resource_ids_handler",
    params(StreamQuery, Range, After, Page),
    responses((status = 200, description = "Resource IDs with cursor", body = ResourceKeyStream), Invalid, Failures)
)]
async fn ids(
    State(social): State<Arc<Shared>>,
    Query(query): Query<StreamQuery>,
    Part(range): Part<Range>,
    Part(after): Part<After>,
    Part(page): Part<Page>,
) -> Answer<ResourceKeyStream> {
    let query = query.question(range, after, page);
    let page = social.ask(|index| index.resources(&query));
    Ok(Json(ResourceKeyStream {
        next_cursor: next(&page, query.page),
        last_score: page.last().map(|(_, score)| *score),
        resource_ids: page.into_iter().map(|(id, _)| id).collect(),
    }))
}
