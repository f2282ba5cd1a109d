//! From parameters to a question for posts: what each source needs, and what it refuses (spec d.10).

use super::{
    super::{
        extract::Part,
        params::{ExcludeMuted, Kind, Kinds, Labels, PostId, PostSourceName, Sorted, Which, steps_within},
    },
    After, ApiError, Paged, PubkyIdText, Range, meter,
};
use axum::{extract::FromRequestParts, http::request::Parts};
use nexus_pubky::PubkyId;
use nexus_social::{
    query::{Depth, KindFilter, Page, Position, PostQuery, PostSource, Reach, Relation, ScoreRange},
    row::PostKey,
    view::PostKindName,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// The part of a stream that is asked for.
pub(super) struct Window {
    range: Range,
    after: Option<Position>,
    page: Page,
}

impl<S: Sync> FromRequestParts<S> for Window {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Part(page) = Part::<Paged<10, 50>>::from_request_parts(parts, state).await?;
        let Part(range) = Part::from_request_parts(parts, state).await?;
        let Part(after) = Part::<After>::from_request_parts(parts, state).await?;
        Ok(Self { range, after: after.into(), page: page.into() })
    }
}

/// Which stream.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Source of posts for streams with viewer
    #[serde(default)]
    source: PostSourceName,
    /// Observer Pubky ID. The central point for streams with Reach
    #[param(value_type = Option<PubkyIdText>)]
    observer_id: Option<PubkyId>,
    /// Filter posts by an specific author User ID
    #[param(value_type = Option<PubkyIdText>)]
    author_id: Option<PubkyId>,
    /// This parameter is needed when we want to retrieve the replies stream for a post
    post_id: Option<PostId>,
    /// Sort method (`timeline` or `total_engagement`)
    sorting: Option<Sorted>,
    /// Ordering of response list. Either 'ascending' or 'descending'. Defaults to descending.
    order: Option<Which>,
    /// Filter by a list of comma-separated tags (max 5). Posts matching at least one of them are returned.
    tags: Option<Labels>,
    /// Follow steps: 1-3 for `wot`, 0-3 for `wot_domain`, default 2
    #[param(value_type = Option<i32>, minimum = 0)]
    depth: Option<u32>,
    /// Required for `wot_domain`: labels on the profiles of authors
    domain_tags: Option<Labels>,
    /// Filter by post kind: short, long, image, video, link, file, collection
    #[param(value_type = Option<PostKindName>)]
    kind: Option<Kind>,
    /// Comma-separated post kinds to leave out (1-7 items)
    exclude_kinds: Option<Kinds>,
    /// Leave out posts by users whom the viewer mutes; requires `viewer_id`
    #[serde(default)]
    #[param(value_type = bool)]
    exclude_muted: ExcludeMuted,
}

impl StreamQuery {
    /// The question, or why there is none.
    pub(super) fn question(self, viewer: Option<PubkyId>, window: Window) -> Result<PostQuery, ApiError> {
        self.refuse_for_collection(&window.range)?;
        let source = self.source().inspect_err(|_| self.count_refusal())?;
        let kinds = self.kinds()?;
        Ok(PostQuery {
            source,
            kinds,
            sorting: self.sorting.unwrap_or_default().into(),
            order: self.order.unwrap_or_default().into(),
            tags: self.tags.map_or_else(Vec::new, |labels| labels.0),
            range: ScoreRange::from(window.range),
            after: window.after,
            page: window.page,
            unless_muted_by: self.exclude_muted.by(viewer)?,
        })
    }

    fn count_refusal(&self) {
        if matches!(self.source, PostSourceName::Wot | PostSourceName::WotDomain) {
            meter::refused();
        }
    }

    fn source(&self) -> Result<PostSource, ApiError> {
        use PostSourceName as Name;
        let relation = |relation| self.around(Reach::Relation(relation));
        match self.source {
            Name::All => Ok(PostSource::All),
            Name::Following => relation(Relation::Following),
            Name::Followers => relation(Relation::Followers),
            Name::Friends => relation(Relation::Friends),
            Name::Wot => self.around(Reach::Wot(steps_within(self.depth.unwrap_or(2))?)),
            Name::WotDomain => self.wot_domain(),
            Name::Bookmarks => self.observer().map(PostSource::Bookmarks),
            Name::Author => self.author().map(PostSource::Author),
            Name::AuthorReplies => self.author().map(PostSource::AuthorReplies),
            Name::PostReplies => self.post().map(PostSource::PostReplies),
            Name::Collection => self.post().map(PostSource::Collection),
        }
    }

    fn needed<T>(&self, value: Option<T>, parameter: &str) -> Result<T, ApiError> {
        let source = self.source.as_str();
        value.ok_or_else(|| ApiError::invalid(format!("source '{source}' requires '{parameter}' parameter")))
    }

    fn observer(&self) -> Result<PubkyId, ApiError> {
        self.needed(self.observer_id, "observer_id")
    }

    fn author(&self) -> Result<PubkyId, ApiError> {
        self.needed(self.author_id, "author_id")
    }

    fn around(&self, reach: Reach) -> Result<PostSource, ApiError> {
        Ok(PostSource::Reach { observer: self.observer()?, reach })
    }

    fn wot_domain(&self) -> Result<PostSource, ApiError> {
        let observer = self.observer()?;
        let labels = self.needed(self.domain_tags.clone(), "domain_tags")?.0;
        let depth = match self.depth.unwrap_or(2) {
            0 => None,
            steps => Some(depth_up_to_three(steps)?),
        };
        Ok(PostSource::WotDomain { observer, depth, labels })
    }

    fn post(&self) -> Result<PostKey, ApiError> {
        let source = self.source.as_str();
        let both = self.author_id.zip(self.post_id).map(|(author, id)| PostKey { author, id: id.0 });
        let text = || format!("source '{source}' requires both 'post_id' and 'author_id' parameters");
        both.ok_or_else(|| ApiError::invalid(text()))
    }

    fn kinds(&self) -> Result<KindFilter, ApiError> {
        let replies = matches!(self.source, PostSourceName::PostReplies | PostSourceName::AuthorReplies);
        match (&self.kind, &self.exclude_kinds) {
            (None, None) => Ok(KindFilter::Any),
            (Some(_), Some(_)) => Err(ApiError::invalid("`kind` and `exclude_kinds` are mutually exclusive")),
            _ if replies => Err(ApiError::invalid(
                "`kind` and `exclude_kinds` are not supported with `source=post_replies` or `source=author_replies`",
            )),
            (Some(kind), None) => Ok(KindFilter::Only(kind.0.clone())),
            (None, Some(kinds)) => Ok(KindFilter::Except(kinds.0.clone())),
        }
    }

    /// A collection is a list in its curator's order: what would choose or sort is refused.
    fn refuse_for_collection(&self, range: &Range) -> Result<(), ApiError> {
        if self.source != PostSourceName::Collection {
            return Ok(());
        }
        let given = [
            ("tags", self.tags.is_some()),
            ("kind", self.kind.is_some()),
            ("exclude_kinds", self.exclude_kinds.is_some()),
            ("sorting", self.sorting.is_some()),
            ("order", self.order.is_some()),
            ("start", range.has_start()),
            ("end", range.has_end()),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(ApiError::invalid(format!("`{name}` is not supported with `source=collection`"))),
            None => Ok(()),
        }
    }
}

fn depth_up_to_three(steps: u32) -> Result<Depth, ApiError> {
    steps_within(steps).map_err(|_| ApiError::invalid("`depth` must be between 0 and 3"))
}
