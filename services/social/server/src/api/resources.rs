//! Universal tags: labels on what is outside the Pubky graph.

use super::{
    Routes, cursor,
    error::{Answer, ApiError, found},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{After, LabelText, Paged, ResourceIdText, TagPage, Trust, Viewer},
    shown::ShownTaggers,
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::{ResourceId, ResourceUri};
use nexus_social::{
    query::TagWindow,
    view::{ResourceDetails, TagDetails},
};
use serde::{Deserialize, Deserializer, Serialize};
use std::{borrow::Cow, sync::Arc};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

/// Bytes of a URI that is looked up.
const LONGEST_URI: usize = 2048;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(tags)).routes(routes!(by_uri)).routes(routes!(taggers))
}

fn resource_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ResourceId, D::Error> {
    Cow::<str>::deserialize(deserializer)?.parse().map_err(super::params::refuse)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ResourcePath {
    /// Resource ID (32-char hex)
    #[serde(deserialize_with = "resource_id")]
    #[param(value_type = ResourceIdText)]
    resource_id: ResourceId,
}

/// A resource and its labels.
#[derive(Serialize, ToSchema)]
#[schema(as = ResourceTagsResponse)]
struct ResourceTags {
    /// The resource.
    resource: ResourceDetails,
    /// A page of its labels.
    tags: Vec<TagDetails>,
    /// Where its labels go on, to be passed back as `cursor`; left out when the page isn't full.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

fn tags_of(social: &Shared, id: &ResourceId, window: TagWindow<'_>, trust: Trust) -> Answer<ResourceTags> {
    let viewer = trust.without_depth("`depth` is not supported for resource tags")?;
    let known = social.ask(|index| {
        let (resource, tags) = index.resource(id).zip(index.resource_tags(id, window, viewer))?;
        Some(ResourceTags { resource, next_cursor: cursor::next(&tags, window.labels.page), tags })
    });
    found(known, || ApiError::no_resource(id))
}

/// Resource tags
#[utoipa::path(
    get, path = "/v0/resource/{resource_id}/tags", tag = "Resource", operation_id = "resource_tags_handler",
    params(ResourcePath, TagPage, After, Viewer),
    responses(
        (status = 200, description = "Resource tags with metadata", body = ResourceTags), Invalid, Missing, Failures
    )
)]
async fn tags(
    State(social): State<Arc<Shared>>,
    At(at): At<ResourcePath>,
    Query(page): Query<TagPage>,
    Part(after): Part<After>,
    Query(trust): Query<Trust>,
) -> Answer<ResourceTags> {
    tags_of(&social, &at.resource_id, page.window(&after, 5), trust)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct UriQuery {
    /// Raw URI to look up
    uri: String,
}

/// Lookup resource tags by raw URI
#[utoipa::path(
    get, path = "/v0/resource/by-uri", tag = "Resource", operation_id = "resource_by_uri_handler",
    params(UriQuery, TagPage, After, Viewer),
    responses(
        (status = 200, description = "Resource tags with metadata", body = ResourceTags), Invalid, Missing, Failures
    )
)]
async fn by_uri(
    State(social): State<Arc<Shared>>,
    Query(query): Query<UriQuery>,
    Query(page): Query<TagPage>,
    Part(after): Part<After>,
    Query(trust): Query<Trust>,
) -> Answer<ResourceTags> {
    if query.uri.len() > LONGEST_URI {
        return Err(ApiError::invalid(format!("URI too long (max {LONGEST_URI} bytes)")));
    }
    let uri = ResourceUri::normalize(&query.uri).map_err(|error| ApiError::invalid(error.to_string()))?;
    tags_of(&social, &uri.id(), page.window(&after, 5), trust)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct LabelPath {
    /// Resource ID (32-char hex)
    #[serde(deserialize_with = "resource_id")]
    #[param(value_type = ResourceIdText)]
    resource_id: ResourceId,
    /// Tag label
    label: LabelText,
}

/// Resource specific label taggers
#[utoipa::path(
    get, path = "/v0/resource/{resource_id}/tags/{label}/taggers", tag = "Resource",
    operation_id = "resource_taggers_handler", params(LabelPath, Viewer, After, Paged<40, 100>),
    responses((status = 200, description = "Resource taggers", body = ShownTaggers), Invalid, Failures)
)]
async fn taggers(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPath>,
    Query(viewer): Query<Viewer>,
    Part(after): Part<After>,
    Part(page): Part<Paged<40, 100>>,
) -> Answer<ShownTaggers> {
    let (label, slice, viewer) = (at.label.0.as_str(), after.slice(page), viewer.viewer_id.as_ref());
    let taggers = social.ask(|index| index.resource_taggers(&at.resource_id, label, slice, viewer));
    Ok(Json(ShownTaggers::new(taggers, slice.page)))
}
