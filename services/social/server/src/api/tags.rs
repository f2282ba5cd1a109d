//! Tags across the network.

use super::{
    Routes,
    error::{Answer, ApiError, found},
    extract::{At, Part, Query},
    openapi::{Failures, Invalid, Missing},
    params::{LabelText, Limit, Paged, PubkyIdText, ReachName, Timespan},
};
use crate::shared::Shared;
use axum::{Json, extract::State};
use nexus_pubky::{HashId, PubkyId};
use nexus_social::{
    query::{HotTagQuery, Reach},
    read::Read,
    row::{Tag, Target},
    view::{HotTag, TagView},
};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    Routes::new().routes(routes!(tag)).routes(routes!(taggers))
}

pub(super) fn expensive_routes() -> Routes {
    Routes::new().routes(routes!(hot))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TagPath {
    /// Tagger Pubky ID
    tagger_id: String,
    /// Tag Pubky ID
    tag_id: String,
}

/// Tag view, whatever app the tag belongs to
#[utoipa::path(
    get, path = "/v0/tags/{tagger_id}/{tag_id}", tag = "Tag", operation_id = "tag_view_handler", params(TagPath),
    responses((status = 200, description = "Tag", body = TagView), Missing, Failures)
)]
async fn tag(State(social): State<Arc<Shared>>, At(at): At<TagPath>) -> Answer<TagView> {
    let missing = || ApiError::no_tag(&at.tagger_id, &at.tag_id);
    let ids = at.tagger_id.parse::<PubkyId>().ok().zip(at.tag_id.parse::<HashId>().ok());
    let (tagger, id) = ids.ok_or_else(missing)?;
    let tag = social.stored(move |store| store.tag(&tagger, &id)).await??.ok_or_else(missing)?;
    found(social.ask(|index| shown(index, tag)), missing)
}

fn shown(index: &dyn Read, tag: Tag) -> Option<TagView> {
    let uri = match tag.target {
        Target::User(user) => format!("pubky://{user}/pub/pubky.app/profile.json"),
        Target::Post(post) => post.uri(),
        Target::Resource(resource) => index.resource(&resource)?.uri,
    };
    Some(TagView { uri, label: tag.label.to_string(), indexed_at: tag.time })
}

/// Around whom tags are counted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Around {
    /// User Pubky ID
    #[param(value_type = Option<PubkyIdText>)]
    user_id: Option<PubkyId>,
    /// Reach type: `followers` | `following` | `friends` | `wot` | `wot_1`..`wot_3`. To apply that, user_id is
    /// required. Bare `wot` defaults to depth 2.
    #[param(value_type = Option<String>)]
    reach: Option<ReachName>,
    /// Only tags of this timeframe. Defaults to `all_time`
    #[serde(default)]
    timeframe: Timespan,
}

impl Around {
    fn around(&self) -> Result<Option<(PubkyId, Reach)>, ApiError> {
        match (self.user_id, self.reach) {
            (Some(user), Some(ReachName(reach))) => Ok(Some((user, reach))),
            (None, None) => Ok(None),
            _ => Err(ApiError::invalid("user_id and reach should be both provided together")),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TaggersLimit {
    /// Retrieve N user_id for each tag. Defaults to `20`
    #[serde(default)]
    #[param(schema_with = Limit::<20, 20>::reference)]
    taggers_limit: Limit<20, 20>,
}

/// Global Tags by reach
#[utoipa::path(
    get, path = "/v0/tags/hot", tag = "Tags", operation_id = "hot_tags_handler",
    params(Around, TaggersLimit, Paged<40, 40>),
    responses((status = 200, description = "Retrieve tags by reach cluster", body = Vec<HotTag>), Invalid, Failures)
)]
async fn hot(
    State(social): State<Arc<Shared>>,
    Query(around): Query<Around>,
    Query(taggers): Query<TaggersLimit>,
    Part(page): Part<Paged<40, 40>>,
) -> Answer<Vec<HotTag>> {
    let query = HotTagQuery {
        around: around.around()?,
        timeframe: around.timeframe.into(),
        page: page.into(),
        taggers: taggers.taggers_limit.0,
        newest: social.hot_tags_around,
        now: social.clock.now(),
    };
    Ok(Json(social.ask(|index| index.hot_tags(&query))))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct LabelPath {
    /// Tag name
    label: LabelText,
}

/// Global tag Taggers
#[utoipa::path(
    get, path = "/v0/tags/taggers/{label}", tag = "Tags", operation_id = "tag_taggers_handler",
    params(LabelPath, Around, Paged<20, 20>),
    responses((status = 200, description = "Taggers", body = Vec<String>), Invalid, Failures)
)]
async fn taggers(
    State(social): State<Arc<Shared>>,
    At(at): At<LabelPath>,
    Query(around): Query<Around>,
    Part(page): Part<Paged<20, 20>>,
) -> Answer<Vec<PubkyId>> {
    let (centre, now) = (around.around()?, social.clock.now());
    let centre = centre.as_ref().map(|(user, reach)| (user, *reach));
    let (label, timeframe) = (at.label.0.as_str(), around.timeframe.into());
    Ok(Json(social.ask(|index| index.label_taggers(label, centre, timeframe, now, page.into()))))
}
