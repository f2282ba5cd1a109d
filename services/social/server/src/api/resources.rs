//! Universal tags: labels on what is outside the Pubky graph.

use super::{
    Routes,
    error::{Answer, ApiError, found},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{LabelText, Paged, ResourceIdText, TagPage, Trust, Viewer},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::{ResourceId, ResourceUri};
use nexus_social::view::{ResourceTags, Taggers};
use serde::{Deserialize, Deserializer};
use std::{borrow::Cow, sync::Arc};
use utoipa::IntoParams;
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

fn tags_of(social: &Shared, id: &ResourceId, page: TagPage, trust: Trust) -> Answer<ResourceTags> {
    let viewer = trust.without_depth("`depth` is not supported for resource tags")?;
    let tags = social.ask(|index| index.resource_tags(id, page.window(5), viewer));
    found(tags, || ApiError::no_resource(id))
}

/// Resource tags
#[utoipa::path(
    get, path = "/v0/resource/{resource_id}/tags", tag = "Resource", operation_id = "resource_tags_handler",
    params(ResourcePath, TagPage, Viewer),
    responses(
        (status = 200, description = "Resource tags with metadata", body = ResourceTags), Invalid, Missing, Failures
    )
)]
async fn tags(
    State(social): State<Arc<Shared>>,
    At(at): At<ResourcePath>,
    Query(page): Query<TagPage>,
    Query(trust): Query<Trust>,
) -> Answer<ResourceTags> {
    tags_of(&social, &at.resource_id, page, trust)
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
    params(UriQuery, TagPage, Viewer),
    responses(
        (status = 200, description = "Resource tags with metadata", body = ResourceTags), Invalid, Missing, Failures
    )
)]
async fn by_uri(
    State(social): State<Arc<Shared>>,
    Query(query): Query<UriQuery>,
    Query(page): Query<TagPage>,
    Query(trust): Query<Trust>,
) -> Answer<ResourceTags> {
    if query.uri.len() > LONGEST_URI {
        return Err(ApiError::invalid(format!("URI too long (max {LONGEST_URI} bytes)")));
    }
    let uri = ResourceUri::normalize(&query.uri).map_err(|error| ApiError::invalid(error.to_string()))?;
    tags_of(&social, &uri.id(), page, trust)
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
    operation_id = "resource_taggers_handler", params(LabelPath, Viewer, Paged<40, 100>),
    responses((status = 200, description = "Resource taggers", body = Taggers), Invalid, Failures)
)]
async fn taggers(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPath>,
    Query(viewer): Query<Viewer>,
    Part(page): Part<Paged<40, 100>>,
) -> Answer<Taggers> {
    let (label, viewer) = (at.label.0.as_str(), viewer.viewer_id.as_ref());
    Ok(Json(social.ask(|index| index.resource_taggers(&at.resource_id, label, page.into(), viewer))))
}
