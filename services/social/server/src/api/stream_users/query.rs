//! From parameters to a question for users: what each source needs, and what it refuses (spec d.11).

use super::super::{
    error::ApiError,
    extract::Part,
    params::{After, ExcludeMuted, Labels, Paged, PostId, PubkyIdText, ReachName, Timespan, UserSourceName},
};
use crate::shared::Shared;
use axum::{extract::FromRequestParts, http::request::Parts};
use nexus_pubky::PubkyId;
use nexus_social::{
    query::{Depth, Page, Position, Reach, Relation, UserQuery, UserSource},
    row::{Label, PostKey},
};
use serde::Deserialize;
use utoipa::IntoParams;

/// How far a starter pack can be paged accurately.
const STARTER_PACK_SKIP: usize = 100;

/// The part of a stream that is asked for.
pub(super) struct Window {
    after: Option<Position>,
    page: Page,
}

impl<S: Sync> FromRequestParts<S> for Window {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Part(page) = Part::<Paged<5, 20>>::from_request_parts(parts, state).await?;
        let Part(after) = Part::<After>::from_request_parts(parts, state).await?;
        Ok(Self { after: after.into(), page: page.into() })
    }
}

/// Which stream.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Source of users for streams
    #[serde(default)]
    source: UserSourceName,
    /// User ID to use for streams with source 'following', 'followers', 'friends', 'influencers', 'recommended' and
    /// 'starter_pack'
    #[param(value_type = Option<PubkyIdText>)]
    user_id: Option<PubkyId>,
    /// Viewer Pubky ID
    #[param(value_type = Option<PubkyIdText>)]
    pub(super) viewer_id: Option<PubkyId>,
    /// Author ID when source is 'post_replies'
    #[param(value_type = Option<PubkyIdText>)]
    author_id: Option<PubkyId>,
    /// Post ID when source is 'post_replies'
    post_id: Option<PostId>,
    /// The target reach of the 'influencers' source: `followers` | `following` | `friends` | `wot` | `wot_1`..`wot_3`.
    /// Bare `wot` defaults to depth 2.
    #[param(value_type = Option<String>)]
    reach: Option<ReachName>,
    /// Timeframe for sources supporting a range
    #[serde(default)]
    timeframe: Timespan,
    /// A random selection of size 3 for sources supporting preview. Passing preview ignores skip and limit.
    #[serde(default)]
    preview: bool,
    /// How far taggers may be from the viewer. Numbers bigger than 3 will be ignored
    #[param(value_type = Option<i32>, minimum = 0)]
    pub(super) depth: Option<u32>,
    /// Comma-separated interest labels (1-5) for source 'starter_pack'
    tags: Option<Labels>,
    /// Leave out users whom the viewer mutes; requires `viewer_id`
    #[serde(default)]
    #[param(value_type = bool)]
    exclude_muted: ExcludeMuted,
}

impl StreamQuery {
    /// The question, or why there is none.
    pub(super) fn question(self, window: Window, social: &Shared) -> Result<UserQuery, ApiError> {
        let (now, Window { after, page }) = (social.clock.now(), window);
        let unless_muted_by = self.exclude_muted.by(self.viewer_id)?;
        let source = self.source(page, &social.moderated)?;
        Ok(UserQuery { source, page, after, unless_muted_by, now, seed: now.millis().unsigned_abs() })
    }

    fn source(self, page: Page, moderated: &[Label]) -> Result<UserSource, ApiError> {
        use UserSourceName as Name;
        if self.tags.is_some() && self.source != Name::StarterPack {
            let source = self.source.as_str();
            let text = format!("tags query param is only supported for source 'starter_pack', not '{source}'");
            return Err(ApiError::Invalid(text));
        }
        match self.source {
            Name::Followers => self.related(Relation::Followers),
            Name::Following => self.related(Relation::Following),
            Name::Friends => self.related(Relation::Friends),
            Name::MostFollowed => Ok(UserSource::MostFollowed),
            Name::Influencers => self.influencers(),
            Name::Recommended => self.user().map(UserSource::Recommended),
            Name::PostReplies => self.post_replies(),
            Name::StarterPack => self.starter_pack(page, moderated),
        }
    }

    fn needed<T>(&self, value: Option<T>, parameter: &str) -> Result<T, ApiError> {
        let source = self.source.as_str();
        let text = || format!("{parameter} query param must be provided for source '{source}'");
        value.ok_or_else(|| ApiError::Invalid(text()))
    }

    fn user(&self) -> Result<PubkyId, ApiError> {
        self.needed(self.user_id, "user_id")
    }

    fn related(&self, relation: Relation) -> Result<UserSource, ApiError> {
        Ok(UserSource::Relation(self.user()?, relation))
    }

    fn influencers(&self) -> Result<UserSource, ApiError> {
        if self.reach.is_some() && self.user_id.is_none() {
            let text = "user_id query param must be provided for source 'influencers' when reach is specified";
            return Err(ApiError::invalid(text));
        }
        let reach = self.reach.map_or(Reach::Wot(Depth::TWO), |reach| reach.0);
        let around = self.user_id.filter(|_| self.timeframe != Timespan::AllTime).map(|user| (user, reach));
        Ok(UserSource::Influencers { around, timeframe: self.timeframe.into(), preview: self.preview })
    }

    fn post_replies(&self) -> Result<UserSource, ApiError> {
        let author = self.needed(self.author_id, "author_id")?;
        let id = self.needed(self.post_id, "post_id")?.0;
        Ok(UserSource::PostReplies(PostKey { author, id }))
    }

    fn starter_pack(self, page: Page, moderated: &[Label]) -> Result<UserSource, ApiError> {
        let labels = self.needed(self.tags.clone(), "tags")?.0;
        if let Some(label) = labels.iter().find(|label| moderated.contains(label)) {
            return Err(ApiError::Invalid(format!(
                "tag label '{label}' is a moderation label and cannot be used with source 'starter_pack'"
            )));
        }
        if page.skip > STARTER_PACK_SKIP {
            let text = format!("skip must be at most {STARTER_PACK_SKIP} for source 'starter_pack'");
            return Err(ApiError::Invalid(text));
        }
        let newcomer = self.user_id.or(self.viewer_id);
        Ok(UserSource::StarterPack { labels, newcomer, timeframe: self.timeframe.into() })
    }
}
